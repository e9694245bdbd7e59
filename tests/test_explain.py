"""Why each step is asked, at three depths and in both languages, and the glossary, by command and on the screens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from presets import advice, language
from tests.screens import NARROW, shown, wait_for_text
from tests.set_up import set_up
from tui.app import Tunebook
from tui.commands.explain import STEPS
from tui.main import main
from tui.pages.explain import Explain
from wizard import flow

STATISTICS = Path(__file__).parent.parent / "benchmarks/results/statistics.md"


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    yield
    language.set_language("en")


def answered(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0


def test_every_step_is_explained_from_its_own_rows(tmp_path: Path) -> None:
    """The rows are those of the question itself."""
    assert tuple(flow.ROWS) == flow.STEPS == STEPS
    with set_up(tmp_path / "p", "baseline") as store:
        for step in STEPS[:-1]:
            assert flow.ask(store, step).rows == flow.ROWS[step]


@pytest.mark.parametrize(("spoken", "said"), [("en", "published weights"), ("zh_CN", "公开的权重")])
def test_the_weights_have_an_explanation_of_their_own(
    spoken: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever asked why they are asked for read about architectures alone."""
    answered(["--lang", spoken, "explain", "weights", "--depth", "evidence"])
    told = capsys.readouterr().out
    assert said in told
    assert "arXiv:1902.07208" in told


@pytest.mark.parametrize("spoken", language.LANGUAGES)
def test_every_row_of_the_set_up_has_all_three_depths(spoken: str) -> None:
    """And the evidence names where it comes from."""
    language.set_language(spoken)
    for row in {row for rows in flow.ROWS.values() for row in rows}:
        text = advice.advice(row)
        assert text.one_line
        assert text.paragraph
        assert any(source in text.evidence for source in ("Playbook", "arXiv:", "Clopper")), row
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text.evidence) == (spoken == "zh_CN")


@pytest.mark.parametrize("spoken", language.LANGUAGES)
@pytest.mark.parametrize("row", [*(f"G{n}" for n in range(15, 20)), *(f"P{n}" for n in range(1, 24))])
def test_the_rows_of_the_loop_have_all_three_depths_and_their_figures_are_those_of_the_table(
    row: str, spoken: str
) -> None:
    """They said that no evidence was kept."""
    language.set_language(spoken)
    told = advice.advice(row).evidence
    assert "Playbook" in told
    assert any("\u4e00" <= letter <= "\u9fff" for letter in told) == (spoken == "zh_CN")
    measured = re.findall(r"(?:\| |alone )[+-]?(\d+\.\d+)(?:%| ±| times)", STATISTICS.read_text(encoding="utf-8"))
    # Years and numbers of papers are no figures of ours.
    figures = re.findall(r"(?<![\d.:])\d+\.\d(?!\d)", told)
    assert set(figures) - {"0.8"} <= set(measured)
    assert ("statistics.md" in told) == bool(set(figures) - {"0.8"} or row == "G18")


@pytest.mark.parametrize("spoken", language.LANGUAGES)
def test_the_glossary_has_each_word_once_in_both_languages(spoken: str) -> None:
    language.set_language(spoken)
    terms = advice.glossary()
    assert len(terms) >= 40
    assert len({entry.term for entry in terms}) == len({entry.meaning for entry in terms}) == len(terms)
    for entry in terms:
        assert any("\u4e00" <= letter <= "\u9fff" for letter in entry.meaning) == (spoken == "zh_CN")


