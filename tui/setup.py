"""The set-up walked from the command line: the long work it needs with its progress, then each question."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from presets.language import Message, _, error_message, error_text, labelled, say, told
from state import decisions, files
from state.database import Store
from state.decisions import decision
from state.errors import Changed, NotYet, Refusal, Unanswered
from state.measurements import Measurement
from state.project import FILE, FOLDER, open_project
from state.store import open_store
from tui import asking, at_once
from tui.answers import option
from tui.say import choice, error, stored
from tui.session import Session, goes_on
from tui.watch import watch
from wizard import baseline as judging
from wizard import checks, flow, inspection, measuring, steps
from wizard import probe as probing
from wizard.quantity import digits, duration, memory
from wizard.question import Choice, Question
from wizard.verdict import BaselineVerdict, ended, judge

# An answer in words and the reason for it, for when its question comes.
Given: TypeAlias = Callable[[Store], tuple[Choice, str]]
POLL_SECONDS = 0.2
# The questions whose figures were measured or estimated for this very project.
_FIGURES = ("batch_size", "steps")
# So often the same question may come with the same answer, before it is no chance that it comes again.
SAME_ANSWERS = 3
# How a batch size ended that was not timed.
OUTCOMES = {
    "out_of_memory": say("out of memory"),
    "untimed": say("runs; how fast, cannot be told"),
    "failed": say("failed"),
}
# A line of progress every so often is enough to see that something moves.
PROGRESS_SECONDS = 5.0


@contextlib.contextmanager
def unless_unreadable(folder: Path, again: Callable[[Refusal], tuple[str, bool]]) -> Iterator[bool]:
    """Within it a project is begun, or begun anew: where its data turn out to be unreadable as they are described, what
    was written is taken back, so that nobody goes on with a refused encoding or column. Whether the project is a new
    one; `again`: the command that begins it with what the refusal asks for, and whether that is another one."""
    root = folder.expanduser().resolve()
    place = root / FILE
    before = place.read_bytes() if place.exists() else None
    new = [folder for folder in (root / FOLDER, root) if not folder.exists()]
    try:
        yield before is None
    except Refusal as refused:
        if not place.exists() or _worth_keeping(root):
            raise
        _take_back(place, before, new)
        if before is not None:
            raise
        command, other = again(refused)
        told = {"reason": error_message(refused), "command": command}
        if other:
            taken_back = Refusal("{reason} Nothing of the new project was kept. Once more, then: {command}", **told)
        else:
            taken_back = Refusal(
                "{reason} Nothing of the new project was kept. Once the data are mended, the same command begins it: "
                "{command}",
                **told,
            )
        taken_back.code = refused.code
        raise taken_back from None


def _worth_keeping(root: Path) -> bool:
    """Whether the data have been looked through as they are described now, or looking died on the way: the description
    may be right then, and its log is what there is to look into."""
    with open_store(open_project(root)) as store:
        last = inspection.last(store)
        result = measuring.RESULTS[inspection.KIND]
        died = last is not None and not (store.project.measurement_folder(last) / result).exists()
        return died or inspection.fresh(store) is not None


def _take_back(place: Path, before: bytes | None, new: Sequence[Path]) -> None:
    if before is not None:
        files.write_atomically(place, before)
        return
    place.unlink()
    for folder in new:
        if folder.name == FOLDER:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            # Not where something else lies in it by now.
            with contextlib.suppress(OSError):
                folder.rmdir()


def walk(session: Session, store: Store, answers: dict[str, Given], *, recommended: bool) -> list[dict[str, Any]]:
    """Lead through the set-up up to the baseline; returns what was asked and answered.

    `answers`: step to an answer with its reason, which may be empty; a step that was decided before is decided anew.
    Each is taken out of it when its question comes.
    `recommended`: take the recommendation where there is no answer, otherwise the person is asked. Refuses an answer
    that does not fit, and where nothing can be recommended.
    """
    asked: list[dict[str, Any]] = []
    while True:
        standing, order = flow.standing(store), flow.steps_of(store)
        before = order.index(standing.step) if standing.step else len(order)
        again = next((step for step in order[:before] if step in answers), None)
        if again is None and standing.step in (None, "baseline"):
            return asked
        if again is None and standing.needs == "inspection":
            inspect(session, store)
        elif again is None and standing.needs == "probe":
            probe(session, store)
        elif again is None and standing.needs == "check":
            wait_for_check(session, store)
        else:
            step = again or standing.step
            assert step is not None
            # An answer counts once: the same question may come again with new evidence.
            asked.append(_decide(session, store, step, answers.pop(step, None), recommended=recommended))
            _refuse_endless(asked)


def _refuse_endless(asked: Sequence[Mapping[str, Any]]) -> None:
    """Refuse to give the same answer to the same question for ever: what it sets may not last."""
    last = asked[-1]
    if sum(entry == last for entry in asked) >= SAME_ANSWERS:
        raise Refusal(
            "The answer {chosen} to the question about {step} was recorded {times} times, and the question came again "
            "unchanged each time: what it sets is not kept as it is, or changes all the while. Answer it yourself: "
            "tunebook new, without --yes.",
            chosen=choice(last["chosen"]),
            step=flow.title(last["step"]),
            times=SAME_ANSWERS,
        )


def _decide(session: Session, store: Store, step: str, given: Given | None, *, recommended: bool) -> dict[str, Any]:
    """Ask one question and record the answer; what was asked and answered."""
    question = flow.ask(store, step)
    if given is not None or recommended:
        asking.show_briefly(session, question)
        for message in question.warnings:
            session.progress(f"  - {message.text()}")
        # The values of a command are the person's own: whoever agrees to them unseen may have mistyped one.
        if step in _FIGURES or (step == "initial" and store.project.settings.command):
            asking.show_table(session, question)
        chosen, reason = given(store) if given else (question.recommended, "")
        if chosen is None:
            raise _open(store, question, _unanswered(question))
        mind = flow.answer(store, step, chosen, reason)
    else:
        asking.show(session, question)
        try:
            mind = _ask_until_answered(session, store, question)
        except Unanswered as refused:
            raise _open(store, question, refused) from None
    made = decision(store, step)
    assert made is not None
    because = stored(made.reason)
    session.progress("  " + _("chosen: {chosen}").format(chosen=choice(made.chosen)))
    session.progress("  " + _("because: {reason}").format(reason=because))
    if mind is not None:
        session.progress("  " + _("warning: {warning}").format(warning=mind.text()))
    return {**asking.document(question), "chosen": made.chosen, "because": because, "warning": mind}


def _unanswered(question: Question) -> Unanswered:
    if not question.options:
        return Unanswered("{question} {reason}", question=question.text.text(), reason=question.reason.text())
    return Unanswered(
        "Nothing can be recommended for the question {step!r}: give the answer as an option.", step=question.step
    )


def _open(store: Store, question: Question, refused: Unanswered) -> Unanswered:
    """The refusal with what a program can choose by, as it sees no screen."""
    named = option(question.step, own=bool(store.project.settings.command))
    refused.about = {"question": {**asking.document(question), "option": named}}
    return refused


def _ask_until_answered(session: Session, store: Store, question: Question) -> Message | None:
    while True:
        chosen, reason = asking.typed(session, question)
        try:
            return flow.answer(store, question.step, chosen, reason)
        except Refusal as refusal:
            error(error_text(refusal))


def inspect(session: Session, store: Store) -> Measurement:
    """Look through the data, or go on watching where somebody does already."""
    id = inspection.running(store) or inspection.start(store)
    session.progress(_("Looking through {path}").format(path=store.project.data))

    def told(due: bool) -> bool:
        progress = inspection.progress(store.project, id)
        if due and progress.total:
            session.progress("  " + _("{done} of {total}").format(done=progress.done, total=progress.total))
        return progress.running

    _watch(id, told)
    return inspection.finish(store, id)


def probe(session: Session, store: Store, *, again: bool = False, used: Mapping[str, Any] | None = None) -> Measurement:
    """Measure batch sizes, or go on watching where somebody does already; a line for each size. `again`: although they
    are known; `used`: with this configuration instead of what the set-up chose."""
    id = probing.start(store, again=again, used=used)
    session.progress(_("Measuring batch sizes: real training steps, doubling until it stops paying"))
    shown: list[str] = []
    doing = ""

    def told(due: bool) -> bool:
        nonlocal doing
        # In this order: a size measured last is not lost.
        running = probing.running(store.project, id)
        if due and running and (now := probing.doing(store.project, id).text()) != doing:
            doing = now
            session.progress(f"  {doing}")
        for size in probing.sizes(store.project, id):
            if (line := size_line(size)) not in shown:
                shown.append(line)
                session.progress(f"  {line}")
        return running

    _watch(id, told)
    return probing.finish(store, id)


def size_line(size: Mapping[str, Any]) -> str:
    """One measured batch size in a line."""
    words = _("batch {size}: ").format(size=size["batch_size"])
    if size.get("outcome") != "measured":
        words += OUTCOMES.get(str(size.get("outcome")), OUTCOMES["failed"]).text()
        told_so = told(size["message"], size.get("said")).text() if size.get("message") else ""
        return labelled(words, told_so) if told_so else words
    parts = []
    # What was timed by its epochs or once alone, or takes its memory unseen, lacks such figures.
    if size.get("examples_per_second"):
        parts.append(say("{rate} examples/s", rate=digits(float(size["examples_per_second"]))).text())
        parts.append(_("{time} a step").format(time=duration(size["step_seconds"]).text()))
    else:
        parts.append(_("{time} an epoch").format(time=duration(size["epoch_seconds"]).text()))
    if size.get("spread") is not None:
        parts[-1] += f" (± {size['spread']:.0%})"
    if size.get("peak_memory"):
        parts.append(memory(size["peak_memory"]).text())
    return words + _(", ").join(parts)


def wait_for_check(session: Session, store: Store) -> None:
    """Watch the check that the present question waits for, and say what it found."""
    step = flow.standing(store).step
    assert step is not None  # something waits
    waited = flow.check_under_way(store, step)
    if waited is not None:
        session.progress(f"  {checks.verdict(check(session, store, *waited)).text()}")


def check(session: Session, store: Store, kind: str, id: str) -> Measurement:
    """Watch a check to its end; what it found."""
    about = steps.cost_of_comparing(store) if kind == checks.BATCH_SIZE else checks.about(kind)
    session.progress(labelled(measuring.TITLES[kind].text(), about.text()))

    def told(due: bool) -> bool:
        progress = checks.progress(store.project, id)
        if due and progress.total:
            words = say("{done} of {total} steps at most", done=progress.done, total=progress.total)
            session.progress(f"  {words.text()}")
        return progress.running

    _watch(id, told)
    return checks.finish(store, kind, id)


def _watch(id: str, told: Callable[[bool], bool]) -> None:
    """Call `told` until it returns False; its argument says whether a line of progress is due."""
    last = time.monotonic()
    message = say(
        "{id} goes on in the background; the same command shows its result later. Stop it: tunebook round stop {id}",
        id=id,
    )
    with goes_on(message):
        while told(time.monotonic() - last >= PROGRESS_SECONDS):
            if time.monotonic() - last >= PROGRESS_SECONDS:
                last = time.monotonic()
            time.sleep(POLL_SECONDS)


def baseline(
    session: Session, store: Store, *, sweep: bool = False, override: str = "", slots: int | None = None
) -> BaselineVerdict:
    """Run the baseline, or go on watching it, and judge it; a reasonable one is adopted, and so is an override.

    `sweep`: where it is not reasonable, run five learning rates, `slots` at once, and judge the best of them. One that
    came to no result earlier is run again. Refuses while an earlier question is open.
    """
    swept, ran = False, False
    while True:
        known = decisions.number(store, judging.STEP)
        standing = flow.standing(store)
        if standing.step is None:
            batch = judging.latest(store)
            assert batch is not None  # the set-up ends with one
            return judge(store, batch.name)
        if standing.step != "baseline":
            raise NotYet(
                "First comes the question {step!r}. Go on with: tunebook new {path}",
                step=standing.step,
                path=shlex.quote(str(store.project.root)),
            )
        if standing.needs == "check":
            wait_for_check(session, store)
            continue
        if standing.needs == "baseline":
            batch = judging.plan(store)
            if slots is not None:
                at_once.by_command(session, store, batch.name, slots)
            watch(session, store, batch.name)
            if not ended(store, batch):
                raise NotYet("{name} was stopped before its end. Go on with: tunebook baseline", name=batch.name)
            ran = True
            continue
        question = flow.ask(store, "baseline")
        batch = judging.latest(store)
        assert batch is not None  # the question is about it
        verdict = judge(store, batch.name)
        offered = [option.value for option in question.options]
        if question.recommended == judging.ACCEPT:
            given, why = judging.ACCEPT, ""
        elif sweep and not swept and judging.SWEEP in offered:
            swept, given, why = True, judging.SWEEP, ""
        elif override and judging.OVERRIDE in offered:
            given, why = judging.OVERRIDE, override
        elif judging.AGAIN in offered and not ran:
            given, why = judging.AGAIN, ""
        else:
            for message in question.evidence[1:]:
                session.progress(message.text())
            return verdict
        # Where another session has answered meanwhile, things stand as it has it.
        with contextlib.suppress(Changed):
            flow.answer(store, judging.STEP, given, why, known=known)
