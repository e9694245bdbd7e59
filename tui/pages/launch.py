"""A launch: candidate and best configuration run again with fresh seeds; a person decides and says why (G16, P13)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from presets.language import Message, _, restored, say, sentences
from rounds import judging, launching, looking, queue, supervisor, wishes
from rounds.decision import Verdict
from rounds.judging import Choice
from rounds.shortlist import LONGEST
from state import launches, trials
from state.errors import Changed
from state.launches import Launch
from state.trials import Trial
from tui import at_once, designing, launch_told, proposing
from tui.keys import bindings
from tui.pages.explain import Explain
from tui.pages.page import Page
from tui.proposing import Found, Wanted
from tui.terminal import printable
from tui.widgets.controls import Reading
from tui.widgets.prompt import Prompt, asking
from tui.widgets.text import show


class LaunchPage(Page):
    """First the proposal of a round's best trial, or of the one that is named; once started, the runs of both sides,
    verdict and decision."""

    GROUPS = ("launch", "reading", "field", "everywhere")
    TOUR = "launch"
    PLACE = "launch"
    BINDINGS = bindings("launch")
    DEFAULT_CSS = "LaunchPage > Reading { height: 1fr; padding: 1 1; }"

    def __init__(self, name: str, trial: str = "") -> None:
        super().__init__()
        self.of = name
        # What is proposed, and what is wished of it.
        self._found: Found | None = None
        self._wanted = Wanted(trial)
        self._told_at = 0.0
        self._world: object = None
        self._verdict: Verdict | None = None
        self._refused = ""
        self._judged: list[tuple[str, float | None]] = []
        self._judging = False
        self._supervised = False
        # What had been decided when a decision was begun.
        self._seen: Launch | None = None

    def heading(self) -> Message:
        if self.of.startswith("round"):
            return say("launch of {name}", name=self._wanted.trial or self.of)
        return say("{name}", name=self.of)

    def body(self) -> ComposeResult:
        with Reading():
            # What it comes to is seen first, whatever the window's height.
            yield Static(id="verdict", markup=False)
            yield Static(id="runs", markup=False)
        yield Prompt()

    def on_mount(self) -> None:
        self.query_one("#verdict").display = False
        self.query_one(Reading).focus()

    def follows(self) -> bool:
        if self._found is not None:
            # Until when its runs would take is told by the clock.
            return time.monotonic() - self._told_at >= designing.TOLD_SECONDS
        # Whether a supervisor is at work is not in the store.
        return supervisor.seen_to(self.book.project) != self._supervised and self._under_way()

    def load(self) -> None:
        store = self.book.store
        self._supervised = supervisor.seen_to(store.project)
        if trials.batch(store, self.of).kind == "round" and self._propose():
            return
        self._show("#runs", launch_told.runs(self.book.store, self.of, self.best_side, ascii_only=self.book.ascii_only))
        results = [(entry.status, entry.best) for entry in trials.trials(store, self.of)]
        if results != self._judged:
            self._verdict, self._refused, self._judged = None, "", results
            self._judging = bool(results) and all(status in trials.ENDED for status, _best in results)
            if self._judging:
                judge = partial(judging.judge, name=self.of)
                self.behind(judge, self._judge, partial(self._judge, None), group="launch")
        self._show_verdict()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what the launch admits as it stands."""
        if action == "decide":
            known = self._verdict is not None or (parameters[0] != "adopt" and self._stopped())
            if self._decided() is not None:
                return known and parameters[0] == "repeat" and judging.may_reopen(self.book.store, self.of)
            # What was stopped goes on by another key.
            return known and (self._verdict is not None or parameters[0] == "reject") and self._overtaken() is None
        if action == "unrepeated":
            return self._found is not None
        if action in ("candidates", "runs"):
            return not asking(self) and self._found is not None
        if action == "slots":
            runs_left = self._decided() is None and not all(map(trials.over, self._launch()))
            return not asking(self) and (self._found is not None or runs_left)
        if action == "start":
            return self._found is not None or (self._decided() is None and bool(self._resting()))
        if action == "stop":
            return self._under_way()
        if action == "test":
            return self._over()
        return True

    def _propose(self) -> bool:
        """Propose a launch, anew where one was begun or decided since. One that is to run comes before any other but of
        a trial that was named: then that takes this place, and False is returned."""
        store = self.book.store
        world = (len(trials.batches(store, launching.KIND)), len(launches.launches(store)))
        if world == self._world:
            self._tell()
            return True
        self._world = world
        # What is being typed was about what was proposed until now.
        self.leave()
        self._found = None
        waiting = launching.undecided(store)
        # Whoever stopped one may propose another.
        if waiting is not None and waiting.wanted == "run" and not self._wanted.trial:
            self.of = waiting.name
            self.show_where()
            self.say(_("{name} waits for its decision first.").format(name=waiting.name))
            return False
        self._find()
        return True

    def _find(self) -> None:
        # Until another is found, nothing is started: not what was proposed before either.
        self._found = None
        self.refresh_bindings()
        looking_for = say("Looking at {trial}", trial=self._wanted.trial)
        if not self._wanted.trial:
            looking_for = say("Looking for the best trial")
        self._show("#runs", iter([Content(looking_for.text())]))
        find = partial(proposing.find, round_=self.of, wanted=self._wanted)
        self.behind(find, self._proposed, self._nothing, group="launch")

    def _proposed(self, found: Found) -> None:
        if self._launch():
            # Begun elsewhere while this one was looked for.
            return
        self._found = found
        self._tell()
        self.refresh_bindings()

    def _tell(self) -> None:
        """What is proposed, with until when it would take from now."""
        if self._found is None:
            return
        self._told_at = time.monotonic()
        self._show("#runs", proposing.lines(self.book.store, self._found, self._wanted))

    def _nothing(self, why: str) -> None:
        if self._launch():
            return
        self._found = None
        nothing = Content.styled(_("There is nothing to launch here."), "bold")
        self._show("#runs", iter([nothing, Content(printable(why))]))
        self.refresh_bindings()

    def _judge(self, verdict: Verdict | None, refused: str = "") -> None:
        self._verdict, self._refused, self._judging = verdict, refused, False
        self._show_verdict()
        self.refresh_bindings()

    def action_candidates(self) -> None:
        """Type how many candidates there are to be, of which fresh runs choose one."""

        def take(answer: str) -> None:
            self._wanted = replace(self._wanted, candidates=proposing.candidates_typed(answer))
            self._find()

        # Whoever asks wants another number than is shown.
        others = self._found is not None and bool(self._found.listed.rivals)
        self._ask(proposing.CANDIDATES_WANTED, take, "1" if others else str(LONGEST))

    def action_runs(self) -> None:
        """Type how many fresh runs of each side are made before the first verdict."""

        def take(answer: str) -> None:
            self._want(replace(self._wanted, runs=proposing.runs_typed(answer)))

        self._ask(proposing.RUNS_WANTED, take, str(self._wanted.runs))

    def action_start(self) -> None:
        """Start the fresh runs of all sides; what was stopped goes on, and what failed is tried again."""
        found, wanted = self._found, self._wanted

        def start() -> None:
            store = self.book.store
            if found is not None:
                rivals = found.listed.rivals
                self.of = launching.start(store, found.proposal, rivals, runs=wanted.runs, slots=wanted.at_once).name
                self._found = None
                if wanted.at_once:
                    self._tell_slots(wanted.at_once)
            else:
                for entry in trials.trials(store, self.of):
                    if entry.status == "failed" or trials.stopped_alone(entry):
                        trials.ask(store, entry.id, "retry")
                trials.ask(store, self.of, "run")
            supervisor.ensure(self.book.project)

        self.book.attempt(start)

    def action_slots(self) -> None:
        """Type how many runs are made at once, of what is proposed or from now on."""
        if self._found is not None:

            def take(answer: str) -> None:
                self._want(replace(self._wanted, at_once=at_once.typed(answer)))

            self._ask(at_once.DESIGNED, take, str(self._wanted.at_once))
            return
        batch = trials.batch(self.book.store, self.of)
        self._ask(at_once.ROUND, self._take_slots, str(batch.slots))

    def action_stop(self) -> None:
        """Stop the runs; they save themselves, and can go on."""

        def stop() -> None:
            trials.ask(self.book.store, self.of, "stop")
            supervisor.ensure(self.book.project)

        self.book.attempt(stop)

    def action_decide(self, choice: Choice) -> None:
        """Adopt, reject or repeat; what goes against the verdict, or takes a decision back, needs a reason."""
        self._seen = self._decided()
        decided = self._seen is not None
        if self._verdict is not None and choice == self._verdict.decision and not decided:
            self._decide(choice, "")
            return
        asked = say("That is not what the runs suggest. Say why; it is recorded with the decision:")
        if self._verdict is None:
            asked = say("It was stopped before its end. Say why it is rejected; it is recorded with the decision:")
            if judging.failed(self._launch()):
                asked = say("Runs of it failed. Say why it is rejected; it is recorded with the decision:")
        if decided:
            asked = say("It has been decided. Say why it is to be decided anew; it is recorded with the decision:")
        self.query_one(Prompt).type(asked, partial(self._decide, choice))

    def action_unrepeated(self) -> None:
        """Adopt the candidate without fresh runs, because they cost too much; the reason is recorded."""
        self._seen = self._decided()
        asked = say("Adopt it on one run? Say why repeating costs too much; it is recorded with the decision:")
        self.query_one(Prompt).type(asked, partial(self._decide, "adopt"))

    def action_explain(self) -> None:
        """Why candidate and best configuration run again, at length."""
        self.app.push_screen(Explain(("G16", "P13")))

    def action_test(self) -> None:
        """To the look at the test split, which comes when all is decided."""
        self.book.open("look")

    def leave(self) -> bool:
        return self.query_one(Prompt).leave()

    def _decide(self, choice: Choice, words: str) -> bool:
        def record() -> None:
            if self._found is not None:
                self.of = judging.decide_unrepeated(self.book.store, self._found.proposal, choice, words).name
                self._found = None
                return
            if self._decided() != self._seen:
                raise Changed(
                    "{name} was decided in another session while you typed. Esc shows how; to decide it anew takes "
                    "more runs.",
                    name=self.of,
                )
            if choice == "repeat" and self._decided() is not None:
                judging.reopen(self.book.store, self.of, words)
            else:
                judging.decide(self.book.store, self.of, choice, words)
            supervisor.ensure(self.book.project)

        if done := self.book.attempt(record):
            # What came of it stands at the top.
            self.query_one(Reading).scroll_home(animate=False)
        return done

    def _ask(self, words: Message, take: Callable[[str], None], value: str) -> None:
        """Ask for a number; what `take` refuses is said, and the question stays."""
        self.query_one(Prompt).type(words, lambda answer: self.book.attempt(lambda: take(answer)), value)

    def _want(self, wanted: Wanted) -> None:
        """Show what is proposed, of the same candidates, as it is wanted now."""
        self._wanted = wanted
        if self._found is not None:
            self._proposed(self._found)

    def _take_slots(self, answer: str) -> None:
        wishes.at_once(self.book.store, self.of, count := at_once.typed(answer))
        self._tell_slots(count)

    def _tell_slots(self, count: int) -> None:
        told = partial(at_once.told, name=self.of, wanted=count)
        self.behind(told, lambda told: self.say(told.text()), group="slots")

    def _launch(self) -> list[Trial]:
        """The runs, once there are any."""
        return [] if self.of.startswith("round") else trials.trials(self.book.store, self.of)

    def _resting(self) -> list[Trial]:
        """Runs that nobody is going to start: they failed, the launch was stopped, or no supervisor is at work."""
        runs = self._launch()
        wanted = bool(runs) and trials.batch(self.book.store, self.of).wanted == "run"
        stopped = bool(runs) and not (wanted and self._supervised)
        return [
            run
            for run in runs
            if run.status == "failed" or trials.stopped_alone(run) or (stopped and run.status not in trials.ENDED)
        ]

    def _under_way(self) -> bool:
        runs = self._launch()
        wanted = bool(runs) and trials.batch(self.book.store, self.of).wanted == "run"
        return wanted and not all(map(trials.over, runs))

    def _stopped(self) -> bool:
        """Whether it was stopped before its end, or runs of it failed, so that it has no verdict."""
        return bool(self._launch()) and judging.stopped(self.book.store, self.of)

    def _decided(self) -> Launch | None:
        """The decision about this launch, unless that was to run more."""
        return launches.decided(self.book.store, self.of)

    def _overtaken(self) -> Message | None:
        """Why it cannot be decided any more, where it has not been."""
        store = self.book.store
        return None if self._decided() else launching.overtaken(store, trials.batch(store, self.of))

    def _over(self) -> bool:
        """Whether the look at the test split may come next: the candidate was adopted, and there is such a split."""
        decided = self._decided()
        return decided is not None and decided.decision == "adopt" and looking.possible(self.book.store)

    @property
    def best_side(self) -> str:
        """What the other side is called: once a candidate was adopted, it is the best no more."""
        decided = self._decided()
        return _("best before") if decided is not None and decided.decision == "adopt" else _("best so far")

    def _show_verdict(self) -> None:
        why = self._overtaken()
        parts = [Content.styled(printable(why.text()), "bold")] if why is not None else []
        if self._under_way() and not self._supervised:
            parts.append(Content.styled(_("No supervisor is at work."), "bold"))
        elif self._under_way() and queue.starting(self.book.store, trials.batch(self.book.store, self.of)):
            parts.append(Content.styled(_("Starting: the runs begin once torch is loaded."), "bold"))
        if self._decided() is None and self._resting():
            parts.append(Content(_("s: go on with these runs")))
            if self._stopped() and why is None:
                parts.append(Content(_("r: reject it as it is")))
        if self._judging:
            parts.append(Content(_("Judging the runs")))
        if self._refused:
            parts.append(Content.styled(printable(self._refused), "bold"))
        verdict, decided, reason = self._verdict, self._decided(), ""
        if decided is not None:
            word = {"adopt": _("Adopted."), "reject": _("Rejected.")}[decided.decision]
            reason = restored(decided.reason).text()
            told = Content(printable(sentences(word, reason)))
            parts.append(told.stylize("bold", 0, len(word)))
            if self._over():
                parts.append(Content(_("l: when all is decided, the look at the test split")))
            if (verdict is not None or self._stopped()) and judging.may_reopen(self.book.store, self.of):
                parts.append(Content(_("n: run more of both, and decide anew by all runs together")))
        if verdict is not None:
            # It stands in the reason already.
            if verdict.message.text() not in reason:
                parts.append(Content.styled(printable(verdict.message.text()), "bold"))
            if decided is None and why is None:
                parts.append(Content(_("a: adopt   r: reject   n: run more")))
            parts += [Content(""), *launch_told.figures(self.book.store, self.of, self.best_side, verdict)]
        self.query_one("#verdict", Static).display = bool(parts)
        self._show("#verdict", iter([*parts, Content("")]))

    def _show(self, id: str, content: Iterator[Content]) -> None:
        show(self.query_one(id, Static), Content("\n").join(list(content)))
