"""The report: one file with the whole story, safe whatever the data are called, in either language."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from presets import language
from presets.language import error_text, say, stored
from rounds import dismissing, judging, launching, planning, reviewing
from rounds.finding import Finding
from state import decisions, launches, looks, measurements, trials
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tests import set_up, small_project
from tests.screens import NARROW, wait_for_text
from tui import deciding
from tui.app import Tunebook
from tui.charts.plot import Axes
from tui.charts.series import Series
from tui.main import tunebook
from tui.pages.report import ReportPage
from tui.report import as_html, as_text, document, svg, writing
from tui.report.parts import Facts, Grid, Judgement, Picture, Report, Words
from tui.session import Session

EVIL = "</title><script>alert('1')</script>[/red] {x} \x1b[31m"
RESULTS = [0.4, 0.5, None, 0.2, 0.3, 0.35, 0.6, 0.25, 0.22, 0.45, 0.7, 0.28]
LENGTH: dict[str, Any] = {
    "check": "length",
    "passed": True,
    "steps": 120,
    "limit": 900,
    "fitted": 0.01,
    "learning_rate": 0.3,
    "at_boundary": False,
    "tried": [{"learning_rate": 0.3, "steps": 120, "error_rate": 0.004}],
}
# Elements without an end.
EMPTY = {"meta", "br"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project whose name is not harmless, from its first question to an adopted launch."""
    project = set_up.make(tmp_path / "p", name=EVIL)
    with open_store(project) as opened:
        set_up.advance(opened, "steps")
        measurements.record(opened, "length-1", "length", {}, LENGTH)
        decisions.decide(
            opened,
            EVIL,
            question=stored(say("{what}", what=EVIL)),
            options=[EVIL],
            recommended=None,
            chosen=EVIL,
            reason=stored(say("because {what}", what=EVIL)),
            evidence=[],
            settings={},
        )
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        small_project.end(opened, "baseline-1-001", 0.5)
        tried(opened)
        launched(opened)
        launches.learn(opened, stored(say("learnt {what}", what=EVIL)), batch="round-1", evidence={})
        looks.record(opened, 1, "launch-1-001", "c", "", {"examples": 360, "correct": 340})
        looks.record(opened, 2, "launch-1-001", "c", EVIL, {"examples": 360, "correct": 351})
        yield opened


def tried(store: Store) -> None:
    """A round of a dozen trials, one of which diverged, and its review."""
    planning.save(store, planning.propose(store, trials=len(RESULTS)), wanted="run")
    for entry, best in zip(trials.trials(store, "round-1"), RESULTS, strict=True):
        status = "infeasible" if best is None else "complete"
        small_project.end(store, entry.id, best, status, message=EVIL)
    reviewing.review_batch(store, "round-1")


def launched(store: Store) -> None:
    launching.start(store, launching.propose(store, "round-1"))
    for entry in trials.trials(store, "launch-1"):
        small_project.end(store, entry.id, (0.2 if entry.study == "candidate" else 0.5) + entry.number / 1000)
    judging.decide(store, "launch-1", deciding.suggested(judging.judge(store, "launch-1")))


