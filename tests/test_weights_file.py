"""Files of weights that a person brings: looked at without torch and without running anything of them."""

from __future__ import annotations

import argparse
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from state.errors import Refusal
from tests.set_up import SPAM, set_up
from wizard import configuration, flow, weights_file


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return timm.create_model("test_resnet", num_classes=10, in_chans=1)


def saved(folder: Path, name: str, network: torch.nn.Module) -> Path:
    """The network's weights, in a form named by the file."""
    path = folder / name
    state = network.state_dict()
    match name:
        case "weights.safetensors":
            save_file(state, path)
        case "old.pth":
            torch.save(state, path, _use_new_zipfile_serialization=False)
        case "wrapped.pth":
            torch.save({"state_dict": state, "epoch": 3, "best": 0.5}, path)
        case "model.pth":
            torch.save(network, path)
        case "arguments.pth":
            torch.save({"state_dict": state, "args": argparse.Namespace(lr=0.1)}, path)
        case _:
            torch.save(state, path)
    return path


@pytest.mark.parametrize("name", ["weights.safetensors", "state.pth", "old.pth", "wrapped.pth"])
def test_weights_alone_are_taken(tmp_path: Path, name: str, network: torch.nn.Module) -> None:
    """Safetensors, and state dicts as torch writes them now and wrote them once."""
    path = saved(tmp_path, name, network)
    assert weights_file.problem(path) is None
    with set_up(tmp_path / "p", "weights") as store:
        flow.answer(store, "weights", str(path))
        assert configuration.current(store)["model.pretrained"] == str(path)


@pytest.mark.parametrize(
    ("name", "object"), [("model.pth", "timm.models.resnet.BasicBlock"), ("arguments.pth", "argparse.Namespace")]
)
def test_other_objects_are_refused_when_they_are_chosen(
    tmp_path: Path, name: str, object: str, network: torch.nn.Module
) -> None:
    """Why is said, with what to do, and nothing is decided."""
    path = saved(tmp_path, name, network)
    with set_up(tmp_path / "p", "weights") as store:
        with pytest.raises(Refusal, match=rf"(?s){object}.*unrestricted unpickler.*state_dict"):
            flow.answer(store, "weights", str(path))
        assert flow.standing(store).step == "weights"


def test_nothing_of_the_file_is_run(tmp_path: Path) -> None:
    """Also under the newest protocol, whose names are put together from two texts."""

    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "run",)  # pyright: ignore[reportReturnType]  what is called may be anything

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path = tmp_path / f"{protocol}.pth"
        path.write_bytes(pickle.dumps({"state_dict": Harmful()}, protocol=protocol))
        found = weights_file.foreign_objects(path)
        assert found
        assert any("pathlib" in name or "touch" in name or "getattr" in name for name in found)
    assert not (tmp_path / "run").exists()


def test_all_that_an_old_file_holds_is_looked_at(tmp_path: Path, network: torch.nn.Module) -> None:
    """Of the pickles that torch wrote one after another, only the first is a number."""
    path = tmp_path / "old.pth"
    torch.save({"model": network, "args": argparse.Namespace(lr=0.1)}, path, _use_new_zipfile_serialization=False)
    found = weights_file.foreign_objects(path)
    assert found is not None
    assert {"argparse.Namespace", "timm.models.resnet.BasicBlock"} <= set(found)
    path.write_bytes(path.read_bytes()[:200])
    problem = weights_file.problem(path)
    assert problem is not None
    assert "old.pth: is damaged" in problem.text()


def test_only_the_beginning_of_a_file_that_is_no_archive_is_read(tmp_path: Path) -> None:
    """One of a terabyte, which was read into memory."""
    path = tmp_path / "a.pth"
    path.write_bytes(b"no weights at all")
    os.truncate(path, 2**40)
    problem = weights_file.problem(path)
    assert problem is not None
    assert "this is neither a safetensors file nor one of torch" in problem.text()


@pytest.mark.parametrize(("place", "value"), [(8, 1), (10, 99), (46, 0xFF)], ids=["encrypted", "compression", "name"])
def test_a_damaged_archive_is_said_to_be_one(tmp_path: Path, place: int, value: int) -> None:
    """A byte of the directory, which the readers of archives answer in many ways."""
    path = tmp_path / "a.pth"
    torch.save({"weight": torch.zeros(3)}, path)
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    content = bytearray(path.read_bytes())
    content[start + place] = value
    # Names are UTF-8.
    content[start + 9] |= 8
    path.write_bytes(content)
    with set_up(tmp_path / "p", "weights") as store, pytest.raises(Refusal, match=r"a\.pth: is damaged"):
        flow.answer(store, "weights", str(path))


