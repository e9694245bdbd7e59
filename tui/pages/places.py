"""Every page by its name; each is imported when it is first wanted, so that the first paint waits for none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.pages.page import Page

if TYPE_CHECKING:
    from rounds.next_step import Design


def page(place: str) -> Page:
    """The page of a name; for some the name of what it shows follows (`round round-1`)."""
    name, _, what = place.partition(" ")
    match name:
        case "welcome":
            from tui.pages.welcome import Welcome

            return Welcome(what)
        case "new":
            from tui.pages.new import NewProject

            return NewProject()
        case "new-command":
            from tui.pages.new_command import NewCommand

            return NewCommand()
        case "home":
            from tui.pages.home import Home

            return Home()
        case "setup":
            from tui.pages.setup import SetupPage

            return SetupPage(what or None)
        case "comparison":
            from tui.pages.measurement import ComparisonPage

            return ComparisonPage()
        case "sizes":
            from tui.pages.measurement import SizesPage

            return SizesPage()
        case "design":
            from tui.pages.design import DesignPage

            return DesignPage()
        case "round":
            from tui.pages.round import RoundPage

            return RoundPage(what)
        case "rounds":
            from tui.pages.rounds import RoundsPage

            return RoundsPage()
        case "trial":
            from tui.pages.trial import TrialPage

            return TrialPage(what)
        case "review":
            from tui.pages.review import ReviewPage

            return ReviewPage(what)
        case "propose" | "launch":
            from tui.pages.launch import LaunchPage

            # Of a round, with the trial that is meant, if that is not its best.
            return LaunchPage(*what.split())
        case "look":
            from tui.pages.look import LookPage

            return LookPage()
        case "insights":
            from tui.pages.insights import InsightsPage

            return InsightsPage()
        case "glossary":
            from tui.pages.glossary import Glossary

            return Glossary()
        case "decisions":
            from tui.pages.decisions import DecisionsPage

            return DecisionsPage()
        case "configurations":
            from tui.pages.configurations import ConfigurationsPage

            return ConfigurationsPage()
        case "doctor":
            from tui.pages.doctor import DoctorPage

            return DoctorPage()
        case "export":
            from tui.pages.export import ExportPage

            return ExportPage(what)
        case "export-starter":
            from tui.pages.export import ExportPage

            return ExportPage(starter=True)
        case "report":
            from tui.pages.report import ReportPage

            return ReportPage()
        case _:
            raise ValueError(place)


def design_page(proposed: Design) -> Page:
    """The design of a round, filled in with what is proposed."""
    from tui.draft import proposed as draft_of
    from tui.pages.design import DesignPage

    return DesignPage(draft_of(proposed))