class Page(HTMLParser):
    """A page as a browser takes it: its text, its elements, and what it would fetch or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.outside: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        given = dict(attrs)
        self.outside += [name for name in given if name in ("src", "srcset", "data", "style") or name.startswith("on")]
        if tag == "a":
            self.links.append(str(given["href"]))
        if "id" in given:
            self.ids.append(str(given["id"]))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def parts(told: Report, kind: type) -> list[Any]:
    return [part for section in told.sections for part in section.parts if isinstance(part, kind)]


def test_the_page_tells_the_whole_story_and_needs_nothing_from_outside(store: Store) -> None:
    page = Page(writing.content(store, "html"))
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(page.names)
    assert page.outside == []
    assert page.links == [f"#{name}" for name in page.ids]
    assert page.ids == [
        "summary",
        "decisions",
        "data",
        "probe",
        "checks",
        "baseline",
        "round-1",
        "launch-1",
        "line",
        "insights",
        "test",
        "best",
        "studies",
    ]
    for told in ("128", "round-1-004", "launch-1-001", "adopted", "tunebook export best --trial launch-1-"):
        assert told in page.text
    text = writing.content(store, "html")
    assert "url(" not in text
    assert not re.search(r"(?<!xmlns=\")https?://", text)


def test_after_the_way_back_to_an_earlier_network_its_own_probe_is_told(store: Store) -> None:
    """The last one was of a network that is no longer the best."""
    own, other = ({"model.name": name} for name in ("test_resnet", "abandoned"))
    for place, (subject, size) in enumerate(((own, 48), (other, 9)), 7):
        line = {"batch_size": size, "outcome": "measured", "step_seconds": 0.1}
        result = {"sizes": [line], "recommended": size, "device": "cpu", "precision": "float32"}
        measurements.record(store, f"probe-{place}", "probe", subject, result)
    assert "Recommended: 48." in Page(writing.content(store, "html")).text
    assert "Recommended: 9." not in Page(writing.content(store, "html")).text


def test_a_probe_that_ended_by_an_error_tried_more_than_what_worked(store: Store) -> None:
    lines = [{"batch_size": 64, "outcome": "measured", "step_seconds": 0.1}]
    lines.append({"batch_size": 128, "outcome": "failed", "message": "CUDA error: launch failure"})
    result = {"sizes": lines, "recommended": 64, "largest_feasible": 64, "limited_by": "error", "device": "cpu"}
    measurements.record(store, "probe-7", "probe", {"model.name": "test_resnet"}, result)
    told = Page(writing.content(store, "html")).text
    assert "The largest that worked: 64." in told
    assert "128 did not work: CUDA error: launch failure" in told
    assert "The largest that was tried" not in told


@pytest.mark.parametrize(
    ("record", "patch", "said"),
    [
        ({"changed": True, "untracked": {"count": 0, "first": []}}, True, "(changed since: see changes.patch in"),
        ({"changed": True, "untracked": {"count": 0, "first": []}}, False, "(what differed from it was not kept)"),
        ({"changed": False, "untracked": {"count": 2, "first": ["a.py", "b"]}}, False, "(not in it: a.py, b)"),
        ({"changed": False, "untracked": {"count": 9, "first": ["a.py"]}}, False, "(not in it: a.py, and 8 more)"),
        ({"changed": None, "untracked": None}, False, ""),
        # As earlier versions wrote it: the built-in training, a command of the user's own.
        ({"changed": True}, False, "(what differed from it was not kept)"),
        ({"uncommitted": True}, False, "(what differed from it was not kept)"),
        ({"uncommitted": False}, False, ""),
    ],
)
def test_beside_the_commit_stands_what_is_known_to_differ_from_it(
    tmp_path: Path, record: dict[str, Any], patch: bool, said: str
) -> None:
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        small_project.end(store, "baseline-1-001", 0.5, commit="abc1234", **record)
        if patch:
            (project.trial_folder("baseline-1-001") / "changes.patch").write_text("diff")
        facts = [fact for part in parts(document.report(store), Facts) for fact in part.rows]
        (commit,) = [value for name, value in facts if name == "commit"]
    assert commit.startswith(f"abc1234 {said}".strip())
    assert commit.count("(") == bool(said)
    assert ("changes.patch" in commit) == patch


def test_the_run_of_the_best_configuration_can_be_made_again_by_what_the_report_says(tmp_path: Path) -> None:
    """Its seed stood nowhere: the table of values had the seed of the configuration, which another run had, beside the
    result of this one. Nor did anything tell a colleague whether his data are those."""
    data = tmp_path / "data"
    with open_store(small_project.project(tmp_path / "p", data)) as store:
        small_project.adopt(store, values := small_project.settings(data))
        small_project.batch(store, values, [{"training.seed": 77}], kind="baseline")
        small_project.end(store, "baseline-2-001", 0.5, data="0123456789abcdef")
        section = next(section for section in document.report(store).sections if section.id == "best")
        (facts,) = [dict(part.rows) for part in section.parts if isinstance(part, Facts)]
        (table,) = [part for part in section.parts if isinstance(part, Grid)]
    assert (facts["seed"], facts["fingerprint of the data"]) == ("77", "0123456789ab")
    assert not any("seed" in row[0] and row[0] != "data.split_seed" for row in table.rows)
    assert ("training.steps", "30") in [row[:2] for row in table.rows]


def test_what_was_found_before_and_between_the_rounds_is_told(store: Store) -> None:
    """The findings about the data, the checks by short runs, and the intervals that a launch was decided by were left
    out; the best of three seeds stood for their mean."""
    told = document.report(store)
    sections = {section.id: section.parts for section in told.sections}
    data = "\n".join(part.text for part in sections["data"] if isinstance(part, Words))
    assert "10 classes; " in data
    assert "about equally frequent" in data
    assert any(
        "fits the training split in 120 steps" in part.text for part in sections["checks"] if isinstance(part, Words)
    )
    verdict = judging.judge(store, "launch-1")
    assert verdict.candidate is not None
    grids = [part for part in sections["launch-1"] if isinstance(part, Grid)]
    assert ("candidate", *(f"{value:.4g}" for value in verdict.candidate)) in [
        row for grid in grids for row in grid.rows
    ]
    assert any("Probability that a run" in part.text for part in sections["launch-1"] if isinstance(part, Words))
    facts = dict(next(part for part in sections["best"] if isinstance(part, Facts)).rows)
    assert facts["val/error_rate"] == f"{verdict.candidate[0]:.4g} (runs: 3)"
    assert float(facts["of this run"]) < verdict.candidate[0]


def test_names_with_markup_and_escape_sequences_are_shown_as_they_are(store: Store) -> None:
    text = writing.content(store, "html")
    page = Page(text)
    for said in (f"because {EVIL}", f"learnt {EVIL}"):
        assert said.replace("\x1b", "\\x1b") in page.text
    assert "\x1b" not in text
    marked = writing.content(store, "md")
    assert "<script>" not in marked
    assert "\x1b" not in marked


def test_every_varied_hyperparameter_has_its_plot_and_every_check_its_finding(store: Store) -> None:
    told = document.report(store)
    captions = [part.caption for part in parts(told, Picture)]
    plan = planning.plan_of(store, "round-1")
    for dimension in plan.studies[0].dimensions:
        assert f"{dimension.name} against the result" in captions
    assert "Study joint: the best of n trials" in captions or any("best of n" in caption for caption in captions)
    assert len(parts(told, Judgement)) == len(trials.findings(store, "round-1"))
    verdicts = [part.verdict for part in parts(told, Judgement)]
    assert verdicts == sorted(verdicts, key=["fail", "warn", "cannot tell", "pass"].index)


def test_the_line_of_the_best_configurations_and_the_looks_at_the_test_split_are_told(store: Store) -> None:
    told = document.report(store)
    sections = {section.id: section.parts for section in told.sections}
    grid, picture = sections["line"]
    assert isinstance(grid, Grid)
    assert isinstance(picture, Picture)
    first, second = grid.rows
    # Of each count its fresh runs in the launch, in place of the one run that chose it.
    means = []
    for side in ("best", "candidate"):
        own = [entry.best for entry in trials.trials(store, "launch-1") if entry.study == side and entry.best]
        means.append(sum(own) / len(own))
    assert [first[1], second[1]] == [f"{mean:.4g} (runs: 3)" for mean in means]
    assert second[0].endswith("(the best now)")
    assert "optimizer.learning_rate changes from" in second[2]
    assert list(picture.series[0].y) == pytest.approx(means)
    _last, looked = sections["test"]
    assert isinstance(looked, Grid)
    low, high = (f"{value:.2%}" for value in binomtest(9, 360).proportion_ci(method="exact"))
    assert looked.rows[1][:6] == ("2", "launch-1-001", "9 of 360", "2.50%", f"{low} to {high}", EVIL)
    found = json.loads(writing.content(store, "json"))
    assert [link["configuration"] for link in found["line"]] == [picture.series[1].ids[place] for place in (0, 1)]
    assert [look["number"] for look in found["looks"]] == [1, 2]
    assert found["looks"][1]["interval"] == pytest.approx(list(binomtest(9, 360).proportion_ci(method="exact")))


def test_the_share_of_exploration_is_that_of_the_hours(store: Store) -> None:
    """One round asked something and took an hour, one only minimised and took three."""
    batch = planning.save(store, planning.propose(store, "minimise", trials=1))
    hours = {"round-1": 3600 / len(RESULTS), batch.name: 3 * 3600}
    for name, seconds in hours.items():
        for entry in trials.trials(store, name):
            small_project.end(store, entry.id, 0.3, seconds=seconds)
    (facts,) = (part for part in document.report(store).sections[0].parts if isinstance(part, Facts))
    assert dict(facts.rows)["exploration"] == "1.00 h (25%) to understand, 3.00 h only for the best result"


def test_a_dismissed_finding_says_by_whom_and_why_in_place_of_what_it_proposes(store: Store) -> None:
    finding = next(f for f in trials.findings(store, "round-1") if f["verdict"] != "pass")
    key = Finding.from_dict(finding).key
    dismissing.dismiss(store, "round-1", key, "the <data> are few")
    told = [part.action for part in parts(document.report(store), Judgement) if "dismissed by" in part.action]
    assert len(told) == 1
    assert told[0].endswith(": the <data> are few")


def test_the_same_story_in_chinese_says_so_and_leaves_no_english_headings(store: Store) -> None:
    language.set_language("zh_CN")
    try:
        told = document.report(store)
        page = as_html.page(told)
    finally:
        language.set_language("en")
    assert '<html lang="zh-Hans">' in page
    assert [section.title for section in told.sections][:4] == [
        "概要",
        "设置：决定了什么，为什么",
        "在数据中发现了什么",
        "batch size 的实测",
    ]


def test_a_project_that_has_only_begun_has_a_report_too(tmp_path: Path) -> None:
    with open_store(set_up.make(tmp_path)) as begun:
        for kind in writing.FORMATS:
            assert writing.content(begun, kind)
        page = Page(writing.content(begun, "html"))
        assert page.ids == ["summary", "best"]
        assert "There is no reasonable baseline yet." in page.text


def test_a_round_that_is_not_reviewed_yet_is_checked_for_the_report_and_stays_unreviewed(tmp_path: Path) -> None:
    with open_store(set_up.make(tmp_path)) as begun:
        small_project.adopt(begun, small_project.settings(tmp_path / "data"))
        planning.save(begun, planning.propose(begun, trials=4))
        for entry in trials.trials(begun, "round-1"):
            small_project.end(begun, entry.id, None, "infeasible", reason="diverged")
        told = document.report(begun)
        assert parts(told, Judgement)
        assert trials.batch(begun, "round-1").reviewed is None
        Page(as_html.page(told))


def test_markdown_has_the_same_chapters_and_findings(store: Store) -> None:
    told = document.report(store)
    text = as_text.markdown(told)
    assert text.count("\n## ") == len(told.sections)
    assert text.count("\n- **") == len(parts(told, Judgement))


def test_the_table_of_studies_opens_in_a_spreadsheet_without_running_anything(store: Store) -> None:
    rows = list(csv.DictReader(io.StringIO(writing.content(store, "csv"))))
    counted = ("round", "trials_planned", "trials_ended", "trials_complete", "infeasible", "best")
    assert [tuple(row[name] for name in counted) for row in rows] == [("round-1", "12", "12", "11", "1", "0.2")]
    assert rows[0]["command"] == "tunebook export round-1-004 --trial round-1-004"
    assert as_text._cell("=1+1") == "'=1+1"


def test_what_was_only_planned_is_told_apart_from_what_ran(store: Store) -> None:
    """Fourteen planned rounds counted as tried, each with what a review would say of nothing."""
    planning.save(store, planning.propose(store, trials=20))
    told = document.report(store)
    text = as_text.markdown(told)
    assert "rounds: 1, trials: 19; rounds that are only planned: 1" in text
    (section,) = [section for section in told.sections if section.id == "round-2"]
    assert any(isinstance(part, Words) and "none of it has run" in part.text for part in section.parts)
    assert not any(isinstance(part, Judgement | Picture) for part in section.parts)
    row = list(csv.DictReader(io.StringIO(writing.content(store, "csv"))))[-1]
    assert (row["trials_planned"], row["trials_ended"], row["trials_complete"]) == ("20", "0", "0")


def test_the_json_has_all_trials_with_their_curves_and_is_standard(store: Store) -> None:
    content = json.loads(writing.content(store, "json"), parse_constant=pytest.fail)
    batches = {batch["name"]: batch for batch in content["batches"]}
    assert len(batches["round-1"]["trials"]) == len(RESULTS)
    assert batches["round-1"]["trials"][0]["curve"][0][0] == 10
    assert content["launches"][-1]["decision"] == "adopt"
    assert content["best"]["hash"] == content["launches"][-1]["candidate"]


def test_a_file_that_exists_is_kept_and_a_name_without_a_format_is_refused(store: Store, tmp_path: Path) -> None:
    # A folder that a mistyped path would make somewhere is not made.
    with pytest.raises(Refusal, match="there is no such folder"):
        writing.write(store, tmp_path / "new" / "r.md")
    (tmp_path / "new").mkdir()
    written = writing.write(store, tmp_path / "new" / "r.md")
    assert written.read_text().startswith("# ")
    with pytest.raises(Refusal, match="exists already"):
        writing.write(store, written)
    assert writing.write(store, written, "csv", force=True).read_text().startswith("round,study")
    with pytest.raises(Refusal, match=r"\.html, \.md"):
        writing.write(store, tmp_path / "report.pdf")
    with pytest.raises(Refusal, match="is a folder"):
        writing.write(store, tmp_path, "html")
    assert not (tmp_path / "report.pdf").exists()


def test_the_command_answers_with_the_file(store: Store, tmp_path: Path) -> None:
    root = store.project.root
    arguments = ["report", str(tmp_path / "r.html"), "--json", "--project", str(root)]
    answer = CliRunner().invoke(tunebook(), arguments, obj=Session(), standalone_mode=False)
    done = json.loads(answer.stdout)
    assert done == {"file": str(tmp_path / "r.html"), "bytes": (tmp_path / "r.html").stat().st_size}


@pytest.mark.parametrize("place", ["-", "/dev/stdout", "/dev/fd/1"])
def test_a_report_goes_to_stdout_in_the_format_that_is_given(store: Store, place: str) -> None:
    """`/dev/stdout` was some pipe's number, whose name was to end in .html, and `-` a file without a format."""

    def run(*words: str) -> Result:
        arguments = ["report", place, *words, "--project", str(store.project.root)]
        return CliRunner().invoke(tunebook(), arguments, obj=Session(), standalone_mode=False)

    assert run("--format", "md").stdout == writing.content(store, "md")
    assert run("--format", "csv").stdout_bytes == writing.content(store, "csv").encode()
    assert json.loads(run("--json").stdout)["project"]["name"] == store.project.settings.name
    for words, part in (((), "give --format"), (("--json", "--format", "md"), "one JSON document")):
        refused = run(*words).exception
        assert isinstance(refused, Refusal)
        assert part in error_text(refused)