def test_whatever_byte_of_the_directory_is_wrong_nothing_breaks(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"weight": torch.zeros(3)}, path)
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    whole = path.read_bytes()
    for place in range(start, len(whole)):
        for flipped in (0x01, 0x08, 0xFF):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ flipped]) + whole[place + 1 :])
            weights_file.problem(path)


def test_an_archive_whose_directory_leads_out_of_the_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    """Before its beginning, which was told by "Invalid argument" alone, and further than any file goes."""
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps({}))
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    whole = path.read_bytes()
    # At the end the size of the directory and its place, from which the readers conclude where the entries are.
    end = whole.index(b"PK\5\6")
    before = whole[: end + 16] + struct.pack("<I", start + 2**20) + whole[end + 20 :]
    # The place of an entry beyond 4 GiB stands in eight bytes behind its name.
    fields = struct.pack("<HHQ", 1, 8, 2**64 - 1)
    header = whole[start : start + 30] + struct.pack("<H", len(fields)) + whole[start + 32 : start + 42] + b"\xff" * 4
    size = struct.pack("<I", end - start + len(fields))
    beyond = whole[:start] + header + b"data.pkl" + fields + whole[end : end + 12] + size + whole[end + 16 :]
    for name, content in (("before", before), ("beyond", beyond)):
        path.write_bytes(content)
        damaged = pytest.raises(Refusal, match=r"a\.pth: is damaged")
        with set_up(tmp_path / name, "weights") as store, damaged:
            flow.answer(store, "weights", str(path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pth", b""),
        ("a.pth", b"no weights at all"),
        ("a.pth", b"N. A text."),
        ("a.safetensors", b""),
        ("a.safetensors", b"\x08" + b"\0" * 7),
    ],
)
def test_what_is_no_weights_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert weights_file.problem(tmp_path / name) is not None


def test_a_sound_archive_without_weights_is_not_called_cut_short(tmp_path: Path) -> None:
    """One of numpy's, and a plain one: nothing of them is missing."""
    with zipfile.ZipFile(tmp_path / "notes.pth", "w") as archive:
        archive.writestr("notes.txt", "no weights")
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    for name in ("notes.pth", "arrays.npz"):
        problem = weights_file.problem(tmp_path / name)
        assert problem is not None
        assert "this is neither a safetensors file nor one of torch" in problem.text()


@pytest.mark.parametrize(
    "header", ["[" * 100_000, '{"a": {"data_offsets": [0, Infinity]}}'], ids=["nested", "infinity"]
)
def test_a_header_of_safetensors_made_to_harm_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())
    problem = weights_file.problem(path)
    assert problem is not None
    assert "this is no safetensors file" in problem.text()


def test_a_folder_is_no_file_of_weights(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "weights") as store, pytest.raises(Refusal, match="is a folder"):
        flow.answer(store, "weights", str(tmp_path))


@pytest.mark.parametrize(
    ("name", "said"), [("weights.safetensors", "bytes, and its header speaks of"), ("state.pth", "")]
)
@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_weights_that_are_cut_short_are_refused_when_they_are_chosen(
    tmp_path: Path, name: str, said: str, share: float, network: torch.nn.Module
) -> None:
    """A part of a safetensors file, and of an archive of torch's: the probe would only say that it cannot read it."""
    path = saved(tmp_path, name, network)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with set_up(tmp_path / "p", "weights") as store:
        with pytest.raises(Refusal, match=rf"{name}: is cut short.*{said}.*choose other weights"):
            flow.answer(store, "weights", str(path))
        assert flow.standing(store).step == "weights"


def test_a_folder_of_weights_has_its_files_looked_at(tmp_path: Path, network: torch.nn.Module) -> None:
    path = saved(tmp_path, "weights.safetensors", network)
    path.write_bytes(path.read_bytes()[:-1])
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with set_up(tmp_path / "p", "weights", SPAM) as store, pytest.raises(Refusal, match="is cut short"):
        flow.answer(store, "weights", str(tmp_path))


def test_a_path_of_weights_is_seen_from_where_one_stands(
    tmp_path: Path, network: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the path of the data is; a path that cannot be one is refused in words."""
    path = saved(tmp_path, "weights.safetensors", network)
    monkeypatch.chdir(tmp_path)
    with set_up(tmp_path / "p", "weights") as store:
        for typed in ("~nobody-of-this-name/w.safetensors", "w\0.safetensors"):
            with pytest.raises(Refusal):
                flow.answer(store, "weights", typed)
        flow.answer(store, "weights", path.name)
        assert configuration.current(store)["model.pretrained"] == str(path)
