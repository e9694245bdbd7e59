"""A new project: where it is to live, where the data are, and what is to be learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from presets.language import Message, _, say
from state.errors import NotFound
from state.project import Settings, create
from state.store import open_store
from training.config import TASKS
from tui.pages.form import Form
from tui.starting import columns_of, data_place, guess_columns, guess_task, refuse_inside, refuse_other_task, typed_path
from tui.terminal import printable
from tui.widgets.controls import Choices, Field
from tui.widgets.text import show
from wizard import pipeline

IMAGES, TEXTS = TASKS
NAMES = {
    IMAGES: say("Images in folders, a folder for each class"),
    TEXTS: say("Texts with labels, in a table"),
}


COLUMNS = say("Names of the columns with text and label, and the encoding where it is not UTF-8:")
# So many of a table's columns are named.
NAMED = 12


class NewProject(Form):
    """Short fields and the task; enter goes to the next one, and on the task starts the project."""

    DEFAULT_CSS = "NewProject .asked { margin: 1 0 0 0; }"

    def heading(self) -> Message:
        return say("new project")

    def fields(self) -> ComposeResult:
        yield Static(_("Nothing is copied and nothing leaves this machine."), classes="empty", markup=False)
        yield self.part(_("Folder of the project:"), Field(str(Path.cwd() / "project"), id="folder"))
        yield self.part(_("Data, a folder of class folders or a file of labelled texts:"), Field(id="data"))
        yield self.part(_("What is to be learnt:"), Choices(id="task"))
        yield self.part(COLUMNS.text(), Field("text, label", id="columns"), id="columns-part")

    def on_mount(self) -> None:
        self._columns: list[str] = []
        self._offered = self.query_one("#columns", Field).value
        self.query_one(Choices).update([(task, Content(NAMES[task].text())) for task in TASKS])
        self.query_one("#folder").focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "columns":
            self._start()
        elif event.input.id == "folder" or self.book.attempt(self._guess):
            self.focus_next()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self.query_one("#columns-part").display = event.option_id == TEXTS

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if event.option_id == TEXTS:
            self.query_one("#columns").focus()
        else:
            self._start()

    def _typed(self, id: str) -> Path:
        return typed_path(self.query_one(id, Field).value)

    def _guess(self) -> None:
        """Mark the task that the data look like."""
        data = self._typed("#data")
        data_place(data, self._typed("#folder"))
        task = guess_task(data)
        self.query_one(Choices).highlighted = TASKS.index(task)
        self._columns = columns_of(data) if task == TEXTS else []
        if self._columns:
            listed = [*self._columns[:NAMED], *([".."] if len(self._columns) > NAMED else [])]
            words = say("{asked} (The table has: {names})", asked=COLUMNS, names=listed)
            show(self.query_one("#columns-part .asked", Static), Content(printable(words.text())))
        field = self.query_one("#columns", Field)
        # What somebody typed stays.
        if field.value == self._offered and (found := guess_columns(self._columns)):
            self._offered = ", ".join(found)
            field.offer(self._offered)

    def _start(self) -> None:
        self.book.attempt(self._create)

    def _create(self) -> None:
        root, task = self._typed("#folder"), self.query_one(Choices).marked or IMAGES
        columns = [part.strip() for part in self.query_one("#columns", Field).value.split(",")]
        text, label, encoding = [*columns, "", "", ""][:3]
        data = self._typed("#data")
        settings = Settings(name=root.name, task=task, data=data_place(data, root))
        refuse_other_task(data, task)
        refuse_inside(data, root, task)
        if task == TEXTS:
            for name in (text or "text", label or "label"):
                if self._columns and name not in self._columns:
                    raise NotFound(
                        "There is no column {name}; the table has: {names}",
                        name=repr(name),
                        names=self._columns[:NAMED],
                    )
            settings = replace(settings, text_column=text or "text", label_column=label or "label", encoding=encoding)
        with open_store(create(root, settings)) as store:
            pipeline.decide(store)
        self.book.open_folder(root, then="setup")
