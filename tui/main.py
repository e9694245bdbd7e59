"""`tunebook`: the command line's entry. Commands are loaded when they are called, so that `--help` answers at once."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from presets import language
from presets.language import _, error_text
from state import preferences
from state.errors import Invalid, NotFound, Refusal, Unavailable, WrongUse
from state.preferences import Preferences
from tui import click_texts, say
from tui.session import Interrupted, Session, common

# What a JSON answer calls errors that are no refusal: Ctrl-C, and a mistake in Tunebook itself.
INTERRUPTED, INTERNAL = "interrupted", "internal"

# Name of the command: the module and function that carry it out. In the order of the work.
COMMANDS = {
    "demo": "tui.commands.demo:demo",
    "new": "tui.commands.new:new",
    "presets": "tui.commands.presets:presets",
    "probe": "tui.commands.probe:probe",
    "baseline": "tui.commands.baseline:baseline",
    "check": "tui.commands.check:check",
    "round": "tui.commands.rounds:round_group",
    "launch": "tui.commands.launch:launch",
    "test": "tui.commands.test:test",
    "status": "tui.commands.project:status",
    "budget": "tui.commands.budget:budget",
    "decisions": "tui.commands.project:decisions",
    "configurations": "tui.commands.configurations:configurations",
    "insights": "tui.commands.insights:insights",
    "export": "tui.commands.export:export",
    "report": "tui.commands.report:report",
    "doctor": "tui.commands.doctor:doctor",
    "keys": "tui.commands.keys:keys",
    "explain": "tui.commands.explain:explain",
    "glossary": "tui.commands.explain:glossary",
}


def summaries() -> dict[str, str]:
    """What each command does, in one line."""
    return {
        "demo": _("the whole way on handwritten digits"),
        "new": _("start a project: data, model, optimizer, batch size, one question each"),
        "presets": _("the catalogue of architectures and optimizers"),
        "probe": _("measure batch sizes on this device"),
        "baseline": _("run the initial configuration and judge it against chance"),
        "check": _("find out why a first result is no better than chance, or how long a run must be"),
        "round": _("plan, run, watch, extend and review a round of trials"),
        "launch": _("re-run candidate and best configuration with fresh seeds, and decide"),
        "test": _("one look at the test split, counted"),
        "status": _("where the project stands and what comes next"),
        "budget": _("how far it is to the end: device hours, a deadline, rounds left"),
        "decisions": _("every decision with its reason"),
        "configurations": _("the best configuration and the others, and in what they differ"),
        "insights": _("what was learnt"),
        "export": _("configuration, training code and environment of a trial, in a folder of their own"),
        "report": _("the story of the project in one file to share: HTML, Markdown, CSV or JSON"),
        "doctor": _("what this machine offers, and what is wrong with the project"),
        "keys": _("the keys of the screens, and how to change them"),
        "explain": _("why a step of the set-up is asked: one line, a paragraph, or the evidence"),
        "glossary": _("the words of the field, explained"),
    }


class Commands(click.Group):
    """The commands of `COMMANDS`; listing them loads none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _colon, name = COMMANDS[cmd_name].partition(":")
        return getattr(importlib.import_module(module), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(_("Commands")):
            formatter.write_dl(list(summaries().items()))


def tunebook() -> click.Group:
    """The whole command line, its texts in the language of the moment."""

    @click.group(
        cls=Commands,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        help=_(
            "The deep-learning tuning playbook as a terminal application. Without a command: the screens, on the "
            "project in this folder."
        ),
    )
    @click.option("--ascii", "ascii_only", is_flag=True, help=_("the screens in plain ASCII"))
    @click.option("--no-mouse", is_flag=True, help=_("the screens without the mouse"))
    @click.version_option(package_name="tunebook", message="tunebook %(version)s", help=_("Show the version and exit."))
    @common
    @click.pass_context
    def group(context: click.Context, ascii_only: bool, no_mouse: bool) -> None:
        if context.invoked_subcommand is None:
            _without_command(context, ascii_only, no_mouse)

    return group


def _without_command(context: click.Context, ascii_only: bool, no_mouse: bool) -> None:
    from state.project import find

    session: Session = context.obj
    root = session.folder or find(Path.cwd())
    if sys.stdin.isatty() and sys.stdout.isatty():
        if root is not None:
            # Opened here for its language: the screens' texts are fixed when they are loaded.
            root = session.project().root
        from tui.opening import screens

        screens(session, root, ascii_only=ascii_only, no_mouse=no_mouse)
    elif root is not None:
        from tui.commands.project import show_status

        show_status(session)
    else:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out one command line and end the process with its exit code: 0 done, 1 ended badly, 2 wrong use."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        # Closed by whoever started us (`>&-`): nothing is read there, and what is said goes nowhere.
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is shown escaped, and stops nothing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Known before the words are parsed, so that a mistake in them is answered in the same way.
    session = Session(json="--json" in given, debug="--debug" in given)
    try:
        # Before anything is loaded, since help texts are fixed then.
        language.set_language(language.choose(_asked(given), None, os.environ))
        session.preferences = _preferences(_asked(given))
    except (ValueError, Refusal) as error:
        sys.exit(_fail(session, error, error_text(error), 2, "", getattr(error, "code", Invalid.code)))
    code = run(given, session)
    try:
        sys.stdout.flush()
    except OSError:
        # Whoever read our answer had enough of it, or its disk is full, which was said; the interpreter's own flush at
        # exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: Sequence[str], session: Session) -> int:
    """Carry out one command line; returns its exit code. Errors are said in a few lines, or raised with `--debug`."""
    click_texts.translate()
    try:
        # click hands the code of `Exit` back as the result; a command that ended well returns None.
        return tunebook().main(list(arguments), prog_name="tunebook", standalone_mode=False, obj=session) or 0
    except (click.Abort, KeyboardInterrupt):
        return _interrupted(session, _("Interrupted."))
    except Interrupted as stop:
        return _interrupted(session, error_text(stop))
    except click.ClickException as error:
        return _fail(session, error, error.format_message(), 2, _hint(error), WrongUse.code)
    except BrokenPipeError:
        return 1
    except Exception as error:
        return _fail(session, error, *_explained(error), _kind(error))


def _preferences(asked: str | None) -> Preferences:
    """What the person prefers, the language at once where none is asked for. Raises ValueError with what is wrong."""
    prefers = preferences.read()
    if prefers.language and asked is None:
        try:
            language.set_language(prefers.language)
        except ValueError as error:
            raise ValueError(f"{prefers.path}: display.language: {error}") from None
    return prefers


def _asked(arguments: Sequence[str]) -> str | None:
    """The language asked for anywhere on the command line."""
    for place, word in enumerate(arguments):
        if word == "--lang" and place + 1 < len(arguments):
            return arguments[place + 1]
        if word.startswith("--lang="):
            return word.partition("=")[2]
    return None


def _hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return _("Try: {command} --help").format(command=context.command_path) if context else ""


def _explained(error: Exception) -> tuple[str, int, str]:
    """The sentence for an error, the exit code, and what to try."""
    from presets.catalogue import CatalogueError
    from training.config import ConfigError

    if isinstance(error, Refusal | ConfigError | CatalogueError):
        return error_text(error), 2, ""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}", 2, ""
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}, line {last.lineno}"
    sentence = _("a mistake in Tunebook itself: {error} ({place})").format(
        error=f"{type(error).__name__}: {error}", place=place
    )
    return sentence, 1, _("Run the command again with --debug to see where it comes from.")


def _kind(error: Exception) -> str:
    """The word for an error by which a program tells it from others; the README lists them."""
    from presets.catalogue import CatalogueError
    from training.config import ConfigError

    if isinstance(error, Refusal):
        return error.code
    if isinstance(error, ConfigError | CatalogueError):
        return Invalid.code
    if isinstance(error, FileNotFoundError):
        return NotFound.code
    return Unavailable.code if isinstance(error, OSError) else INTERNAL


def _interrupted(session: Session, sentence: str) -> int:
    say.note("")
    say.note(sentence)
    if session.json and not session.answered:
        say.document({"error": sentence, "code": INTERRUPTED})
    return 130


def _fail(session: Session, error: Exception, sentence: str, code: int, hint: str, kind: str) -> int:
    if session.debug:
        traceback.print_exception(error)
    else:
        say.error(sentence)
        if hint:
            say.note(hint)
    if session.json and not session.answered:
        # What could not be written may well be the answer itself.
        with contextlib.suppress(OSError):
            say.document({"error": sentence, "code": kind, **getattr(error, "about", {})})
    return code


if __name__ == "__main__":
    main()
