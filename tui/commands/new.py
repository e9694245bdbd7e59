"""`tunebook new`: from data to a first configuration."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from presets.language import _, error_message
from state import project as projects
from state.decisions import decisions
from state.errors import Exists, Refusal, Unanswered
from state.project import Project, Settings
from state.store import open_store
from training.config import TASKS
from tui.place import Place
from tui.say import answer
from tui.session import Session, answering
from tui.starting import data_place, decided_already, guess_task, refuse_file, refuse_inside, refuse_other_task

if TYPE_CHECKING:
    from state.database import Store
    from tui.setup import Given


@click.command(
    help=_(
        "Start a project in DIR, or go on with its set-up: look through the data, then decide step by step up to the "
        "baseline. Without --yes each question is asked; every question has an option, which also changes a decision "
        "made before."
    )
)
@click.argument("folder", metavar="DIR", type=Place())
@click.option(
    "--data",
    type=Place(),
    metavar="PATH",
    help=_("folder of class folders, or file of labelled texts; own pipeline: what its script reads"),
)
@click.option(
    "--command",
    metavar="WORDS",
    help=_("a training pipeline of your own: its command, as 'python train.py --lr {lr} --out {folder}'"),
)
@click.option(
    "--config-file",
    type=Place(),
    metavar="FILE",
    help=_("own pipeline: its configuration file (TOML, YAML, JSON); {config} in the command is a trial's copy"),
)
@click.option(
    "--directory",
    type=Place(),
    metavar="DIR",
    help=_("own pipeline: where the command runs; otherwise here"),
)
@click.option(
    "--resume",
    metavar="WORDS",
    help=_(
        "own pipeline: what is added to the command where a killed or stopped trial goes on, as '--resume "
        "{folder}/last.pt'; 'itself' where the script looks for that itself; otherwise it begins anew"
    ),
)
@click.option("--gpus", type=int, metavar="N", help=_("own pipeline: how many GPUs each trial has, as for torchrun"))
@click.option("--direction", type=click.Choice(["min", "max"]), help=_("own pipeline: is less or more better"))
@click.option(
    "--measured-on",
    type=click.Choice(["held-out", "held-out/stand-in"]),
    help=_("own pipeline: the metric is of held-out examples, and close to deployment or a stand-in for what matters"),
)
@click.option("--chance", type=float, metavar="X", help=_("own pipeline: what guessing, or a known result, reaches"))
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help=_(
        "own pipeline: a value to start with, or what rounds search: lr=0.1, lr=0.001..1, lr=0.1,0.2; a range above 0 "
        "is logarithmic (shares and momentum are not) unless :linear, :log or :one-minus-log behind it says otherwise; "
        "a switch that stands as {--amp} in the command: amp=true"
    ),
)
@click.option("--task", type=click.Choice(TASKS), help=_("what is learnt; otherwise by what PATH looks like"))
@click.option("--text-column", metavar="NAME", help=_("texts: the column with the text"))
@click.option("--label-column", metavar="NAME", help=_("texts: the column with the class"))
@click.option("--encoding", metavar="NAME", help=_("texts: the character encoding, if it is not UTF-8"))
@click.option("--held-out", metavar="SHARE", help=_("share held out for validation where there is no split"))
@click.option(
    "--metric",
    metavar="NAME",
    help=_("what tuning judges by: error_rate, balanced_error, macro_f1 or loss; own pipeline: any name"),
)
@click.option("--architecture", metavar="ID", help=_("one of `tunebook presets`"))
@click.option("--weights", metavar="WHICH", help=_("scratch, hub, or a path on this machine"))
@click.option("--optimizer", metavar="NAME", help=_("one of `tunebook presets`"))
@click.option("--batch-size", metavar="N", help=_("examples per step"))
@click.option("--learning-rate", "initial", metavar="RATE", help=_("of the initial configuration"))
@click.option(
    "--ghost-batch-norm",
    is_flag=True,
    help=_("batch norm with statistics of 64 examples at a time, at batch sizes from 128 on"),
)
@click.option("--steps", metavar="N", help=_("steps of one trial"))
@click.option("--yes", is_flag=True, help=_("take the recommendation wherever no option says otherwise"))
@answering
@click.pass_obj
def new(
    session: Session,
    folder: Path,
    data: Path | None,
    yes: bool,
    ghost_batch_norm: bool,
    held_out: str | None,
    command: str | None,
    config_file: Path | None,
    directory: Path | None,
    resume: str | None,
    gpus: int | None,
    direction: str | None,
    measured_on: str | None,
    chance: float | None,
    assignments: tuple[str, ...],
    **options: str | None,
) -> None:
    from tui import answers as answered
    from tui import setup, starting_own
    from wizard import initial, pipeline

    size = options["batch_size"]
    refused = {name: value for name, value in options.items() if name not in ("metric", "batch_size")}
    refused |= {"held_out": held_out, "ghost_batch_norm": "yes" if ghost_batch_norm else None}
    asked_own = starting_own.Asked(
        command=command,
        measured_on=measured_on,
        config_file=config_file,
        directory=directory,
        resume=resume,
        gpus=gpus,
        metric=options["metric"],
        direction=direction,
        chance=chance,
        assignments=assignments,
        sized=size is not None,
        built_in=refused,
    )
    answered.check({"batch_size": size} if size is not None else {})
    refuse_file(folder.expanduser().resolve())
    anew = size is not None or measured_on is not None
    if own := starting_own.begin(session, folder, data, asked_own, anew=anew):
        if size is None and yes:
            # What the person has typed goes before what would be recommended.
            size = starting_own.typed(own, assignments, own.settings.batch_size)
        typed = {"metric": measured_on, "batch_size": size}
        with open_store(own) as store:
            session.warn(store)
            pipeline.decide(store)
            asked = _walk(session, store, _given(typed), recommended=yes)
            _ready(session, store, asked)
        return
    settings = {name: options.pop(name) for name in ("task", "text_column", "label_column", "encoding")}
    given = {name: value for name, value in {"data": held_out, **options}.items() if value is not None}
    answered.check_built_in(given)
    about = {name: value for name, value in settings.items() if value is not None}
    answers = _given(given)
    with contextlib.ExitStack() as begun:
        new = begun.enter_context(setup.unless_unreadable(folder, _again))
        project = begin(session, folder, data, about, anew=bool(given) or ghost_batch_norm)
        store = begun.enter_context(open_store(project))
        session.warn(store)
        if new:
            # Only then is it known that the project stays.
            setup.inspect(session, store)
            words = _("A new project in {path}, task {task}")
            session.progress(words.format(path=project.root, task=answer(project.settings.task)))
        pipeline.decide(store)
        asked = []
        if ghost_batch_norm:
            # It answers the question that the learning rate answers too, and stays when that comes after it.
            rate = answers.pop("initial", None)
            answers["initial"] = lambda store: (initial.with_ghost(store), "")
            asked = _walk(session, store, answers, recommended=yes)
            answers = {"initial": rate} if rate else {}
        asked += _walk(session, store, answers, recommended=yes)
        _ready(session, store, asked)


def _given(typed: Mapping[str, str | None]) -> dict[str, Given]:
    """What was typed as answers, by step."""
    return {step: lambda store, value=value: (value, "") for step, value in typed.items() if value is not None}


def _walk(session: Session, store: Store, answers: dict[str, Given], *, recommended: bool) -> list[dict[str, Any]]:
    """Lead through the set-up; answers that it did not come to are named where it stops: nothing is kept of them."""
    from tui import setup
    from wizard import flow

    try:
        return setup.walk(session, store, answers, recommended=recommended)
    except Refusal as refused:
        if not answers:
            raise
        told = Refusal(
            "{reason} Your answer about {steps}, which comes later, is not recorded yet: give it again with the next "
            "command.",
            reason=error_message(refused),
            steps=[flow.title(step) for step in answers],
        )
        told.code, told.about = refused.code, refused.about
        raise told from None


def _again(refused: Refusal) -> tuple[str, bool]:
    """The command with what the refusal of its data asks for, and whether that is another than was given."""
    context = click.get_current_context()
    given = {
        name: value
        for name, value in context.params.items()
        if name != "folder" and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    before = dict(given)
    if "option" in refused.values:
        given["encoding"] = refused.values["option"]
    if "column" in refused.values and "names" in refused.values:
        given |= {"text_column": "NAME", "label_column": "NAME"}
    flags = {param.name: param.opts[0] for param in context.command.params}
    words = ["tunebook", "new", str(context.params["folder"])]
    for name, value in given.items():
        words += [flags[name]] if value is True else [flags[name], str(value)]
    return shlex.join(words), given != before


def _ready(session: Session, store: Store, asked: list[dict[str, Any]]) -> None:
    """Say what comes next; where nothing has changed that a baseline was accepted for, that is none of the set-up's."""
    from wizard import flow

    root, done = store.project.root, flow.standing(store).step is None
    session.progress("")
    if done:
        words = _(
            "The set-up of {path} is decided, and its baseline still counts. What comes next, says: tunebook status"
        )
        session.text(words.format(path=root))
    else:
        session.text(_("The set-up of {path} is decided. Next: tunebook baseline").format(path=root))
    step = "status" if done else "baseline"
    session.answer({"project": str(root), "decisions": asked, "next": ["tunebook", step]})


