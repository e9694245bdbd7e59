"""Opening a page by name; each is imported when it is first wanted, so that the first paint waits for none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.app import Tunebook


def open_page(book: Tunebook, place: str) -> None:
    """Show a page over the present one: its name, and for some the name of what it shows (`round round-1`)."""
    name, _, what = place.partition(" ")
    match name:
        case "setup":
            from tui.page_setup import SetupPage

            book.push_screen(SetupPage(what or None))
        case "design":
            from tui.page_design import DesignPage

            book.push_screen(DesignPage())
        case "round":
            from tui.page_round import RoundPage

            book.push_screen(RoundPage(what))
        case "trial":
            from tui.page_trial import TrialPage

            book.push_screen(TrialPage(what))
        case "review":
            from tui.page_review import ReviewPage

            book.push_screen(ReviewPage(what))
        case "propose" | "launch":
            from tui.page_launch import LaunchPage

            book.push_screen(LaunchPage(what))
        case "decisions":
            from tui.page_decisions import DecisionsPage

            book.push_screen(DecisionsPage())
        case "export":
            from tui.page_export import ExportPage

            book.push_screen(ExportPage())
        case _:
            raise ValueError(place)
