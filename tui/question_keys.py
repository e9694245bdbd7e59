"""Which keys of the set-up's page work: what its question admits, or the work that comes before it."""

from __future__ import annotations

from dataclasses import dataclass

from state import decisions
from state.database import Store
from tui import question_text
from wizard import batch_size, flow, steps
from wizard.question import Question

# The actions that depend on it.
ACTIONS = (
    *("start", "stop", "earlier", "type", "reason", "explain", "read", "sideways", "again", "cost", "patience"),
    *("compare", "filter"),
)
MEMORY = "memory_gib"


@dataclass(frozen=True)
class Asked:
    """The set-up as its page shows it: the question of a step, None where it cannot be asked yet. `working`: whether
    the work that it needs is shown, `running`: whether that is under way; `parts`: of how many the question's table is
    one; `elsewhere`: whether a launch has adopted what has batch sizes of its own."""

    store: Store
    step: str | None
    question: Question | None
    working: bool
    running: bool
    parts: int
    elsewhere: bool

    def possible(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Whether an action makes sense now."""
        question, command = self.question, bool(self.store.project.settings.command)
        match action:
            case "start":
                return question is None and not self.running
            case "stop":
                return self.running
            case "earlier":
                return not self.running and any(entry.step in flow.STEPS for entry in decisions.decisions(self.store))
            case "type":
                return question is not None and bool(question.free)
            case "again" if self.elsewhere:
                return True
            case "again" | "cost":
                if self.step != batch_size.STEP or command:
                    return False
                # Before the sizes are measured, too: a person may know beforehand what a run may take.
                waits = action == "cost" and parameters == (MEMORY,) and self.working and not self.running
                return question is not None or waits
            case "patience":
                return self.step == batch_size.STEP and command and not self.running
            case "compare":
                steps_or_size = self.step in (batch_size.STEP, steps.STEP)
                return question is not None and steps_or_size and steps.comparable(self.store)
            case "sideways":
                return question is not None and self.parts > 1
            case "explain":
                return question is not None or self.step in flow.ROWS
            case "reason":
                return question is not None and bool(question.options)
            case "filter":
                return question is not None and len(question.options) >= question_text.MANY
            case _:
                return question is not None
