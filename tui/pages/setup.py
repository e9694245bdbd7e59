"""The set-up, one question at a time: what is known, what is recommended and why, and the answers (G0 to G13)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from presets.language import Message, _, say, sentences
from rounds import supervisor, wishes
from state import decisions, project
from state.errors import Changed, Refusal
from state.pace import LONGER, START_SECONDS
from state.trials import Batch
from tui import at_once, question_text
from tui.amount import amount
from tui.keys import bindings
from tui.pages.explain import Explain
from tui.pages.page import Page
from tui.question_keys import ACTIONS, MEMORY, Asked
from tui.say import answer, choice, trouble
from tui.terminal import printable
from tui.theme import VERDICTS
from tui.widgets.controls import Choices, Field
from tui.widgets.question_view import QuestionView
from tui.widgets.text import show
from tui.widgets.work_view import WorkView
from wizard import anew, batch_size, flow, probe
from wizard.question import TYPED, Choice, Option, Question

# What training costs and may take, by the setting of the project: how it is asked for.
COSTS = {
    "price_per_hour": say("Price of a device hour, in any currency (0: not given):"),
    "power_watts": say("Watts that the device draws while training (0: not given):"),
    MEMORY: say("GiB of memory that a run may take (0: what is free); the sizes are measured within it:"),
}
PATIENCE = say(
    "Minutes that the probe waits for the first sign of the script's speed (0: {minutes:g}); then it measures again:",
    minutes=START_SECONDS / 60,
)


class SetupPage(Page):
    """The step that comes next, or an earlier one that is to be decided anew; long work is shown while it runs."""

    GROUPS = ("setup", "work", "choices", "field", "chart", "everywhere")
    PLACE = "set-up"
    BINDINGS = bindings("setup")
    DEFAULT_CSS = """
    SetupPage #options { max-height: 40%; }
    SetupPage.-reading #options { max-height: 3; }
    """

    def __init__(self, step: str | None = None) -> None:
        super().__init__()
        self._wished = step
        self._step: str | None = None
        self._question: Question | None = None
        # What is done with what is typed.
        self._take: Callable[[str], object] = self._answer
        # Typing filters the options: whether it does, and by what.
        self._filtering = False
        self._sought = ""
        # Whether a launch has adopted what has batch sizes of its own.
        self._elsewhere = False
        # What was said of the last answer.
        self._told = ""

    def heading(self) -> Message:
        return flow.title(self._step) if self._step else say("set-up")

    def body(self) -> ComposeResult:
        yield Static(id="steps", classes="text", markup=False)
        yield QuestionView(id="reading")
        yield Choices(id="options")
        yield WorkView(id="work")
        yield Static(id="asked", classes="asked", markup=False)
        yield Field(id="typed")

    def on_mount(self) -> None:
        self.query_one(WorkView).display = False
        self._show_typing(False)

    def toured(self) -> str:
        return f"setup {self._step}"

    def follows(self) -> bool:
        # A question that cannot be asked may wait for data that are being mended.
        return self.query_one(WorkView).display or self._question is None

    def on_resize(self) -> None:
        super().on_resize()
        if self.ready and self._question is not None:
            self._show_figures(self._question)

    def load(self) -> None:
        standing = flow.standing(self.book.store)
        if standing.step is not None and self._wished is not None:
            self._check_wish(standing.step)
        step = self._wished or standing.step
        if step is None:
            self.app.pop_screen()
            if isinstance(self.app.screen, Page):
                # What was said of the last answer goes with the person.
                self.app.screen.say(self._told)
            return
        # While the set-up has an open question, what it is about is measured.
        over = step == batch_size.STEP and standing.step is None
        self._elsewhere = over and probe.in_use(self.book.store) is not None
        needs = flow.work(self.book.store, step)
        if step != self._step or bool(needs) != self.query_one(WorkView).display:
            self._step, self._question = step, None
            self.show_where()
            self._show_steps(standing.step)
            self._show_work(bool(needs))
        if needs and self.query_one(WorkView).show(needs):
            self.load()
            return
        if not needs:
            self._ask(step)
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what the question, or the work instead of it, admits."""
        if action not in ACTIONS or not self.is_mounted:
            return True
        if action == "read" and not (self.has_class("-reading") or super().check_action(action, parameters)):
            return False
        work = self.query_one(WorkView)
        seen = Asked(
            self.book.store,
            self._step,
            self._question,
            working=bool(work.display),
            running=bool(work.display and work.running),
            parts=self.query_one(QuestionView).parts,
            elsewhere=self._elsewhere,
        )
        return seen.possible(action, parameters)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        # Of two quick presses of enter, the second may be meant for options that are gone.
        if self._question is None or event.option not in self.query_one(Choices).options:
            return
        option = self._marked()
        assert option is not None  # enter chooses the marked one
        if option.explain:
            self._type(say("Say why; it is recorded with the decision."), partial(self._answer, option.value))
        else:
            self._answer(option.value)

    def on_option_list_option_highlighted(self) -> None:
        # Whoever goes through the options wants to see some of them.
        self.remove_class("-reading")

    def on_input_changed(self, event: Input.Changed) -> None:
        if self._filtering:
            self._sought = event.value
            self._show_options()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self._filtering:
            self.query_one(Choices).focus()
        else:
            self._take(event.value)

    def on_work_view_slots(self, event: WorkView.Slots) -> None:
        self._type(at_once.ROUND, partial(self._take_slots, event.batch))
        self.query_one(Field).offer(str(event.batch.slots))

    def leave(self) -> bool:
        # A question without options is answered by typing: there is nothing behind it.
        typing = bool(self.query_one(Field).display) and (self._question is None or bool(self._question.options))
        if typing:
            self._show_typing(False)
            self._show_options()
        return typing

    def action_filter(self) -> None:
        """Show only the options and figures that contain what is typed."""
        self._type(say("Show only what contains:"), self._answer)
        self._filtering = True

    def action_type(self) -> None:
        """Type another answer than the options."""
        if self._question is not None and self._question.free:
            self._type(say("Type {what}:", what=TYPED[self._question.free]), self._answer)

    def action_reason(self) -> None:
        """Give a reason of one's own with the marked option."""
        option = self._marked()
        if option is not None:
            self._type(
                say("Your reason for {option}:", option=answer(option.label)), partial(self._answer, option.value)
            )

    def action_cost(self, name: str) -> None:
        """Type a price or a power, by which the table counts what training costs."""
        self._type(COSTS[name], partial(self._charge, name))
        self.query_one(Field).offer(f"{getattr(self.book.project.settings, name):g}")

    def action_patience(self) -> None:
        """Type how long the probe waits for the first sign of a script's speed; then it is measured again."""
        minutes = self.book.project.settings.patience_minutes or START_SECONDS / 60
        self._type(PATIENCE, self._wait)
        self.query_one(Field).offer(f"{LONGER * minutes:g}")

    def action_explain(self) -> None:
        """Why this is asked, at length."""
        rows = self._question.rows if self._question is not None else flow.ROWS.get(self._step or "", ())
        self.app.push_screen(Explain(rows))

    def action_read(self, pages: int) -> None:
        """Scroll the text above the options, which meanwhile leave it the room of all but the marked one: a long table
        has a few rows on the page otherwise."""
        super().action_read(pages)
        self.set_class(self.query_one(QuestionView).scroll_target_y > 0, "-reading")

    def action_sideways(self, steps: int) -> None:
        """Show other columns of a table that is wider than the page."""
        self.query_one(QuestionView).turn(steps)
        if self._question is not None:
            self._show_figures(self._question)

    def action_start(self) -> None:
        """Start the work that this step needs, or look again whether the question can be asked now."""
        work = self.query_one(WorkView)
        self.book.attempt(work.start if work.display else self.book.read_settings)

    def action_earlier(self) -> None:
        """Look at what was decided, to decide some of it anew."""
        self.book.attempt(lambda: self.book.open("decisions"))

    def action_again(self) -> None:
        """Measure the batch sizes once more: those of what is in use, where that is not what the set-up chose."""
        if self._elsewhere:
            self.book.open("sizes")
        else:
            self.book.attempt(lambda: probe.start(self.book.store, again=True))

    def action_compare(self) -> None:
        """Show what larger batches save in steps, or have it measured."""
        self.book.attempt(lambda: self.book.open("comparison"))

    def action_stop(self) -> None:
        """Stop the work under way."""
        self.book.attempt(self.query_one(WorkView).stop)

    def _check_wish(self, now: str) -> None:
        """A step after one that is open must wait for that."""
        order = flow.steps_of(self.book.store).index
        if order(self._wished or now) > order(now):
            self._wished = None
            self.say(_("First comes: {step}.").format(step=flow.title(now).text()))

    def _charge(self, name: str, typed: str) -> None:
        store = self.book.store

        def record() -> None:
            store.project = project.change(store.project, **{name: amount(typed)})
            self._question = None
            self._show_typing(False)

        self.book.attempt(record)

    def _wait(self, typed: str) -> None:
        store = self.book.store

        def start() -> None:
            store.project = project.change(store.project, patience_minutes=amount(typed))
            probe.start(store, again=True)
            self._show_typing(False)

        self.book.attempt(start)

    def _take_slots(self, batch: Batch, typed: str) -> None:
        def wish() -> None:
            wishes.at_once(self.book.store, batch.name, count := at_once.typed(typed))
            self._show_typing(False)
            told = partial(at_once.told, name=batch.name, wanted=count)
            self.behind(told, lambda told: self.say(told.text()), group="slots")

        self.book.attempt(wish)

    def _answer(self, chosen: Choice, reason: str = "") -> None:
        step = self._step
        assert step is not None

        def record() -> None:
            before = self._question
            self.book.read_settings()
            self._ask(step)
            if (
                before is None
                or self._question is None
                or question_text.asked(self._question) != question_text.asked(before)
            ):
                raise Changed("What is asked has changed meanwhile. Look at it, and answer again.")
            store = self.book.store
            was = anew.before(store, step)
            mind = flow.answer(store, step, chosen, reason)
            self._wished = self._step = self._question = None
            told = [*([mind.text()] if mind is not None else []), *([anew.told(store, was)] if was is not None else [])]
            self._told = sentences(*told) if told else ""
            self.say(self._told)
            # Some answers are to run the configuration once more.
            supervisor.ensure(self.book.project)

        self.book.attempt(record)

    def _ask(self, step: str) -> None:
        """Show the question of a step as it is now, or why it cannot be asked and how to go on. One that is shown
        already keeps what is marked and typed."""
        before = self._question
        try:
            question = flow.ask(self.book.store, step)
        except Refusal as refused:
            self._question = None
            known = (Content.styled(trouble(refused), "bold"), Content(""), Content(_("s: look again")))
            self.query_one(QuestionView).tell(*known)
            self.query_one(Choices).update([])
            return
        if question == before:
            return
        new = before is None or bool(before.options) != bool(question.options)
        self._question = question
        self.query_one(QuestionView).ask(question, new=new)
        if new:
            self._show_typing(False)
        self._show_options(keep=not new)
        if new and not question.options:
            self.action_type()
            self.query_one(Field).offer(choice(question.recommended) if question.recommended is not None else "")

    def _show_options(self, *, keep: bool = False) -> None:
        """The options and the figures to choose by, those that contain what is sought; the recommended one is marked,
        unless the mark is to keep its place."""
        question = self._question
        if question is None:
            return
        self._show_figures(question)
        entries = [
            (f"{question.step} {place}", question_text.prompt(question, option))
            for place, option in enumerate(question.options)
            if question_text.contains(self._sought, answer(option.label), option.note.text())
        ]
        recommended = next((n for n, one in enumerate(question.options) if one.value == question.recommended), None)
        self.query_one(Choices).update(entries, None if keep else f"{question.step} {recommended}")

    def _show_figures(self, question: Question) -> None:
        self.query_one(QuestionView).show_figures(question, self._sought)
        self.refresh_bindings()

    def _marked(self) -> Option | None:
        name = self.query_one(Choices).marked
        return self._question.options[int(name.split()[-1])] if self._question is not None and name else None

    def _type(self, words: Message, take: Callable[[str], object]) -> None:
        self._take = take
        show(self.query_one("#asked", Static), Content(printable(words.text())))
        self._show_typing(True)

    def _show_typing(self, typing: bool) -> None:
        self._filtering, self._sought = False, ""
        field = self.query_one(Field)
        field.put("")
        field.display = self.query_one("#asked").display = typing
        # Both now: of two that ask in one turn, the last has it.
        work = self.query_one(WorkView)
        self.set_focus(field if typing else work if work.display else self.query_one(Choices))

    def _show_work(self, working: bool) -> None:
        self.query_one(WorkView).display = working
        self._show_typing(False)
        for id in ("#reading", "#options"):
            self.query_one(id).display = not working

    def _show_steps(self, now: str | None) -> None:
        store, look = self.book.store, VERDICTS["pass"]
        mark = look.ascii if self.book.ascii_only else look.glyph
        done = {entry.step for entry in decisions.decisions(store)}
        show(self.query_one("#steps", Static), question_text.way(flow.steps_of(store), self._step, done, now, mark))