def begin(session: Session, folder: Path, data: Path | None, given: dict[str, Any], *, anew: bool) -> Project:
    """The project in the folder: a new one, or one whose set-up is to go on; `anew`: something decided is to change.

    Refuses missing data, and a project whose set-up is over or which has decided on other data.
    """
    from wizard import flow, pipeline, team_presets

    root = folder.expanduser().resolve()
    team_presets.use(root)
    existing = projects.open_project(root) if (root / projects.FILE).exists() else None
    if data is not None:
        given |= {"data": data_place(data, root)}
        same = existing is not None and existing.settings.data == given["data"]
        given.setdefault("task", existing.settings.task if existing and same else guess_task(data))
        refuse_other_task(data, given["task"])
    if existing is None:
        if data is None:
            raise Unanswered(
                "Say where the data is: tunebook new {path} --data PATH, or how your own training is started: "
                "tunebook new {path} --command '...'",
                path=shlex.quote(str(folder)),
            )
        refuse_inside(data, root, given["task"])
        return projects.create(root, Settings(name=root.name, **given))
    session.speak(existing.settings.language)
    changed = {name: value for name, value in given.items() if getattr(existing.settings, name) != value}
    with open_store(existing) as store:
        decided = [entry for entry in decisions(store) if entry.step != pipeline.STEP]
        if changed and decided:
            lines = [f"{projects.place(key)} = {json.dumps(to, ensure_ascii=False)}" for key, to in changed.items()]
            raise Exists(
                "{path}: there is a project already, whose data are decided. To change them, set in {file}: {changes}; "
                "what rests on them is then asked again. A new project needs another folder.",
                path=str(root),
                file=str(root / projects.FILE),
                changes="; ".join(lines),
            )
        if flow.standing(store).step is None and not anew:
            raise decided_already(root)
    session.progress(_("Going on with the set-up of {path}").format(path=root))
    return projects.change(existing, **changed) if changed else existing
