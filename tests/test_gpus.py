"""What the driver lists, and what of it this process may use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rounds import slots
from state import gpus
from state.gpus import Gpu
from state.project import Project, Settings, create
from tui import doctor
from wizard import machine

LISTED = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bbbb)
  MIG 3g.40gb     Device  0: (UUID: MIG-1111)
  MIG 4g.40gb     Device  1: (UUID: MIG-2222)
GPU 2: NVIDIA H100 80GB HBM3 (UUID: GPU-cccc)
"""
NAME, GIB = "NVIDIA H100 80GB HBM3", 2**30
CARDS = gpus.parse(LISTED)
PARTS = (Gpu("MIG-1111", f"{NAME} MIG 3g.40gb", 40 * GIB), Gpu("MIG-2222", f"{NAME} MIG 4g.40gb", 40 * GIB))
FIRST, LAST = Gpu("GPU-aaaa", NAME), Gpu("GPU-cccc", NAME)
OLD = "MIG-GPU-bbbb/1/0"


def test_of_a_divided_card_the_parts_are_used_each_with_the_name_that_torch_gives_it() -> None:
    assert [card.usable for card in CARDS] == [(FIRST,), PARTS, (LAST,)]
    assert gpus.parse("No devices were found\n") == ()


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        (None, (FIRST, *PARTS, LAST)),
        ("", ()),
        ("-1", ()),
        ("0", (FIRST,)),
        ("2, 1", (LAST, *PARTS)),
        ("GPU-c,MIG-2", (LAST, PARTS[1])),
        ("GPU-b", PARTS),
        (OLD, (Gpu(OLD, f"{NAME} MIG"),)),
        ("MIG-GPU-dddd/1/0", ()),
        ("0,7,2", (FIRST,)),
        ("0,0", (FIRST,)),
    ],
)
def test_only_gpus_that_the_environment_leaves_are_used(chosen: str | None, left: tuple[Gpu, ...]) -> None:
    assert gpus.visible(CARDS, chosen) == left


def test_where_cards_differ_cuda_counts_them_its_own_way() -> None:
    """By speed, which the driver does not tell, unless CUDA_DEVICE_ORDER says so."""
    cards = gpus.parse("GPU 0: NVIDIA T4 (UUID: GPU-a)\nGPU 1: NVIDIA A100 (UUID: GPU-b)\n")
    assert gpus.visible(cards, "0", by_bus=True) == (Gpu("GPU-a", "NVIDIA T4"),)
    assert gpus.visible(cards, "0", by_bus=False) == (Gpu("0"),)
    assert gpus.visible(cards, "GPU-a", by_bus=False) == (Gpu("GPU-a", "NVIDIA T4"),)


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of the driver's, which says what lies beside it in files and fails as told."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        f"""#!/bin/sh
case "$1" in
    -L) cat {tmp_path}/cards;;
    *mode*) cat {tmp_path}/modes;;
    *total*) cat {tmp_path}/total;;
    *) cat {tmp_path}/free;;
esac
exit $(cat {tmp_path}/code)
"""
    )
    program.chmod(0o755)
    for name, text in {"cards": "", "modes": "", "total": "", "free": "", "code": "0"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def test_a_card_that_is_lost_hides_no_other(driver: Path) -> None:
    lost = "Unable to determine the device handle for GPU 0000:41:00.0: GPU is lost.\n"
    (driver / "cards").write_text(lost + LISTED)
    (driver / "code").write_text("15")
    assert gpus.at_hand() == (FIRST, *PARTS, LAST)


# What an 80-GB card prints of whose parts one shares its compute (1c.3g), one has the media engines (+me), as the MIG
# User Guide of NVIDIA has it, and a driver of before 470, which names parts by their card.
DIVIDED = """\
GPU 0: NVIDIA A100 80GB PCIe (UUID: GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)
  MIG 1g.10gb+me  Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 1c.3g.40gb  Device  1: (UUID: MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb)
GPU 1: A100-SXM4-40GB (UUID: GPU-b8ea3855-276c-c9cb-b366-c6fa655957c5)
  MIG 1g.5gb Device 0: (UUID: MIG-GPU-b8ea3855-276c-c9cb-b366-c6fa655957c5/1/0)
