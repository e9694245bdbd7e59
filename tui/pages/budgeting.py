"""The question for budget and deadline, as the pages ask it on which these are told."""

from __future__ import annotations

from collections.abc import Callable

from presets.language import say
from state import project as projects
from tui import horizon
from tui.pages.page import Page
from tui.widgets.prompt import Prompt


def ask(page: Page, then: Callable[[], object]) -> None:
    """Ask how many device hours are meant for tuning in all, and when it is to end; `then` follows what is recorded."""
    book, settings = page.book, page.book.project.settings

    def change(answer: str) -> None:
        hours, deadline = horizon.typed(answer)
        projects.change(book.project, budget_hours=hours, deadline=deadline)
        book.read_settings()
        then()

    page.query_one(Prompt).type(
        say("Device hours in all, and a deadline: 24 2026-12-24, either or neither"),
        lambda answer: book.attempt(lambda: change(answer)),
        horizon.written(settings.budget_hours, settings.deadline),
    )
