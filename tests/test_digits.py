"""The embedded data: small PNG files that any reader takes, out of the file that scikit-learn ships."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from state.errors import Refusal
from tui.digits import png, write_digits


def test_the_images_are_those_of_scikit_learn(tmp_path: Path) -> None:
    """1,797 grey images of 8x8 in ten folders, every pixel as the package has it."""
    from sklearn.datasets import load_digits

    assert write_digits(tmp_path / "data") == 1797
    known: Any = load_digits()
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [str(digit) for digit in range(10)]
    for number, (image, label) in enumerate(zip(known.images, known.target, strict=True), 1):
        with Image.open(tmp_path / "data" / str(label) / f"{number:04d}.png") as read:
            assert read.mode == "L"
            assert np.array_equal(np.asarray(read), image.astype(int) * 255 // 16)


def test_a_finished_folder_is_left_alone_and_an_unfinished_one_is_begun_anew(tmp_path: Path) -> None:
    """The folder appears whole or not at all, so that an interrupted demonstration can be continued."""
    (tmp_path / "data.unfinished" / "0").mkdir(parents=True)
    (tmp_path / "data.unfinished" / "0" / "0001.png").write_bytes(b"half")
    assert write_digits(tmp_path / "data") == 1797
    assert not (tmp_path / "data.unfinished").exists()
    (tmp_path / "data" / "0" / "0001.png").unlink()
    assert write_digits(tmp_path / "data") == 1796


def test_a_png_of_any_shape_can_be_read(tmp_path: Path) -> None:
    """Rows and columns are not mixed up."""
    pixels = bytes(range(6))
    (tmp_path / "a.png").write_bytes(png(pixels, 3))
    with Image.open(tmp_path / "a.png") as read:
        assert np.asarray(read).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_scikit_learn_is_read_and_not_imported(tmp_path: Path) -> None:
    """Importing it would take a second and load scipy."""
    code = f"import sys, pathlib, tui.digits\ntui.digits.write_digits(pathlib.Path({str(tmp_path / 'data')!r}))\n"
    code += "assert not {'sklearn', 'numpy', 'PIL'} & set(sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_without_scikit_learn_the_refusal_has_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is said, and nothing is written."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Refusal, match="pip install scikit-learn"):
        write_digits(tmp_path / "data")
    assert not list(tmp_path.iterdir())
