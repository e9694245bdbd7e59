"""Every page by its name; each is imported when it is first wanted, so that the first paint waits for none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.page import Page

if TYPE_CHECKING:
    from rounds.next_step import Design


def page(place: str) -> Page:
    """The page of a name; for some the name of what it shows follows (`round round-1`)."""
    name, _, what = place.partition(" ")
    match name:
        case "welcome":
            from tui.page_welcome import Welcome

            return Welcome(what)
        case "new":
            from tui.page_new import NewProject

            return NewProject()
        case "new-command":
            from tui.page_new_command import NewCommand

            return NewCommand()
        case "home":
            from tui.page_home import Home

            return Home()
        case "setup":
            from tui.page_setup import SetupPage

            return SetupPage(what or None)
        case "design":
            from tui.page_design import DesignPage

            return DesignPage()
        case "round":
            from tui.page_round import RoundPage

            return RoundPage(what)
        case "trial":
            from tui.page_trial import TrialPage

            return TrialPage(what)
        case "review":
            from tui.page_review import ReviewPage

            return ReviewPage(what)
        case "propose" | "launch":
            from tui.page_launch import LaunchPage

            return LaunchPage(what)
        case "insights":
            from tui.page_insights import InsightsPage

            return InsightsPage()
        case "glossary":
            from tui.page_glossary import Glossary

            return Glossary()
        case "decisions":
            from tui.page_decisions import DecisionsPage

            return DecisionsPage()
        case "export":
            from tui.page_export import ExportPage

            return ExportPage()
        case "report":
            from tui.page_report import ReportPage

            return ReportPage()
        case _:
            raise ValueError(place)


def design_page(proposed: Design) -> Page:
    """The design of a round, filled in with what is proposed."""
    from tui.draft import proposed as draft_of
    from tui.page_design import DesignPage

    return DesignPage(draft_of(proposed))
