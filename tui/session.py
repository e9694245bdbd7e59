"""What every command shares: the project it works on, how it answers, and the options for both."""

from __future__ import annotations

import contextlib
import functools
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from presets import language
from presets.language import Message, _
from tui import say
from tui.place import Place

if TYPE_CHECKING:
    from state.database import Store
    from state.preferences import Preferences
    from state.project import Project

Command = TypeVar("Command", bound=Callable[..., Any])


class Interrupted(Exception):
    """The person pressed Ctrl-C while work that goes on without us was watched; `message` says so."""

    def __init__(self, message: Message):
        self.message = message
        super().__init__(message.text())


@dataclass
class Session:
    """The options that stand before or after any command, and where its words go.

    `folder`: the project's folder as given, else the nearest project at or above the current folder is meant.
    `json`: the answer is one document on stdout; everything said on the way goes to stderr.
    """

    folder: Path | None = None
    language: str | None = None
    json: bool = False
    debug: bool = False
    answered: bool = False
    preferences: Preferences | None = None
    """What the person prefers on this machine."""

    def project(self) -> Project:
        """The project to work on. Refuses where there is none."""
        from state.errors import NotFound
        from state.project import find, open_project
        from wizard import team_presets

        root = self.folder or find(Path.cwd())
        if root is None:
            raise NotFound(
                "{path}: no project here or above. Start one with: tunebook new {quoted} --data PATH",
                path=str(Path.cwd()),
                quoted=shlex.quote(str(Path.cwd())),
            )
        project = open_project(root)
        self.speak(project.settings.language)
        team_presets.use(project.root)
        return project

    def speak(self, configured: str) -> None:
        """Use the language that the project names, unless one was asked for on the command line, or is preferred."""
        if configured and self.language is None and not (self.preferences and self.preferences.language):
            from state.errors import Invalid

            try:
                language.set_language(configured)
            except ValueError as error:
                raise Invalid("tunebook.toml: display.language: {reason}", reason=str(error)) from None

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        """The open store of the project."""
        from state.store import open_store

        with open_store(self.project()) as store:
            self.warn(store)
            yield store

    def warn(self, store: Store) -> None:
        """Say what a project has lost of its records, where it has."""
        from tui.losses import lost

        if (words := lost(store)) is not None:
            say.note(_("warning: {warning}").format(warning=words.text()))

    def text(self, line: str = "") -> None:
        """A line of the answer; nothing with `--json`, where `answer` says it."""
        if not self.json:
            say.text(line)

    def progress(self, line: str) -> None:
        """A line about work under way: on stdout for people, on stderr beside a JSON answer."""
        (say.note if self.json else say.text)(line)

    def table(self, columns: list[str], rows: list[list[str]], *, right: tuple[int, ...] = ()) -> None:
        """A table of the answer; nothing with `--json`."""
        if not self.json:
            say.table(columns, rows, right=right)

    def answer(self, value: Any) -> None:
        """The answer as one JSON document; nothing without `--json`, where `text` and `table` say it."""
        if self.json:
            say.document(value)
            self.answered = True


@contextlib.contextmanager
def goes_on(message: Message) -> Iterator[None]:
    """Watch detached work: Ctrl-C ends the watching only, as does a reader who had enough (`| head`), and the message
    says that the work goes on."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(message) from None
    except BrokenPipeError:
        # Unless nobody reads that either.
        with contextlib.suppress(OSError):
            say.note(message.text())
        raise


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if value is not None and value is not False:
            setattr(context.find_root().obj, name, value)
            if name == "language":
                language.set_language(value)
        return value

    return keep


def _language(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        try:
            language.choose(value, None, {})
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return _keep("language")(context, parameter, value)


def _refuse_unmeant(context: click.Context) -> None:
    """Refuse an option as the value of the one before it, which then lacks its own, and an empty name, as of a variable
    of a shell that was not set: what is meant without a name may be another."""
    known = [param for param in context.command.get_params(context) if isinstance(param, click.Option)]
    options = {word for option in known for word in (*option.opts, *option.secondary_opts)}
    for param in context.command.params:
        value = context.params.get(param.name or "")
        given = value if isinstance(value, tuple) else (value,)
        # Behind -- anything is an argument.
        if isinstance(param, click.Option) and any(str(one) in options for one in given):
            words = _("Option {name!r} requires an argument.")
            raise click.BadOptionUsage(param.opts[0], words.format(name=param.opts[0]), context)
        typed = context.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
        if isinstance(param, click.Argument) and typed and "" in given:
            raise click.UsageError(_("{name} is empty: say what is meant.").format(name=param.make_metavar(context)))


def common(command: Command) -> Command:
    """The options of every command: `--project`, `--lang`, `--debug`. They may stand before the command's name too."""
    plain = command

    @functools.wraps(plain)
    def checked(*arguments: Any, **options: Any) -> Any:
        _refuse_unmeant(click.get_current_context())
        return plain(*arguments, **options)

    command = cast("Command", checked)
    for option in (
        click.option("--debug", is_flag=True, expose_value=False, callback=_keep("debug"), help=_("show tracebacks")),
        click.option(
            "--lang",
            metavar="en|zh_CN",
            expose_value=False,
            callback=_language,
            is_eager=True,
            help=_("the language of all texts"),
        ),
        click.option(
            "--project",
            type=Place(),
            metavar="DIR",
            expose_value=False,
            callback=_keep("folder"),
            help=_("the project's folder; otherwise the nearest project at or above the current folder"),
        ),
    ):
        command = option(command)
    return command


def answering(command: Command) -> Command:
    """The options of a command that answers something: the common ones and `--json`."""
    option = click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=_keep("json"),
        help=_("answer with one JSON document on stdout"),
    )
    return common(option(command))
