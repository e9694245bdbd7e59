"""A new project on a training script of one's own: its command, where it runs, and which value it writes is tuned."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from presets.language import Message, _, say
from state.errors import Invalid, Refusal
from state.pace import START_SECONDS
from state.store import open_store
from tui import starting_own
from tui.amount import amount, whole
from tui.pages.form import Form
from tui.starting import typed_path
from tui.widgets.controls import Choices, Field
from wizard import pipeline

MIN, MAX = "min", "max"
NAMES = {MIN: say("less of it is better"), MAX: say("more of it is better")}


class NewCommand(Form):
    """Short fields; enter goes to the next one, and on the direction starts the project."""

    def __init__(self) -> None:
        super().__init__()
        self._guessed = MIN

    def heading(self) -> Message:
        return say("new project on your own script")

    def fields(self) -> ComposeResult:
        words = _(
            "The script stays as it is. {name} in its command is a hyperparameter, {folder} where it writes; "
            "{config} is a copy of its configuration file, if it reads one."
        ).format(name="{name}", folder="{folder}", config="{config}")
        yield Static(words, classes="empty", markup=False)
        yield self.part(_("Folder of the project:"), Field(str(Path.cwd() / "project"), id="folder"))
        yield self.part(_("Where the command runs:"), Field(str(Path.cwd()), id="directory"))
        yield self.part(_("Command of one trial:"), Field("python train.py --out {folder}", id="command"))
        yield self.part(_("Its configuration file (TOML, YAML or JSON), or nothing:"), Field(id="config"))
        words = _("The file or folder of data that it reads, so that results say on which; or nothing:")
        yield self.part(words, Field(id="data"))
        words = _("What is added where a killed trial goes on, as --resume {file}; itself; or nothing:")
        yield self.part(words.format(file="{folder}/last.pt"), Field(id="resume"))
        words = _("How many GPUs each trial has, for a command such as torchrun, if more than one; or nothing:")
        yield self.part(words, Field(id="gpus"))
        words = _("Minutes until its first sign of how fast it trains, if more than {minutes:g}; or nothing:")
        yield self.part(words.format(minutes=START_SECONDS / 60), Field(id="patience"))
        words = _("The metric that is to become better, by the name under which the script writes it:")
        yield self.part(words, Field(id="metric"), Choices(id="direction"))

    def on_mount(self) -> None:
        self.query_one(Choices).update([(name, Content(label.text())) for name, label in NAMES.items()])
        self.query_one("#folder").focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.focus_next()

    def on_input_changed(self, event: Input.Changed) -> None:
        # Whichever key leads out of the line then.
        if event.input.id == "metric":
            self._guess()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.book.attempt(self._create)

    def _value(self, id: str) -> str:
        return self.query_one(f"#{id}", Field).value.strip()

    def _guess(self) -> None:
        """Mark the direction that the metric's name suggests, unless a person has marked another."""
        choices = self.query_one(Choices)
        if choices.marked != self._guessed:
            return
        try:
            self._guessed = pipeline.direction(self._value("metric"))
        except Refusal:
            # A name that says nothing, though its beginning may have: the person chooses.
            self._guessed = MIN
        choices.highlighted = list(NAMES).index(self._guessed)

    def _create(self) -> None:
        root = typed_path(self._value("folder"))
        asked = starting_own.Asked(
            command=self._value("command"),
            config_file=typed_path(self._value("config")) if self._value("config") else None,
            directory=typed_path(self._value("directory")),
            resume=self._value("resume"),
            gpus=_count(self._value("gpus")) if self._value("gpus") else None,
            metric=self._value("metric"),
            direction=self.query_one(Choices).marked or MIN,
            patience=amount(self._value("patience")) if self._value("patience") else None,
        )
        data = typed_path(self._value("data")) if self._value("data") else None
        project = starting_own.create(root, asked, data)
        with open_store(project) as store:
            pipeline.decide(store)
        self.book.open_folder(root, then="setup")


def _count(words: str) -> int:
    """A number of GPUs as it is typed. Refuses what is no whole number."""
    count = whole(words)
    if count is None:
        raise Invalid("{value!r}: how many GPUs each trial has is a whole number.", value=words)
    return count
