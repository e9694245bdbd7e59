"""Getting to a project: the welcome page, a new one on one's own data, the demonstration, one that is there already."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from textual.events import Key
from textual.pilot import Pilot

from state.project import FILE, Settings, create, open_project
from tests.screens import NARROW, WIDE, lines, shown, wait_for, wait_for_text
from tui import starting
from tui.app import Tunebook
from tui.pages.home import Home
from tui.pages.new import NewProject
from tui.pages.setup import SetupPage
from tui.pages.welcome import Welcome
from tui.widgets.controls import Choices, Field

pytestmark = pytest.mark.usefixtures("quick_looks")

ODD = "pro [red] 项目 🦊 {x} 'q'"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which the screens are started."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def new_project(pilot: Pilot[Any]) -> None:
    await wait_for_text(pilot, "Start a project on your own data")
    await pilot.press("j", "enter")
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, NewProject) and pilot.app.screen.ready)


async def fill(pilot: Pilot[Any], *fields: str) -> None:
    """Type into one field after the other, each in place of what stands there."""
    for text in fields:
        field = pilot.app.focused
        assert isinstance(field, Field)
        field.put(text)
        await pilot.press("enter")
        await pilot.pause()


async def test_what_is_typed_takes_the_place_of_what_a_form_offers(here: Path) -> None:
    """It was appended to it: whoever typed a path had made a project in here/project/the/path."""
    app = Tunebook()
    async with app.run_test(size=NARROW) as pilot:
        await new_project(pilot)
        await pilot.press(*"there")
        field = app.focused
        assert isinstance(field, Field)
        assert field.value == "there"
        # What somebody typed is gone on with.
        await pilot.press("tab", "shift+tab", "s")
        assert field.value == "theres"
        await pilot.press("escape", "escape", "j", "enter")
        await wait_for_text(pilot, "Where the command runs:")
        await pilot.press("tab")
        field = app.focused
        assert isinstance(field, Field)
        # Whoever moves the cursor edits what is offered, there and after coming back.
        await pilot.press("end", "x")
        assert field.value == f"{here}x"
        await pilot.press("tab", "shift+tab", "y")
        assert field.value == f"{here}xy"
        await pilot.press("tab", *"go")
        assert getattr(app.focused, "value", "") == "go"


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_nothing_is_written_by_looking(here: Path, size: tuple[int, int]) -> None:
    app = Tunebook()
    async with app.run_test(size=size) as pilot:
        await wait_for_text(pilot, "Try it on handwritten digits")
        assert isinstance(app.focused, Choices)
        assert "esc" not in lines(app)[-1]
        await pilot.press("j", "k", "question_mark", "escape", "escape", "j", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, NewProject))
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(app.screen, Welcome))
        # What was typed is not thrown away by one key.
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, NewProject))
        await pilot.press("x", "escape")
        await wait_for_text(pilot, "What is typed here is lost when you leave; esc once more leaves.")
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(app.screen, Welcome))
        await pilot.press("q")
        await wait_for(pilot, lambda: not app.is_running)
    assert names(here) == []


async def test_the_demonstration_is_made_in_this_folder_and_goes_on_when_chosen_again(here: Path) -> None:
    for _time in range(2):
        app = Tunebook()
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Try it on handwritten digits")
            await pilot.press("enter")
            await wait_for_text(pilot, "digits   image-classification")
            assert isinstance(app.screen, Home)
            assert "esc" not in lines(app)[-1]
    assert sum(1 for _image in (here / "demo" / "data").glob("*/*.png")) == 1797


async def test_projects_below_this_folder_are_listed_those_worked_on_last_first(here: Path) -> None:
    """Whoever keeps several had to remember and type where each is; one folder that nobody may read hides no other."""
    for place, name in enumerate(("old", ODD)):
        create(here / name, Settings(name=name, task="image-classification", data=str(here)))
        os.utime(here / name / FILE, (10**9 + place, 10**9 + place))
    (here / "locked").mkdir(mode=0)
    (here / "no project").mkdir()
    app = Tunebook()
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Open ./old   last changed 2001-09-09 01:46 UTC")
        rows = [row.strip() for row in lines(app) if "Open ./" in row]
        assert rows[0].startswith(f"Open ./{ODD}")
        assert len(rows) == 2
        await pilot.press("j", "enter")
        await wait_for_text(pilot, "old   image-classification")


async def test_a_folder_called_demo_with_something_else_in_it_is_left_alone(here: Path) -> None:
    (here / "demo").mkdir()
    (here / "demo" / "thesis").touch()
    app = Tunebook()
    async with app.run_test(size=WIDE) as pilot:
        await wait_for_text(pilot, "Try it on handwritten digits")
        await pilot.press("enter")
        await wait_for_text(pilot, "exists and is not a demonstration")
        await pilot.press("j")
        assert "exists and is not" not in shown(app)
    assert names(here / "demo") == ["thesis"]


async def test_a_new_project_leads_straight_to_the_first_question(here: Path, digits: Path) -> None:
    """With a name as odd as a folder can have."""
    app = Tunebook()
    async with app.run_test(size=WIDE) as pilot:
        await new_project(pilot)
        field = app.focused
        assert isinstance(field, Field)
        assert field.value == str(here / "project")
        await fill(pilot, str(here / ODD), str(digits))
        choices = app.screen.query_one(Choices)
        assert app.focused is choices
        assert choices.marked == "image-classification"
        assert not app.screen.query_one("#columns-part").display
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, SetupPage))
        await wait_for_text(pilot, "Go on with these data?")
        assert ODD in lines(app)[0]
        await pilot.press("escape")
        await wait_for_text(pilot, "Set-up: 0 of 9 decided")
        await pilot.press("escape")
        assert isinstance(app.screen, Home)
    assert open_project(here / ODD).settings == Settings(name=ODD, task="image-classification", data=str(digits))


async def test_tables_of_texts_are_recognised_and_asked_for_their_columns(here: Path) -> None:
    (here / "p").mkdir()
    (here / "p" / "messages.csv").write_text("said,kind\nhello,a\n")
    app = Tunebook()
    async with app.run_test(size=NARROW) as pilot:
        await new_project(pilot)
        await fill(pilot, str(here / "p"), str(here / "p" / "messages.csv"))
        assert app.screen.query_one(Choices).marked == "text-classification"
        await pilot.press("enter")
        await wait_for_text(pilot, "(The table has: said, kind)")
        await fill(pilot, "text, kind")
        await wait_for_text(pilot, "There is no column 'text'; the table has: said, kind")
        assert not (here / "p" / FILE).exists()
        await fill(pilot, "said, kind, latin-1")
        await wait_for(pilot, lambda: isinstance(app.screen, SetupPage))
    settings = open_project(here / "p").settings
    assert settings.data == "messages.csv"
    assert (settings.text_column, settings.label_column, settings.encoding) == ("said", "kind", "latin-1")


async def test_columns_are_guessed_by_their_names_and_what_somebody_typed_stays(here: Path) -> None:
    (here / "a.csv").write_text("id,Review,Sentiment\n1,hello,a\n")
    (here / "b.csv").write_text("body,topic\nhello,a\n")
    app = Tunebook()
    async with app.run_test(size=NARROW) as pilot:
        await new_project(pilot)
        field = app.screen.query_one("#columns", Field)
        await fill(pilot, str(here / "p"), str(here / "a.csv"))
        await wait_for(pilot, lambda: field.value == "Review, Sentiment", field.value)
        await pilot.press("shift+tab")
        await fill(pilot, str(here / "b.csv"))
        await wait_for(pilot, lambda: field.value == "body, topic", field.value)
        field.put("topic, body")
        await pilot.press("shift+tab")
        await fill(pilot, str(here / "a.csv"))
        await wait_for_text(pilot, "(The table has: id, Review, Sentiment)")
        assert field.value == "topic, body"


@pytest.mark.parametrize(
    ("name", "content", "columns", "guessed"),
    [
        ("a.csv", b"\xef\xbb\xbfid,Message,Label\n1,hello,a\n", ["id", "Message", "Label"], ("Message", "Label")),
        ("a.csv", b'"said, or not",class\nhello,a\n', ["said, or not", "class"], ("said, or not", "class")),
        ("a.tsv", b"a\tb\nhello\tx\n", ["a", "b"], None),
        ("a.jsonl", b'{"sentence": "x", "y": 1}\n', ["sentence", "y"], ("sentence", "y")),
        ("a.jsonl", b"[1]\n", [], None),
        ("a.csv", "文本,标签\n你好,a\n".encode("gbk"), [], None),
        ("a.csv", "text,label\n".encode("utf-16"), [], None),
        ("a.csv", b"", [], None),
    ],
)
def test_the_columns_of_a_table_are_seen_at_a_glance(
    tmp_path: Path, name: str, content: bytes, columns: list[str], guessed: tuple[str, str] | None
) -> None:
    (tmp_path / name).write_bytes(content)
    for data in (tmp_path, tmp_path / name):
        assert starting.columns_of(data) == columns
    assert starting.guess_columns(columns) == guessed


async def test_keys_that_come_together_are_taken_in_their_order(here: Path) -> None:
    """As a fast hand or a slow line brings them: a letter must not overtake the backspace before it."""
    app = Tunebook()
    async with app.run_test(size=NARROW) as pilot:
        await new_project(pilot)
        field = app.focused
        assert isinstance(field, Field)
        field.put("20")
        for key, character in (
            ("backspace", "\x7f"),
            ("backspace", "\x7f"),
            ("3", "3"),
            ("ctrl+u", "\x15"),
            ("4", "4"),
        ):
            app.post_message(Key(key, character))
        await wait_for(pilot, lambda: "4" in field.value)
        await pilot.pause()
        assert field.value == "4"


async def test_a_table_is_not_taken_for_images(here: Path) -> None:
    (here / "messages.csv").write_text("said,kind\nhello,a\n")
    app = Tunebook()
    async with app.run_test(size=NARROW) as pilot:
        await new_project(pilot)
        await fill(pilot, str(here / "p"), str(here / "messages.csv"))
        await pilot.press("k", "enter")
        await wait_for_text(pilot, "is a file: images")
    assert names(here) == ["messages.csv"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "Type a path."),
        ("   ", "Type a path."),
        ("missing [/b]", "missing [/b]: there is no such file or folder."),
        ("nul\0l", "null"),
        ("~nobody-of-this-name/x", "nobody-of-this-name"),
        ("x" * 5000, "name too long"),
    ],
)
async def test_a_wrong_path_of_the_data_is_refused_where_it_is_typed(here: Path, data: str, why: str) -> None:
    app = Tunebook()
    async with app.run_test(size=WIDE) as pilot:
        await new_project(pilot)
        await fill(pilot, str(here / "p"), data)
        await wait_for(pilot, lambda: why.lower() in shown(app).lower(), why)
        field = app.focused
        assert isinstance(field, Field)
        assert field.id == "data"
        # By the list of tasks there is no way around it either.
        await pilot.press("tab", "enter")
        await wait_for(pilot, lambda: why.lower() in shown(app).lower(), why)
    assert names(here) == []


async def test_a_folder_that_cannot_be_is_refused_and_another_one_taken(here: Path, digits: Path) -> None:
    (here / "file").touch()
    app = Tunebook()
    async with app.run_test(size=WIDE) as pilot:
        await new_project(pilot)
        create(here / "there", Settings(name="x"))
        for folder, why in (("file", "in the way"), ("file/deeper", "in the way"), ("there", "a project already")):
            await fill(pilot, str(here / folder), str(digits))
            await pilot.press("enter")
            await wait_for_text(pilot, why)
            await pilot.press("shift+tab", "shift+tab")
        await fill(pilot, str(here / "good"), str(digits))
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, SetupPage))
    assert (here / "good" / FILE).exists()


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="a folder where nobody, not even root, may make another")
async def test_without_the_right_to_write_the_page_says_so(here: Path, digits: Path) -> None:
    app = Tunebook()
    async with app.run_test(size=WIDE) as pilot:
        await new_project(pilot)
        await fill(pilot, "/sys/kernel/project", str(digits))
        await pilot.press("enter")
        await wait_for_text(pilot, "/sys/kernel/project: no permission to write.")
        assert isinstance(app.screen, NewProject)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_without_the_right_to_read_the_page_says_so(here: Path, digits: Path) -> None:
    (here / "closed" / "data").mkdir(parents=True)
    (here / "closed").chmod(0)
    app = Tunebook()
    async with app.run_test(size=WIDE) as pilot:
        await new_project(pilot)
        await fill(pilot, str(here / "p"), str(here / "closed" / "data"))
        await wait_for_text(pilot, "Permission denied")
    (here / "closed").chmod(0o700)


async def test_a_project_is_opened_by_its_folder_and_a_wrong_one_is_refused_in_place(
    here: Path, tmp_path: Path, digits: Path
) -> None:
    create(tmp_path / ODD, Settings(name=ODD, task="image-classification", data=str(digits)))
    app = Tunebook()
    async with app.run_test(size=WIDE) as pilot:
        await wait_for_text(pilot, "Open a project")
        page = app.screen
        await pilot.press("j", "j", "j", "enter")
        field = app.focused
        assert isinstance(field, Field)
        for text, why in ((str(here), "no project here"), ("", "Type a path."), ("\0", "null")):
            field.put(text)
            await pilot.press("enter")
            await wait_for_text(pilot, why)
            assert app.screen is page
        await pilot.press("escape")
        assert isinstance(app.focused, Choices)
        await pilot.press("enter")
        field.put(str(tmp_path / ODD))
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, Home))
        await wait_for_text(pilot, f"{ODD}   image-classification")
        await pilot.press("escape")
        assert isinstance(app.screen, Home)


async def test_typing_a_q_types_it(here: Path) -> None:
    app = Tunebook()
    async with app.run_test(size=NARROW) as pilot:
        await new_project(pilot)
        await pilot.press("q", "question_mark", "slash")
        field = app.focused
        assert isinstance(field, Field)
        assert field.value == "q?/"
        assert lines(app)[-1].split("  ")[-1] == "ctrl+q quit"
        await pilot.press("ctrl+q")
        await wait_for(pilot, lambda: not app.is_running)


def test_the_folder_of_the_demonstration_is_not_left_half_made(here: Path) -> None:
    """The images are written beside and renamed, so that an interrupted start is gone on with."""
    from tui.demo import make_project

    root = make_project(Path("demo")).root
    shutil.move(root / "data", root / "data.unfinished")
    shutil.rmtree(root / "data.unfinished" / "7")
    (root / FILE).unlink()
    shutil.rmtree(root / ".tunebook")
    assert sum(1 for _image in (make_project(Path("demo")).data).glob("*/*.png")) == 1797
