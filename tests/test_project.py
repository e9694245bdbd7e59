"""The project folder: made, opened, changed, and refused with a sentence where it cannot be."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from state import project
from state.errors import Refusal
from state.hyperparameters import OwnHyperparameter
from state.store import open_store

SETTINGS = project.Settings(name="digits", task="image-classification", data="data")


def test_a_created_project_is_opened_as_it_was_made(tmp_path: Path) -> None:
    made = project.create(tmp_path / "new" / "deep", SETTINGS)
    assert project.open_project(made.root) == made


@pytest.mark.parametrize("name", ["[/red] a", "two\nlines", "数字 识别", 'quote " and \\', "\x1b[31mred"])
def test_any_name_survives_being_written_and_read(tmp_path: Path, name: str) -> None:
    made = project.create(tmp_path / "p", project.Settings(name=name, data=name))
    assert project.open_project(made.root).settings.name == name


NOT_UTF8 = os.fsdecode(b"caf\xe9")


def test_names_and_texts_that_are_not_utf8_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    """As an old disk has them, or a terminal that is set to another encoding sends them."""
    root = tmp_path / "p"
    with pytest.raises(Refusal, match=r"/caf\?: this name is not UTF-8"):
        project.create(tmp_path / NOT_UTF8, SETTINGS)
    with pytest.raises(Refusal, match=r"data/caf\?: this name is not UTF-8"):
        project.create(root, project.Settings(data=f"data/{NOT_UTF8}"))
    with pytest.raises(Refusal, match=r"What comes after 'python train\.py --name caf' is not UTF-8"):
        project.create(root, project.Settings(command=f"python train.py --name {NOT_UTF8}"))
    assert list(tmp_path.iterdir()) == []
    made = project.create(root, SETTINGS)
    with pytest.raises(Refusal, match="not UTF-8"):
        project.change(made, name=NOT_UTF8)
    assert project.open_project(root) == made
    root.rename(tmp_path / NOT_UTF8)
    with pytest.raises(Refusal, match=r"/caf\?: this name is not UTF-8"):
        project.open_project(tmp_path / NOT_UTF8)


def test_a_second_project_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    project.create(tmp_path, SETTINGS)
    with pytest.raises(Refusal, match="there is a project already"):
        project.create(tmp_path, SETTINGS)


def test_the_nearest_project_above_is_found(tmp_path: Path) -> None:
    made = project.create(tmp_path / "p", SETTINGS)
    below = made.root / "a" / "b"
    below.mkdir(parents=True)
    assert project.find(below) == made.root
    assert project.find(tmp_path) is None


def test_comments_and_order_survive_a_change(tmp_path: Path) -> None:
    made = project.create(tmp_path, SETTINGS)
    path = tmp_path / project.FILE
    path.write_text("# mine\n" + path.read_text())
    changed = project.change(made, budget_hours=2.5, language="zh_CN")
    assert path.read_text().startswith("# mine\n")
    assert project.open_project(tmp_path) == changed
    assert changed.settings.budget_hours == 2.5


def test_what_was_written_by_hand_meanwhile_survives_a_change(tmp_path: Path) -> None:
    """Of the hyperparameters the whole table was written anew, from what was read when the project was opened."""
    rate = OwnHyperparameter("lr", 0.5, "float", 0.01, 1.0, "log", searched=True)
    decay, steps = OwnHyperparameter("l2", 0.0, "float"), OwnHyperparameter("training.steps", 100, "int")
    made = project.create(tmp_path, replace(SETTINGS, command="python t.py", hyperparameters=(rate, decay, steps)))
    path = tmp_path / project.FILE
    by_hand = path.read_text().replace("low = 0.01", "low = 0.125 # from the paper\nabout = ''")
    path.write_text(by_hand)
    lower = replace(rate, default=0.25, low=0.125)
    changed = project.change(made, hyperparameters=(lower, replace(steps, default=200), OwnHyperparameter("new", True)))
    assert changed == project.open_project(tmp_path)
    text = path.read_text()
    assert "low = 0.125 # from the paper\nabout = ''\n" in text
    assert changed.settings.hyperparameters == (
        lower,
        replace(steps, default=200),
        OwnHyperparameter("new", True),
    )
    # A change of anything else says what the file says of the rest.
    path.write_text(text.replace("low = 0.125", "low = 0.0625"))
    later = project.change(made, budget_hours=2.5)
    assert later == project.open_project(tmp_path)
    assert later.settings.hyperparameters[0].low == 0.0625
    path.write_bytes(b"\xff")
    with pytest.raises(Refusal, match="is not UTF-8"):
        project.change(made, budget_hours=3.0)


def test_a_whole_number_beyond_all_others_is_read_as_a_start_and_refused_as_an_end(tmp_path: Path) -> None:
    project.create(tmp_path, SETTINGS)
    huge, path = "1" + "0" * 400, tmp_path / project.FILE
    text = path.read_text()
    path.write_text(f"{text}\n[hyperparameters.x]\ndefault = {huge}\nkind = 'int'\n")
    assert project.open_project(tmp_path).settings.hyperparameters[0].default == int(huge)
    path.write_text(f"{text}\n[hyperparameters.x]\nlow = 1\nhigh = {huge}\nkind = 'int'\n")
    with pytest.raises(Refusal, match="high"):
        project.open_project(tmp_path)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[project]\nnmae = 'x'\n", "project.nmae"),
        ("[project]\nname = 3\n", "project.name"),
        ("[budget]\nhours = 'two'\n", "budget.hours"),
        ("[metric]\ndirection = 'up'\n", "metric.direction"),
        ("[project\n", "not valid TOML"),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / project.FILE).write_text(text)
    with pytest.raises(Refusal) as refused:
        project.open_project(tmp_path)
    assert named in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_a_mistake_in_the_settings_is_named_with_its_line(tmp_path: Path) -> None:
    """Also that of a deadline, which named neither file nor key."""
    project.create(tmp_path, SETTINGS)
    path = tmp_path / project.FILE
    for before, after, said in (
        ('path = "data"', "path = 3", "data.path = 3; wanted: text in quotes"),
        ('direction = "min"', 'direction = "down"', "metric.direction = 'down'; allowed: min, max"),
        ('deadline = ""', 'deadline = "soon"', "budget.deadline = 'soon'; wanted: a date, as 2026-12-24"),
        ('deadline = ""', "dead_line = 1", "unknown key budget.dead_line"),
    ):
        whole = path.read_text(encoding="utf-8")
        line = whole[: whole.index(before)].count("\n") + 1
        path.write_text(whole.replace(before, after), encoding="utf-8")
        with pytest.raises(Refusal) as refused:
            project.open_project(tmp_path)
        assert str(refused.value).startswith(f"{path}:{line}: {said}")
        path.write_text(whole, encoding="utf-8")


@pytest.mark.parametrize(
    ("command", "count", "said"),
    [
        ("python train.py --out {folder}", 0, "pipeline.gpus = 0; allowed: 1 or more"),
        ("", 2, "pipeline.gpus is for a command of your own"),
    ],
)
def test_a_number_of_gpus_that_no_trial_can_have_is_named_with_its_line(
    tmp_path: Path, command: str, count: int, said: str
) -> None:
    project.create(tmp_path, SETTINGS)
    path = tmp_path / project.FILE
    whole = path.read_text(encoding="utf-8") + f"[pipeline]\ncommand = {command!r}\ngpus = {count}\n"
    path.write_text(whole, encoding="utf-8")
    with pytest.raises(Refusal) as refused:
        project.open_project(tmp_path)
    assert str(refused.value).startswith(f"{path}:{whole.count(chr(10))}: {said}")


def test_a_folder_without_a_project_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="tunebook new"):
        project.open_project(tmp_path)


def test_what_was_tried_is_the_owners_alone(tmp_path: Path) -> None:
    made = project.create(tmp_path, SETTINGS)
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((made.root / project.FILE).stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(Refusal, match="no permission"):
        project.create(tmp_path / "p", SETTINGS)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_in_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    made = project.create(tmp_path / "p", SETTINGS)
    open_store(made).close()
    made.folder.chmod(0o500)
    with pytest.raises(Refusal, match="no permission"):
        open_store(made)
    made.folder.chmod(0o700)


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("")
    with pytest.raises(Refusal, match="a file is in the way"):
        project.create(tmp_path / "p", SETTINGS)