def test_a_chinese_word_of_the_glossary_has_its_english_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Papers, options and scripts have the English one: who looks up "study" finds what it is called here."""
    answered(["--lang", "zh_CN", "glossary", "study"])
    assert "研究（study）：" in capsys.readouterr().out
    answered(["--lang", "zh_CN", "glossary", "batch size", "--json"])
    terms = [entry["term"] for entry in json.loads(capsys.readouterr().out)]
    assert "batch size" in terms
    assert "临界 batch size（critical batch size）" in terms


@pytest.mark.parametrize("spoken", language.LANGUAGES)
def test_the_steps_explain_what_the_guide_says_of_them(spoken: str) -> None:
    """A newcomer who held them against the guide missed its reasons: the paper to start from, the role of the settings
    of an optimizer, the critical batch size, the price of getting to more devices."""
    language.set_language(spoken)
    told = {
        "G1": ("paper comes close", "复现它的结果"),
        "G2": ("nuisance", "nuisance"),
        "G4": ("divided by the time per step", "除以每步时间"),
        "G7": ("critical batch size", "临界 batch size"),
        "G8": ("new hardware", "前期成本"),
        "G13": ("later has its price", "以后再改要付出代价"),
        "G17": ("unguided", "没有人的指导"),
        "P11": ("outside the best", "即使最好的试验没有过拟合"),
    }
    for row, words in told.items():
        assert words[spoken == "zh_CN"] in advice.advice(row).paragraph, row


def test_without_a_step_the_command_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    answered(["explain"])
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines()[2:]] == list(STEPS)


def test_the_command_says_as_much_as_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    answered(["explain", "optimizer", "--depth", "line"])
    line = capsys.readouterr().out
    answered(["explain", "optimizer"])
    paragraph = capsys.readouterr().out
    answered(["explain", "optimizer", "--depth", "evidence"])
    evidence = capsys.readouterr().out
    assert len(line) < len(paragraph) < len(evidence)
    assert "arXiv:1910.05446" in evidence
    answered(["--lang", "zh_CN", "explain", "steps", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in rows] == ["G13", "P15"]
    assert "步" in rows[0]["paragraph"]


def test_a_row_that_a_question_names_is_explained_by_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    for row in advice.ids():
        answered(["explain", row, "--json"])
        assert [found["id"] for found in json.loads(capsys.readouterr().out)] == [row]
    answered(["explain", "G3"])
    assert "(G3)" in capsys.readouterr().out.splitlines()[0]
    with pytest.raises(SystemExit) as ended:
        main(["explain", "G99"])
    assert ended.value.code == 2
    assert "'G3'" in capsys.readouterr().err


def test_a_row_without_a_third_depth_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Not the paragraph once more, as if that were all of it; a row with evidence says its own."""
    answered(["explain", "P24", "--depth", "evidence"])
    assert "No evidence beyond the paragraph" in capsys.readouterr().out
    answered(["explain", "P24"])
    assert "No evidence" not in capsys.readouterr().out
    answered(["explain", "G3", "--depth", "evidence"])
    assert "No evidence" not in capsys.readouterr().out


def test_the_glossary_is_searched(capsys: pytest.CaptureFixture[str]) -> None:
    answered(["glossary", "nuisance"])
    assert "nuisance hyperparameter: One that must be tuned" in capsys.readouterr().out
    answered(["glossary", "ghost batch norm"])
    assert "ghost batch norm: Batch norm that takes its statistics from parts" in capsys.readouterr().out
    answered(["glossary", "no such word"])
    assert "nothing with 'no such word'" in capsys.readouterr().out
    answered(["glossary", "--json"])
    assert {"id", "term", "meaning"} == set(json.loads(capsys.readouterr().out)[0])


async def test_a_question_explains_itself_deeper_and_deeper(tmp_path: Path) -> None:
    """At 80x24: the paragraph first, then the evidence, then the lines alone; and G opens the glossary."""
    with set_up(tmp_path / "p", "steps") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            app.push_screen(Explain(flow.ROWS["steps"]))
            await wait_for_text(pilot, "(G13)")
            assert "Evidence:" not in shown(app)
            await pilot.press("space")
            await wait_for_text(pilot, "Evidence:")
            await pilot.press("space")
            await wait_for_text(pilot, "(P15)")
            assert "Evidence:" not in shown(app)
            await pilot.press("G")
            await wait_for_text(pilot, "architecture  The kind of network")
            await pilot.press(*"ghost of")
            await wait_for_text(pilot, "Nothing here is called that.")
            await pilot.press("escape", *"quasi", "enter")
            await wait_for_text(pilot, "quasi-random search  Points that fill")
