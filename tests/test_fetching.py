"""How much of a download has come, by what the hub's library leaves in its cache."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from huggingface_hub import constants

from training import fetching


def test_what_grows_is_told_and_what_lay_there_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(fetching, "LOOK_SECONDS", 0.01)
    blobs = tmp_path / "models--timm--resnet18" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "left.incomplete").write_bytes(bytes(1000))
    (blobs / "whole").write_bytes(bytes(5000))
    told: list[int] = []
    seen = threading.Event()

    def tell(come: int) -> None:
        told.append(come)
        if come == 300:
            seen.set()

    with fetching.watched(tell), (blobs / "new.incomplete").open("wb", buffering=0) as file:
        file.write(bytes(100))
        file.write(bytes(200))
        assert seen.wait(60)
    assert told[-1] == 300
    assert told == sorted(set(told))


def test_without_a_cache_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "none"))
    with fetching.watched(lambda _come: pytest.fail("nothing came")):
        pass
