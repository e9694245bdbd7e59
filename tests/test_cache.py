"""The cache of data sets: it spares work, is never wrong, and never in the way."""

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import pytest
import torch

from tests.image_folders import config, everything, grey, two_classes
from training import cache as arrays
from training import images
from training.data import open_dataset
from training.dataset import Dataset
from training.image_data import FileImages, ResidentImages


def test_the_cache_spares_decoding(tmp_path: Path) -> None:
    data, cache = two_classes(tmp_path / "data"), tmp_path / "cache"
    first = open_dataset(config(data), cache)
    for path in data.rglob("*.png"):
        # The same size and times: only who decodes again can tell.
        status = path.stat()
        path.write_bytes(b"?" * status.st_size)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = open_dataset(config(data), cache)
    for one, other in ((first.train, again.train), (first.validation, again.validation)):
        assert torch.equal(everything(one), everything(other))
        assert torch.equal(one.labels, other.labels)
    assert (first.mean, first.std, first.classes) == (again.mean, again.std, again.classes)


def test_the_cache_remembers_what_was_left_out(tmp_path: Path) -> None:
    data, cache = two_classes(tmp_path / "data"), tmp_path / "cache"
    (data / "dark" / "0 broken.png").write_bytes(b"no image")
    first, again = open_dataset(config(data), cache), open_dataset(config(data), cache)
    assert first.skipped == again.skipped
    assert len(first.skipped) == 1
    assert torch.equal(everything(first.train), everything(again.train))


def test_an_image_that_may_be_read_again_is_not_left_out_any_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, cache = two_classes(tmp_path / "data"), tmp_path / "cache"
    closed = data / "dark" / "0.png"

    def opened(path: str, mode: Literal["rb"]) -> BinaryIO:
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open(path, mode)

    def size(dataset: Dataset) -> int:
        return len(dataset.train) + len(dataset.validation)

    # Made up, because root may read everything.
    with monkeypatch.context() as patch:
        patch.setattr(images, "open", opened, raising=False)
        patch.setattr(os, "access", lambda path, _: Path(path) != closed)
        without = open_dataset(config(data), cache)
        assert [(skip.path, skip.reason) for skip in without.skipped] == [("dark/0.png", images.CLOSED)]
        # As long as it is closed, nothing is read again for its sake.
        patch.setattr(images, "examine", None)
        assert size(open_dataset(config(data), cache)) == size(without) == 7
    whole = open_dataset(config(data), cache)
    assert (whole.skipped, size(whole)) == ((), 8)
    again = open_dataset(config(data), cache)
    assert torch.equal(everything(again.train), everything(open_dataset(config(data)).train))


def test_a_changed_file_and_a_changed_setting_are_read_anew(tmp_path: Path) -> None:
    data, cache = two_classes(tmp_path / "data"), tmp_path / "cache"
    open_dataset(config(data), cache)
    assert everything(open_dataset(config(data, size=16), cache).train).shape[-1] == 16
    grey(data / "dark" / "0.png", 77)
    dataset = open_dataset(config(data), cache)
    assert (torch.cat([everything(dataset.train), everything(dataset.validation)]) == 77).any()


def test_another_seed_splits_anew_without_decoding_again(tmp_path: Path) -> None:
    data, cache = two_classes(tmp_path / "data", each=20), tmp_path / "cache"
    one = open_dataset(config(data), cache)
    other = open_dataset(config(data, split_seed=5, validation_fraction=0.5), cache)
    assert [len(one.validation), len(other.validation)] == [8, 20]
    assert len(list(cache.glob("pixels-*.npy"))) == 1


@pytest.mark.parametrize("damage", ["truncated", "garbage", "emptied", "removed", "pickled"])
@pytest.mark.parametrize("kind", ["pixels-*.npy", "images-*digests.npy", "images-*.json", "split-*.npy"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, damage: str, kind: str) -> None:
    data, cache = two_classes(tmp_path / "data"), tmp_path / "cache"
    first = everything(open_dataset(config(data), cache).train)
    (path,) = cache.glob(kind)
    whole = path.read_bytes()
    if damage == "removed":
        path.unlink()
    elif damage == "pickled":
        np.save(path.with_suffix(".npy"), np.array([{}], dtype=object), allow_pickle=True)
        path.with_suffix(".npy").rename(path)
    else:
        path.write_bytes({"truncated": whole[: len(whole) // 2], "garbage": b"?" * len(whole), "emptied": b""}[damage])
    assert torch.equal(everything(open_dataset(config(data), cache).train), first)
    assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_does_not_stop_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = two_classes(tmp_path / "data")
    (tmp_path / "file").write_text("in the way")
    dataset = open_dataset(config(data), tmp_path / "file" / "cache")
    assert len(dataset.train) == 6
    assert "cache not written" in capsys.readouterr().err


def test_an_entry_that_would_fill_the_disk_is_not_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # A view that claims a petabyte of zeros.
    huge = np.broadcast_to(np.zeros(1, np.uint8), (2**50,))
    arrays.save(tmp_path, "huge", {}, {"zeros": huge})
    assert list(tmp_path.iterdir()) == []
    assert "cache not written" in capsys.readouterr().err


def test_processes_that_write_and_read_one_entry_at_once_see_it_whole_or_not_at_all(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path; from training.cache import load, save\n"
        "folder, values = Path(sys.argv[1]), np.arange(300_000)\n"
        "for _ in range(20):\n"
        "    entry = load(folder, 'one')\n"
        "    assert entry is None or entry.facts == {'a': [1]} and (entry.arrays['values'] == values).all()\n"
        "    save(folder, 'one', {'a': [1]}, {'values': values})\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[1] for process in processes] == ["", "", ""]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.json", "one.values.npy"]


def test_images_that_do_not_fit_into_memory_are_decoded_once_where_that_is_wished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same pixels as from the files, and the files are not read again; without a cache they are."""
    monkeypatch.setattr("training.machine.available_memory", lambda: 0)
    data, cache = two_classes(tmp_path / "data"), tmp_path / "cache"
    (data / "dark" / "0 broken.png").write_bytes(b"no image")
    once = replace(config(data), runtime=replace(config(data).runtime, decode_once=True))
    assert isinstance(open_dataset(config(data), cache).train, FileImages)
    from_files = open_dataset(once)
    assert isinstance(from_files.train, FileImages)
    pixels = [everything(split) for split in (from_files.train, from_files.validation)]
    open_dataset(once, cache)
    for path in data.rglob("*.png"):
        status = path.stat()
        path.write_bytes(b"?" * status.st_size)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = open_dataset(once, cache)
    assert isinstance(again.train, ResidentImages)
    assert again.skipped == from_files.skipped
    assert all(map(torch.equal, pixels, [everything(again.train), everything(again.validation)]))


def test_an_array_for_which_the_disk_has_no_room_is_not_kept(tmp_path: Path) -> None:
    assert arrays.fill(tmp_path, "huge", "zeros", (2**50,), lambda room: room) is None
    assert list(tmp_path.iterdir()) == []
