"""What people wish of rounds and trials while they run, from any session: checked, recorded, and seen to (G14)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from presets.language import Message, say, stored
from rounds import attending, planning, queue, sharing, slots, supervisor, trial_folder
from state import decisions, launches, runs, trials
from state.database import Store
from state.errors import AtWork, NotFound, Over, Refusal
from state.trials import Batch, Trial

RETRIED = ("failed", "infeasible", "stopped")


def target(store: Store, name: str) -> str:
    """The full name of what is meant: a trial, a batch, or a round by its number. Refuses anything else."""
    full = f"round-{name}" if name.isdecimal() else name
    known = {entry.name for entry in trials.batches(store)}
    return full if full in known else trials.trial(store, full).id


def ask(store: Store, name: str, wanted: str) -> Batch:
    """Wish that a batch runs, pauses or stops, or that a trial stops; the batch that it concerns."""
    batch = _batch(store, name)
    if name != batch.name and wanted != "stop":
        raise Refusal("{trial} is a trial: only whole rounds are paused.", trial=name)
    if name != batch.name:
        _unfinished(trials.trial(store, name))
    if wanted == "run":
        run(store, name)
    else:
        trials.ask(store, name, wanted)
    _see_to(store)
    return trials.batch(store, batch.name)


def end(store: Store, name: str, words: str = "", *, count: int | None = None) -> Batch:
    """End a round early: what waits is stopped for good, what runs goes to its end, and what has ended stays. With
    `count` only the last so many of those that never began are taken back. Each can be tried again by its name.

    Refuses what is no round, and where so many do not wait.
    """
    entries = _round(store, name)[1]
    waiting = [entry for entry in entries if queue.waits(entry)]
    begun = any(entry.status in (*trials.ENDED, "running") for entry in entries)
    if not begun and (count is None or count >= len(waiting)):
        raise Refusal("{name} has no results to keep. To throw it away: tunebook round drop {name}", name=name)
    if not waiting:
        raise Refusal("No trial of {name} waits to be started.", name=name)
    if count is not None:
        fresh = [entry for entry in waiting if not trials.begun(entry)]
        if count > len(fresh):
            raise Refusal("Of {name}, {n} trials have not begun.", name=name, n=len(fresh))
        waiting = fresh[len(fresh) - count :]
    evidence = say("Trials that are no longer to be run: {n}.", n=len(waiting))
    _decide(store, name, "end", _why(words), evidence)
    for entry in waiting:
        trials.ask(store, entry.id, "stop")
    _see_to(store)
    return trials.batch(store, name)


def may_retry(entry: Trial) -> bool:
    """Whether a trial can be tried again."""
    return entry.status in RETRIED or trials.stopped_alone(entry)


def retry(store: Store, names: Sequence[str]) -> Batch:
    """Try trials again: one that ended begins anew, its first try set aside; one that stopped goes on."""
    entries = [trials.trial(store, name) for name in names]
    for entry in entries:
        if not may_retry(entry):
            raise Refusal(
                "{trial} is {status}; only what is infeasible, failed or stopped is tried again.",
                trial=entry.id,
                status=Message(entry.status),
            )
    for entry in entries:
        trials.ask(store, entry.id, "retry")
    supervisor.ensure(store.project)
    return trials.batch(store, entries[0].batch)


def retry_failed(store: Store, name: str, ids: Sequence[str] = ()) -> Batch:
    """Try trials of a batch again that have failed, all of them unless some are named, and have the batch run, which
    may have been paused for them. Refuses where none has."""
    failed = [entry.id for entry in trials.trials(store, name) if entry.status == "failed"]
    if not (wanted := [id for id in failed if not ids or id in ids]):
        raise Refusal("No trial of {name} has failed.", name=name)
    for id in wanted:
        trials.ask(store, id, "retry")
    return ask(store, name, "run")


def put_first(store: Store, names: Sequence[str]) -> Batch:
    """Have trials, or all of a batch that wait, started before all others; the batch of the first."""
    chosen: list[Trial] = []
    for name in names:
        batch = _batch(store, name)
        if name == batch.name:
            chosen += trials.trials(store, name)
        else:
            chosen.append(trials.trial(store, name))
    waiting = [entry.id for entry in chosen if queue.waits(entry)]
    if not waiting:
        raise Refusal("Nothing of {names} waits to be started.", names=list(names))
    trials.put_first(store, waiting)
    return _batch(store, names[0])


def drop(store: Store, name: str, words: str = "") -> Batch:
    """Throw a round away of which nothing was learnt; its plan stays in the journal, and it can be run by its name.

    Refuses what is no round, what is at work, and what has results, which are evidence whatever they say.
    """
    batch, entries = _round(store, name)
    if any(entry.status in trials.ENDED for entry in entries):
        raise Refusal("{name} has results, and results are kept. To have no more of it: tunebook round stop", name=name)
    if queue.under_way(batch, entries):
        raise AtWork("{name} is at work. Stop it first: tunebook round stop", name=name)
    if batch.wanted == "drop":
        raise Over("{name} was dropped before.", name=name)
    _decide(store, name, "drop", _why(words))
    trials.ask(store, name, "drop")
    return trials.batch(store, name)


def run(store: Store, name: str, slots: int | None = None) -> None:
    """Wish that a batch runs; one that was dropped is taken back. Refuses a launch that was rejected as it was: to go
    on with it is a decision."""
    if launches.decided(store, name) is not None and not all(map(trials.over, trials.trials(store, name))):
        raise Over(
            "{name} has been decided. To go on with its runs: tunebook launch --reopen {name} --reason TEXT", name=name
        )
    if trials.batch(store, name).wanted == "drop":
        _decide(store, name, "drop", say("It is run after all."), kept=True)
    trials.ask(store, name, "run", slots)


def at_once(store: Store, name: str, slots: int) -> None:
    """Wish how many trials of a batch run at once (0: as the machine allows), whatever else is wished of it: what runs
    goes to its end. Refuses one that has ended."""
    if all(map(trials.over, trials.trials(store, name))):
        raise Refusal("{name} has ended: none of its trials is to be started.", name=name)
    trials.ask(store, name, None, slots)


def lost(store: Store, entries: Sequence[Trial]) -> list[Trial]:
    """The trials that are said to run while nobody is at work on them: killed, and no supervisor is there to see it."""
    if supervisor.alive(store.project):
        return []
    folders = ((entry, store.project.trial_folder(entry.id)) for entry in entries if entry.status == "running")
    return [entry for entry, folder in folders if not runs.alive(folder) and runs.result(folder) is None]


def crowded(store: Store, name: str, wanted: int) -> Message | None:
    """What to know where more trials are wanted at once than the machine has room for, or than the cores carry: how
    many threads each has was settled when the round was planned, as results on the CPU depend on it in the last
    digits."""
    left = [entry for entry in trials.trials(store, name) if not trials.over(entry)]
    if not left:
        return None
    here, settings = slots.machine(store.project), trials.trial_settings(store, left[0])
    share, device = sharing.share(store, settings, here), slots.device(here, settings)
    at_once = slots.at_once(here, device, wanted, share)
    # On the CPU, one that was given no number has all cores, as the runs of a baseline have.
    threads = int(settings.get(planning.THREADS) or (here.cores if device == "cpu" else 0))
    if at_once * threads <= here.cores:
        room = say("{wanted} at once are wished; this machine has room for {n}.", wanted=wanted, n=at_once)
        return room if wanted > at_once else None
    told = {"threads": threads, "slots": at_once, "cores": here.cores}
    if trials.batch(store, name).kind != planning.KIND:
        return say(
            "Each trial has {threads} threads, and {slots} at once share {cores} cores: all become slower.", **told
        )
    return say(
        "Each trial was planned with {threads} threads, and {slots} at once share {cores} cores: all become slower. A "
        "round that is planned with --slots {slots} has trials of fewer threads.",
        **told,
    )


def _see_to(store: Store) -> None:
    """Have somebody see to what was wished: the supervisor, where anything runs or is to be started, since whoever
    stops a round whose supervisor died must not leave its trials running. Otherwise what waits and is to stop does so
    now."""
    if supervisor.ensure(store.project):
        return
    unfinished = trials.unfinished(store)
    for batch in attending.batches_of(store, unfinished):
        for entry in queue.dropped(batch, unfinished):
            trial_folder.drop(store, entry)


def _round(store: Store, name: str) -> tuple[Batch, list[Trial]]:
    """A round with its trials. Refuses what is none."""
    batch = trials.batch(store, name)
    if batch.kind != planning.KIND:
        raise NotFound("{name} is no round.", name=name)
    return batch, trials.trials(store, name)


def _why(words: str) -> Message:
    return say("{words}", words=words.strip()) if words.strip() else say("No reason was given.")


def _decide(
    store: Store, name: str, wish: Literal["drop", "end"], reason: Message, *evidence: Message, kept: bool = False
) -> None:
    """Record that a round is dropped or ended; `kept`: that it is not, after all."""
    decisions.decide(
        store,
        name,
        question=stored(say("Drop {name}?", name=name) if wish == "drop" else say("End {name} early?", name=name)),
        options=["keep", wish],
        recommended=None,
        chosen="keep" if kept else wish,
        reason=stored(reason),
        evidence=list(map(stored, evidence)),
        settings={},
    )


def _unfinished(entry: Trial) -> None:
    if entry.status in trials.ENDED:
        raise Over("{trial} has ended already.", trial=entry.id)


def _batch(store: Store, name: str) -> Batch:
    """The batch of this name, which may have been dropped, or that of a trial."""
    try:
        return trials.batch(store, name)
    except Refusal:
        return trials.batch(store, trials.trial(store, name).batch)