GPU 2: NVIDIA A100 80GB PCIe (UUID: GPU-d0fb7ba2-84a6-43f1-b8f8-4a1a0d1b9a4d)
"""
DIVIDED_MODES = """\
GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f, Enabled, Default
GPU-b8ea3855-276c-c9cb-b366-c6fa655957c5, Enabled, Default
GPU-d0fb7ba2-84a6-43f1-b8f8-4a1a0d1b9a4d, Enabled, Default
"""


def test_of_a_card_that_is_to_be_divided_and_has_no_parts_cuda_can_use_nothing(driver: Path, tmp_path: Path) -> None:
    """It was given trials, as any other: each failed within a moment, and the next one went there."""
    (driver / "cards").write_text(DIVIDED)
    (driver / "modes").write_text(DIVIDED_MODES)
    # A process may not ask for the memory of a card of which it has a part.
    (driver / "free").write_text("GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f, [Insufficient Permissions]\n")
    found = gpus.at_hand()
    assert [(gpu.name, gpu.memory // GIB) for gpu in found] == [
        ("NVIDIA A100 80GB PCIe MIG 1g.10gb+me", 10),
        ("NVIDIA A100 80GB PCIe MIG 1c.3g.40gb", 40),
        ("A100-SXM4-40GB MIG 1g.5gb", 5),
    ]
    assert found[2].uuid == "MIG-GPU-b8ea3855-276c-c9cb-b366-c6fa655957c5/1/0"
    assert gpus.emptiest() == {"CUDA_VISIBLE_DEVICES": found[0].uuid}
    (told,) = (check for check in doctor.checks(create(tmp_path / "p", Settings()).root) if check.name == "GPU")
    assert told.verdict == "warn"
    assert told.message.text().startswith("NVIDIA A100 80GB PCIe (GPU-d0fb7ba2-84a6-43f1-b8f8-4a1a0d1b9a4d) takes no")
    (driver / "modes").write_text('Field "mig.mode.current" is not a valid field to query.\n')
    assert len(gpus.at_hand()) == 4


def test_what_the_compute_mode_forbids_is_not_tried(driver: Path, tmp_path: Path) -> None:
    """No process on one, and on another no second one: shared all the same, every second trial failed."""
    (driver / "cards").write_text(LISTED)
    (driver / "modes").write_text(
        "GPU-aaaa, Disabled, Prohibited\nGPU-bbbb, Enabled, Default\nGPU-cccc, [N/A], Exclusive_Process\n"
    )
    assert gpus.at_hand() == (*PARTS, replace(LAST, exclusive=True))
    here = slots.machine(Project(tmp_path, Settings()))
    assert here.exclusive
    assert not slots.machine(Project(tmp_path, Settings(gpus=2))).gpus
    (driver / "modes").write_text("GPU-aaaa, Disabled, Default\n")
    assert not slots.machine(Project(tmp_path, Settings())).exclusive


def test_what_a_container_shows_without_the_driver_s_program_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a Windows with a card of another maker, its device was taken for a GPU that CUDA can use."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "DEVICES", tmp_path)
    monkeypatch.setattr(gpus, "WINDOWS_DRIVER", tmp_path / "libcuda.so.1")
    (tmp_path / "dxg").touch()
    assert gpus.at_hand() == ()
    (tmp_path / "libcuda.so.1").touch()
    assert gpus.at_hand() == (Gpu("0"),)
    for name in ("nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert gpus.at_hand() == (Gpu("0"), Gpu("1"))


def test_a_measurement_takes_the_emptiest_of_the_cards_like_the_first(driver: Path) -> None:
    assert gpus.emptiest() == {}
    (driver / "cards").write_text(LISTED.replace(f"2: {NAME}", "2: NVIDIA T4"))
    (driver / "free").write_text("GPU-aaaa, 100\nGPU-bbbb, 200\nGPU-cccc, 900\n")
    assert gpus.emptiest() == {"CUDA_VISIBLE_DEVICES": "GPU-aaaa"}
    (driver / "cards").write_text(LISTED)
    assert gpus.emptiest() == {"CUDA_VISIBLE_DEVICES": "GPU-cccc"}
    (driver / "free").write_text("GPU-aaaa, [N/A]\n")
    assert gpus.emptiest() == {"CUDA_VISIBLE_DEVICES": "GPU-aaaa"}


@pytest.mark.parametrize(
    ("each", "expected"),
    [(1, ["GPU-aaaa", "MIG-1111", "MIG-2222", "GPU-cccc"]), (2, ["GPU-aaaa,GPU-cccc"]), (3, [])],
)
def test_several_for_a_trial_are_whole_cards(each: int, expected: list[str]) -> None:
    """A process can use one part of a divided card only."""
    found = gpus.together(gpus.visible(CARDS, None), each)
    assert [gpu.uuid for gpu in found] == expected
    assert each == 1 or {gpu.name for gpu in found} <= {f"{each} x {NAME}"}


def test_several_for_a_trial_are_of_one_kind_and_neighbours() -> None:
    listed = [Gpu("a", "T4"), Gpu("b", "A100"), Gpu("c", "T4"), Gpu("d", "A100"), Gpu("e", "A100"), Gpu("f", "T4")]
    assert [gpu.uuid for gpu in gpus.together(listed, 2)] == ["a,c", "b,d"]


def test_a_measurement_with_several_takes_those_of_which_the_fullest_has_most_free(driver: Path) -> None:
    (driver / "cards").write_text("".join(f"GPU {n}: {NAME} (UUID: GPU-{n})\n" for n in range(4)))
    (driver / "free").write_text("GPU-0, 900\nGPU-1, 100\nGPU-2, 300\nGPU-3, 200\n")
    assert gpus.emptiest(2) == {"CUDA_VISIBLE_DEVICES": "GPU-2,GPU-3"}
    (driver / "total").write_text("GPU-0, 900\nGPU-1, 900\nGPU-2, 900\nGPU-3, 900\n")
    machine.at_hand.cache_clear()
    found = machine.at_hand(each=2)
    assert (found.name, found.count, found.memory) == (f"2 x {NAME}", 2, 1800 * 2**20)
    machine.at_hand.cache_clear()


TWO = "GPU 0: NVIDIA H100 (UUID: GPU-a)\nGPU 1: NVIDIA H100 (UUID: GPU-b)"
UNLIKE = TWO.replace("0: NVIDIA H100", "0: NVIDIA T4")


@pytest.mark.parametrize(
    ("cards", "total", "chosen", "expected"),
    [
        (TWO, "GPU-a, 8\nGPU-b, 7", None, ("cuda", "NVIDIA H100", 2, 7)),
        (TWO, "GPU-a, 8\nGPU-b, 7", "0", ("cuda", "NVIDIA H100", 1, 8)),
        (UNLIKE, "GPU-a, 5\nGPU-b, 8", "GPU-b", ("cuda", "NVIDIA H100", 1, 8)),
        ("GPU 0: NVIDIA, a (name) (UUID: GPU-a)", "GPU-a, [N/A]", None, ("cuda", "NVIDIA, a (name)", 1, 0)),
        (TWO, "GPU-a, 8", "", ("cpu", None, 1, None)),
        ("", "", None, ("cpu", None, 1, None)),
    ],
    ids=["two cards", "one of two", "the second of two kinds", "no memory told", "hidden", "none"],
)
def test_the_device_at_hand_is_that_of_the_cards_that_are_left(
    driver: Path,
    monkeypatch: pytest.MonkeyPatch,
    cards: str,
    total: str,
    chosen: str | None,
    expected: tuple[str, str | None, int, int | None],
) -> None:
    (driver / "cards").write_text(cards)
    (driver / "total").write_text(total)
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    machine.at_hand.cache_clear()
    found = machine.at_hand("auto")
    machine.at_hand.cache_clear()
    for value, wanted in zip((found.kind, found.name, found.count, found.memory // 2**20), expected, strict=True):
        assert wanted is None or value == wanted
