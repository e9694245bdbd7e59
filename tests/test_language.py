"""The two languages: which one is chosen, what a message says in each, and how it is stored."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presets import advice, language
from presets.language import Message, say, told
from tests import translate
from training.config import ConfigError, parse
from training.sentence import brief, said_by
from tui import click_texts
from tui.main import run
from tui.session import Session
from tui.terminal import width

SETTING = "number of optimizer steps"
IN_CHINESE = "训练步数（优化器更新次数）"
EXPLANATIONS = [Path(advice.__file__).parent / f"{name}.toml" for name in ("advice", "evidence", "glossary")]


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    language.set_language("en")
    yield
    language.set_language("en")


@pytest.mark.parametrize(
    ("option", "configured", "environment", "expected"),
    [
        ("zh_CN", "en", {"LANG": "en_US.UTF-8"}, "zh_CN"),
        ("en", "zh_CN", {"LANG": "zh_CN.UTF-8"}, "en"),
        (None, "zh-cn", {"LANG": "en_US.UTF-8"}, "zh_CN"),
        (None, None, {"LC_ALL": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, "zh_CN"),
        (None, None, {"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        (None, None, {"LC_ALL": "", "LC_MESSAGES": "zh_TW", "LANG": "de_DE"}, "zh_CN"),
        (None, "", {"LANG": "de_DE.UTF-8"}, "en"),
        (None, None, {}, "en"),
    ],
)
def test_option_comes_before_configuration_before_locale(
    option: str | None, configured: str | None, environment: dict[str, str], expected: str
) -> None:
    assert language.choose(option, configured, environment) == expected


def test_a_language_there_is_none_of_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'fr'.*en, zh_CN"):
        language.choose("fr", None, {})


def test_texts_follow_the_language_that_is_set() -> None:
    assert language._(SETTING) == SETTING
    language.set_language("zh_CN")
    assert language.current_language() == "zh_CN"
    assert language._(SETTING) == IN_CHINESE
    assert language._("no such text") == "no such text"
    assert language._("") == ""


def test_a_stored_message_reads_in_the_language_of_its_reader() -> None:
    stored = say("{what}: {rate:.3g}", what=say(SETTING), rate=0.012345).json()
    language.set_language("zh_CN")
    assert Message.from_json(stored).text() == f"{IN_CHINESE}: 0.0123"


@given(st.text())
def test_a_value_is_never_taken_for_a_template(value: str) -> None:
    assert say("class {name}", name=value).text() == f"class {value}"


VALUES: Any = st.recursive(
    st.text() | st.integers() | st.floats() | st.booleans(),
    lambda inner: st.lists(inner).map(tuple) | inner.map(lambda value: say("{x}", x=value)),
)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,3}", fullmatch=True), VALUES))
def test_what_is_stored_is_standard_json_and_comes_back_equal(values: dict[str, Any]) -> None:
    message = Message("nothing to fill", values)
    text = message.json()
    json.loads(text, parse_constant=pytest.fail)
    assert repr(Message.from_json(text)) == repr(message)


def test_numpy_numbers_and_paths_become_plain_values() -> None:
    message = say("{n:d} {x:.1f} {p}", n=np.int64(3), x=np.float32(0.5), p=Path("data/[red]"))
    assert message.text() == "3 0.5 data/[red]"
    assert Message.from_json(message.json()) == message


def test_a_sequence_is_joined_as_the_language_does() -> None:
    message = say("{classes}", classes=["a", "b"])
    assert message.text() == "a, b"
    language.set_language("zh_CN")
    assert message.text() == "a、b"


def test_a_message_without_all_its_values_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="rate"):
        say("{rate:.3g}")
    with pytest.raises(ValueError, match="plain name"):
        say("{rate.__class__}", rate=1)
    with pytest.raises(TypeError, match="NoneType"):
        say("{rate}", rate=None)  # pyright: ignore[reportArgumentType]  the wrong type is the point


@pytest.mark.parametrize("text", ["[]", "3", '{"id": "x"}', '{"float": "nan"}', "{"])
def test_what_is_no_stored_message_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Not a stored message|Expecting"):
        Message.from_json(text)


def test_an_error_with_a_template_is_told_in_the_language_and_any_other_as_it_is() -> None:
    class Told(Exception):
        message = SETTING
        values: ClassVar[dict[str, str]] = {}

    language.set_language("zh_CN")
    assert language.error_text(Told()) == IN_CHINESE
    assert language.error_text(ValueError("as it is {x}")) == "as it is {x}"
    assert language.error_text(KeyboardInterrupt()) == "KeyboardInterrupt"


SAID = {"id": "{path}: cannot be read: {reason}.", "values": {"path": "train.csv", "reason": "{x}"}}


def test_what_a_process_says_reads_in_the_language_of_its_reader() -> None:
    language.set_language("zh_CN")
    assert told("train.csv: cannot be read: {x}.", SAID).text() == "train.csv：无法读取：{x}。"


def test_the_mistakes_of_a_configuration_read_in_the_language_of_the_reader_and_come_back_from_a_result() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("[training]\nsteps = 0\nstepz = 1\n", "c.toml")
    result = json.loads(json.dumps(said_by(caught.value)))
    assert result["message"] == str(caught.value)
    assert "c.toml: line 2: training.steps: 0; allowed: at least 1\n" in result["message"]
    language.set_language("zh_CN")
    text = told(result["message"], result["said"]).text()
    assert text == language.error_text(caught.value)
    assert "c.toml：第 2 行：training.steps：0；允许：不小于 1\n" in text
    assert "training.stepz：未知的键；允许：下列之一：steps, " in text
    assert "model.library：缺失" in text


@pytest.mark.parametrize(
    "said",
    [
        None,
        "text",
        [SAID],
        {"id": "{path}"},
        {"id": "{path}", "values": {}},
        {"id": "{path}", "values": 1},
        {"id": 1, "values": {}},
        {"id": "{n:.3g}", "values": {"n": "many"}},
        {"id": "{0}", "values": {}},
        {"id": "{", "values": {}},
        {"id": "{n[0]}", "values": {"n": 1}},
    ],
)
def test_what_a_process_says_stands_as_it_is_where_it_left_no_usable_template(said: Any) -> None:
    language.set_language("zh_CN")
    assert told("It {broke}.", said).text() == "It {broke}."


def test_every_message_of_the_code_is_found_also_in_an_f_string_and_behind_a_class_of_its_own() -> None:
    found = {text for _file, text in translate.in_code()}
    assert "last step" in found  # in an f-string
    assert "The list of choices is empty." in found  # of a class derived from Refusal
    assert SETTING in found  # beside a default
    assert "" not in found


@pytest.mark.parametrize(
    ("translation", "problem"),
    [
        ("", "no translation"),
        ("{name}：{rate:.3g}", ""),
        ("{rate:.3g}（{name}）", ""),
        ("{name}：{rate}", "other placeholders"),
        ("{name}", "other placeholders"),
        ("{name!r}：{rate:.3g}", "other placeholders"),
        ("{name}的值：{rate:.3g}（.toml、:log、f()、键=值, 键=值）", ""),
        ("{name} 的值:{rate:.3g}", "half-width sign"),
        ("{name}的值：{rate:.3g} (最佳)", "half-width sign"),
        ("{name}的值：{rate:.3g} (arXiv)", "half-width sign"),
        ("{name}的值,即 {rate:.3g}", "half-width sign"),
        ("{name}的值：{rate:.3g}, 最佳", "half-width sign"),
        ("{name}的值是 {rate:.3g}，好.", "half-width sign"),
    ],
)
def test_a_translation_has_the_placeholders_of_its_message_in_any_order_and_signs_of_full_width(
    translation: str, problem: str
) -> None:
    assert translate.wrong("{name}: {rate:.3g}", translation) == problem


def test_every_message_has_a_translation_with_its_placeholders_and_the_compiled_catalogue_is_current() -> None:
    assert list(translate.problems()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["foo"], "没有 'foo' 这个命令。"),
        (["status", "--foo"], "没有 '--foo' 这个选项。"),
        (["round", "extend", "--trials", "many"], "'--trials' 的值无效：'many' 不是有效的值（integer range）。"),
        (["round", "extend", "--trials", "0"], "'--trials' 的值无效：0 不在范围 x>=1 内。"),
        (["round", "extend"], "缺少选项 '--trials'."),
        (["round", "drop"], "缺少参数 'NAME'."),
        (["round", "stop", "a", "b"], "多余的参数：b"),
        (["round", "stop", "a", "b", "c"], "多余的参数：b c"),
        (["round", "extend", "--trials"], "选项 '--trials' 需要一个值。"),
        (["round", "run", "--wait=3"], "选项 '--wait' 不接受值。"),
    ],
)
def test_what_click_says_of_wrong_words_is_chinese_too(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    language.set_language("zh_CN")
    try:
        assert run(words, Session()) == 2
    finally:
        language.set_language("en")
    assert said in capsys.readouterr().err


def test_the_help_is_chinese_to_its_headings() -> None:
    """In a process of its own: click makes the text of --help once for each command, in the language of then."""
    command = [sys.executable, "-m", "tui.main", "--lang", "zh_CN", "round", "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert all(words in ran.stdout for words in ("用法：", "选项：", "显示本说明并退出。"))
    assert not any(words in ran.stdout for words in ("Usage", "Options", "Commands:", "Show this"))


def test_the_texts_of_click_are_those_that_it_has() -> None:
    sources = "".join(map(inspect.getsource, click_texts.MODULES))
    for text in click_texts.TEXTS:
        assert json.dumps(text) in sources


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "ValueError"),
        ("  no room \nwhatever", "no room"),
        ("x" * 300, "x" * 300),
        ("x" * 298 + " yz", "x" * 298 + "…"),
    ],
)
def test_what_a_library_says_is_one_line_that_shows_where_it_was_cut(text: str, expected: str) -> None:
    assert brief(ValueError(text)) == expected


def test_one_thing_has_one_word_in_chinese() -> None:
    """Those of which two had been in use, on a page and in what explains it; an epoch is no round."""
    other = (
        "准随机",
        "刻度",
        "训练流程",
        "自己的流程",
        "采纳",
        "样例",
        "您",
        "从零训练",
        "nuisance 参数",
        "完美扩展",
        "固定学习率",
        "首个配置",
        "轮次",
        "批次",
    )
    texts = {message.id: str(message.string) for message in translate.translated() if message.id}
    explained = [part for text in EXPLANATIONS for part in re.findall(r'"(.*)"', text.read_text(encoding="utf-8"))]
    assert [text for text in (*texts.values(), *explained) if any(word in text for word in other)] == []
    assert [text for text in (*texts.values(), *explained) if re.search("调优(?!化)", text)] == []
    assert [text for id, text in texts.items() if "epoch" in str(id) and re.search("轮数|每轮", text)] == []


def test_a_time_in_a_chinese_sentence_has_no_blank_behind_it() -> None:
    """It ends in Chinese itself: "9.7 秒 内" had one as if it ended in a figure."""
    texts = [str(message.string) for message in translate.translated() if message.id]
    assert [text for text in texts if re.search(r"\{(time|allowed|took)\} [\u4e00-\u9fff]", text)] == []


def test_sentences_follow_one_another_without_a_blank_in_chinese() -> None:
    assert language.sentences("One.", "Two.") == "One. Two."
    assert language.sentences() == ""
    language.set_language("zh_CN")
    assert language.sentences("一。", "二。") == "一。二。"


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_the_list_of_commands_says_what_each_does_in_chinese_too(columns: str) -> None:
    """It was cut at spaces, down to nothing, or within what is to be typed. (Asked in a process of its own: a command
    keeps the language that it was loaded in.)"""
    asked = [sys.executable, "-m", "tui.main", "--lang", "zh_CN", "round", "--help"]
    environment = {**os.environ, "COLUMNS": columns, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(asked, capture_output=True, text=True, encoding="utf-8", env=environment, check=True)
    listed = done.stdout.partition("命令")[2].splitlines()[1:]
    assert [line.split()[0] for line in listed].count("final") == 1
    assert all(len(line.split()[1].rstrip(".⋯…")) > 5 for line in listed)
    assert all(line.count("`") % 2 == 0 and width(line) < int(columns) for line in listed)


@pytest.mark.parametrize("columns", ["60", "80"])
def test_the_help_of_a_command_fits_the_terminal_in_chinese_too(columns: str) -> None:
    """Click counted characters, of which Chinese ones take two cells: what went past the edge went on at the margin."""
    asked = [sys.executable, "-m", "tui.main", "--lang", "zh_CN", "launch", "--help"]
    environment = {**os.environ, "COLUMNS": columns, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(asked, capture_output=True, text=True, encoding="utf-8", env=environment, check=True)
    listed = done.stdout.splitlines()
    assert "选项：" in listed
    assert [line for line in listed if width(line) >= int(columns)] == []
    below = listed[listed.index("选项：") + 1 :]
    assert all(line.startswith("  -") or line.startswith(" " * 30) for line in below)
