"""The demonstration: the whole way on handwritten digits, from the data to an exported folder, all of it real.

It can be interrupted at any moment and goes on where it was: every part looks at what is there already.
"""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Any

from presets.language import _, labelled, say
from rounds import launching, planning, reviewing
from rounds.outlook import outlook
from rounds.slots import machine
from state import decisions, launches, project, trials
from state.database import Store
from state.errors import Exists, NotYet, Over
from state.project import Project, Settings
from state.store import open_store
from state.trials import Batch
from tui import deciding, designing, exporting, setup, tour
from tui.decided import title
from tui.digits import write_digits
from tui.findings import finding_document, show_findings
from tui.say import choice, stored
from tui.session import Session
from tui.watch import watch
from wizard.quantity import duration

NAME, DATA, EXPORT = "digits", "data", "export"
# So that a trial takes seconds: the set-up fits a round into a quarter of it.
BUDGET_HOURS = 0.3
# The digits saturate: after so few examples a trial takes seconds, and settings still differ.
EXAMPLES = 2560
# Enough for the review's checks, which need twelve usable trials.
TRIALS = 16
# So small a model leaves cores idle when it has more than one of them.
SLOTS = 2


def prepare(session: Session, folder: Path) -> Project:
    """The demonstration's project, as `make_project` makes it; a new one is said."""
    new = not (folder.expanduser() / project.FILE).exists()
    found = make_project(folder)
    if new:
        count = sum(1 for _image in found.data.glob("*/*.png"))
        session.progress(say("{n} images of handwritten digits are in {path}", n=count, path=found.data).text())
    return found


def make_project(folder: Path) -> Project:
    """The demonstration's project in the folder with its data; a new one, or one that was begun.

    Refuses a folder with something else in it.
    """
    root = folder.expanduser().resolve()
    if (root / project.FILE).exists():
        found = project.open_project(root)
        if (found.settings.name, found.settings.data) != (NAME, DATA):
            raise Exists("{path}: there is another project. Choose another folder.", path=str(root))
        write_digits(root / DATA)
        return found
    if root.exists() and (not root.is_dir() or {path.name for path in root.iterdir()} - {DATA, f"{DATA}.unfinished"}):
        raise Exists("{path}: exists and is not a demonstration. Choose another folder.", path=str(root))
    root.mkdir(parents=True, exist_ok=True)
    write_digits(root / DATA)
    settings = Settings(name=NAME, task="image-classification", data=DATA, budget_hours=BUDGET_HOURS)
    made = project.create(root, settings)
    # Whoever tries it is told on every page what it is for.
    tour.begin(made)
    return made


def finished(folder: Path) -> bool:
    """Whether the demonstration in the folder came to its end."""
    return (folder.expanduser() / EXPORT / "config.toml").exists()


def walk(session: Session, folder: Path) -> dict[str, Any]:
    """The whole way, unattended; what came of it, without an export where the baseline is no better than chance.

    Refuses a folder where it is finished, or that holds something else.
    """
    if finished(folder):
        raise Over(
            "{path}: the demonstration is finished here. Look at it with: tunebook --project {quoted}. To see it "
            "again, delete the folder, or name another one.",
            path=str(folder),
            quoted=shlex.quote(str(folder)),
        )
    began = time.monotonic()
    with open_store(prepare(session, folder)) as store:
        _heading(session, _("Set-up"))
        _recall(session, store)
        asked = _set_up(session, store)
        _heading(session, _("Baseline"))
        verdict = setup.baseline(session, store)
        session.progress(verdict.message.text())
        begun = {
            "project": str(folder.expanduser().resolve()),
            "decisions": asked,
            "baseline": {"message": verdict.message, "figures": verdict.figures},
        }
        if not verdict.reasonable:
            return begun
        _heading(session, _("Round"))
        batch = _round(session, store)
        _heading(session, _("Review"))
        findings = reviewing.review_batch(store, batch.name)
        show_findings(session, findings, {})
        _heading(session, _("Launch"))
        outcome = _launch(session, store, batch)
        _heading(session, _("Export"))
        done = exporting.export(store, store.project.root / EXPORT)
        taken = time.monotonic() - began
    session.progress(_("{folder}: the export of {trial}").format(folder=done.folder, trial=done.trial))
    if done.average:
        session.progress(f"  {done.average}")
    for name, value in done.expected.items():
        session.progress(f"  {name}: {value!r}")
    session.progress(exporting.again(done))
    session.progress(_("Look around with: tunebook --project {path}").format(path=shlex.quote(str(folder))))
    session.progress(_("It took {time}.").format(time=duration(taken).text()))
    return {
        **begun,
        "round": batch.name,
        "findings": [finding_document(finding) for finding in findings],
        "launch": outcome,
        "export": {"folder": str(done.folder), "trial": done.trial, "expected": done.expected},
        "seconds": taken,
    }


def _heading(session: Session, words: str) -> None:
    session.progress("")
    session.progress(f"=== {words} ===")


def _recall(session: Session, store: Store) -> None:
    """What was decided before the demonstration was interrupted."""
    for entry in decisions.decisions(store):
        session.progress(f"{stored(entry.question)}")
        session.progress("  " + _("chosen: {chosen}").format(chosen=choice(entry.chosen)))
        session.progress("  " + _("because: {reason}").format(reason=stored(entry.reason)))


def _set_up(session: Session, store: Store) -> list[dict[str, Any]]:
    """Every question takes its recommendation, but the number of steps is small."""
    open_yet = decisions.decision(store, "steps") is None
    return setup.walk(session, store, {"steps": _short} if open_yet else {}, recommended=True)


def _short(store: Store) -> tuple[str, str]:
    """The number of steps, and why so few."""
    batch_size = int(decisions.draft(store)["training.batch_size"][0])
    reason = say("for a demonstration, so short that settings still differ: digits are soon learnt")
    return str(max(20, EXAMPLES // batch_size)), reason.text()


def _round(session: Session, store: Store) -> Batch:
    """The round, planned where it is not yet, and run to its end."""
    known = trials.batches(store, planning.KIND)
    plan = planning.plan_of(store, known[0].name) if known else planning.propose(store, trials=TRIALS)
    batch = known[0] if known else planning.save(store, plan, slots=SLOTS)
    designing.show(session, plan, batch.name, outlook(store, plan, machine(store.project), SLOTS))
    trials.ask(store, batch.name, "run")
    listed = watch(session, store, batch.name)
    if not all(map(trials.over, listed)):
        raise NotYet("{name} was stopped before its end. Go on with: tunebook demo", name=batch.name)
    return batch


def _launch(session: Session, store: Store, batch: Batch) -> dict[str, Any]:
    """The launch of the round's best trial, decided as its runs suggest."""
    decided = [e for e in launches.last(store).values() if trials.batch(store, e.batch).kind == launching.KIND]
    if decided and decided[-1].decision != "repeat":
        last = decided[-1]
        session.progress(labelled(title(last), stored(last.reason)))
        return {"launch": last.batch, "decided": last.decision, "message": stored(last.reason)}
    launch = launching.undecided(store)
    if launch is None:
        proposal = launching.propose(store, batch.name)
        deciding.announce(session, store, proposal, None)
        launch = launching.start(store, proposal)
    while True:
        verdict = deciding.run(session, store, launch)
        chosen = deciding.suggested(verdict)
        words = "" if chosen == verdict.decision else _("the runs cannot tell, so nothing changes")
        deciding.decide(session, store, launch.name, chosen, words)
        if chosen != "repeat":
            return deciding.document(deciding.Outcome(launch.name, verdict, chosen))