def test_what_is_no_file_is_not_replaced(store: Store, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "r.md")
    with pytest.raises(Refusal, match="tunebook report - --format md"):
        writing.write(store, tmp_path / "r.md", force=True)


async def test_the_page_proposes_a_free_name_and_writes_it(store: Store) -> None:
    root = store.project.root
    (root / "report.html").write_text("somebody's own")
    app = Tunebook(root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        await app.push_screen(ReportPage())
        await wait_for_text(pilot, "report-2.html")
        await pilot.press("enter")
        await wait_for_text(pilot, "Written:")
    assert (root / "report-2.html").read_text().startswith("<!doctype html>")
    assert (root / "report.html").read_text() == "somebody's own"


NUMBERS = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1e308, 5e-324])
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=12)


@given(st.lists(st.tuples(st.sampled_from(["line", "points"]), POINTS), max_size=3), st.booleans(), st.booleans())
def test_whatever_the_values_are_the_plot_stays_within_its_frame(
    drawn: list[tuple[Any, list[tuple[float, float]]]], log_x: bool, log_y: bool
) -> None:
    series = [
        Series(f"s{place}", "a", [x for x, _y in points], [y for _x, y in points], kind)
        for place, (kind, points) in enumerate(drawn)
    ]
    picture = svg.svg(series, Axes("x", "y", log_x=log_x, log_y=log_y, empty="nothing"))
    Page(picture)
    for place in re.findall(r'class="line [^"]*" d="([^"]*)"', picture):
        for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", place):
            assert 0 <= float(x) <= svg.WIDTH
            assert 0 <= float(y) <= svg.HEIGHT


def test_a_line_of_a_million_points_is_drawn_small_and_keeps_its_peaks() -> None:
    values = [1.0] * 1_000_000
    values[543_210] = 9.0
    picture = svg.svg([Series("a", "a", range(1_000_000), values)], Axes("step", "loss"))
    assert len(picture) < 30_000
    top = min(float(y) for _x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", picture.partition('class="line c')[2]))
    assert top < 60


def test_that_no_run_stands_for_the_best_configuration_is_said_in_the_language_of_the_report(tmp_path: Path) -> None:
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        assert "No complete trial ran the best configuration" in as_text.markdown(document.report(store))
        try:
            language.set_language("zh_CN")
            assert "没有已完成的试验使用最佳配置" in as_text.markdown(document.report(store))
        finally:
            language.set_language("en")
