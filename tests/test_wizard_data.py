"""What the set-up says about data: which cannot be used, what is worth knowing of those that can."""

from __future__ import annotations

import copy
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from presets import language
from state import decisions, measurements, project
from state.errors import Refusal
from state.store import open_store
from tests.set_up import DIGITS, SPAM, advance, changed, inspected, make, set_up
from tests.small_project import wait_for
from tui import setup
from tui.session import Session
from wizard import configuration, flow, inspection
from wizard.question import Question


def ask(tmp_path: Path, found: dict[str, Any], step: str = "data") -> Question:
    with set_up(tmp_path / "p", step, found) as store:
        return flow.ask(store, step)


EMPTY = {"path": "3/a.png", "reason": "empty file", "said": {"id": "empty file", "values": {}}}


def in_chinese(question: Question) -> str:
    language.set_language("zh_CN")
    try:
        return said(question)
    finally:
        language.set_language("en")


def said(question: Question) -> str:
    return "\n".join(message.text() for message in question.evidence)


def ready_made(found: dict[str, Any], **splits: Any) -> dict[str, Any]:
    found = changed(found, **splits)
    found["splits"]["validation"]["held_out"] = False
    return found


SMALL = changed(
    DIGITS,
    train={"examples": 90, "per_class": [9] * 10},
    validation={"examples": 10, "per_class": [1] * 10},
)


def test_a_small_validation_split_is_not_accepted_but_a_larger_share_that_is_named(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "data", SMALL) as store:
        question = flow.ask(store, "data")
        assert "Only 10 validation examples" in said(question)
        assert question.options == ()
        assert question.recommended == 0.25
        with pytest.raises(Refusal, match="no answer"):
            flow.answer(store, "data", "use")
        flow.answer(store, "data", 0.25)
        assert flow.standing(store) == flow.Standing("data", "inspection")
        inspected(
            store,
            changed(
                DIGITS,
                train={"examples": 75, "per_class": [7] * 5 + [8] * 5},
                validation={"examples": 25, "per_class": [3] * 5 + [2] * 5},
            ),
        )
        flow.answer(store, "data", "use")
        made = decisions.decision(store, "data")
    assert made is not None
    assert made.settings == {"data.validation_fraction": 0.25}


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            changed(DIGITS, train={"per_class": [0, *[150] * 9]}),
            "No training example of: 0",
        ),
        (
            changed(DIGITS, validation={"per_class": [0, *[40] * 9]}, train={"per_class": [1, *[150] * 9]}),
            "No validation example of: 0. Add examples, or remove the class: no share",
        ),
        (
            ready_made(DIGITS, validation={"per_class": [40] * 9 + [0]}),
            "Move some there from the training split",
        ),
        (ready_made(SMALL), "Only 10 validation examples"),
        (
            changed(
                DIGITS,
                train={"examples": 20, "per_class": [2] * 10},
                validation={"examples": 10, "per_class": [1] * 10},
            ),
            "Only 10 validation examples",
        ),
    ],
    ids=["class without training", "class of one example", "ready-made without a class", "ready-made small", "too few"],
)
def test_data_that_no_split_can_make_usable_are_refused_with_what_to_do(
    tmp_path: Path, found: dict[str, Any], sentence: str
) -> None:
    with set_up(tmp_path / "p", "data", found) as store, pytest.raises(Refusal, match=sentence):
        flow.ask(store, "data")


@pytest.mark.parametrize(("classes", "numbers"), [(600, True), (300, False)])
def test_a_column_of_numbers_is_said_to_be_no_classes(tmp_path: Path, classes: int, numbers: bool) -> None:
    """Of which most come once; numbers that come twice may be classes."""
    found = changed(
        SPAM,
        train={"examples": 600, "per_class": [0] + [600 // classes] * (classes - 1)},
        validation={"examples": 0, "per_class": [0] * classes},
    )
    found["classes"] = [str(number / 8) for number in range(classes)]
    words = "600 different numbers, such as 0.0, 0.125, 0.25: that looks like a quantity" if numbers else "No training"
    with set_up(tmp_path / "my p", "data", found) as store, pytest.raises(Refusal, match=words) as refused:
        flow.ask(store, "data")
    assert ("my p' --label-column NAME`" in str(refused.value)) == numbers


@pytest.mark.parametrize("fraction", [0, 1, 0.51, -0.2, 2])
def test_an_impossible_share_for_validation_is_refused(tmp_path: Path, fraction: float) -> None:
    with set_up(tmp_path / "p", "data") as store, pytest.raises(Refusal, match="more than 0 and at most"):
        flow.answer(store, "data", fraction)


def test_imbalance_is_told_with_the_error_rate_that_means_nothing(tmp_path: Path) -> None:
    question = ask(tmp_path, SPAM)
    assert "from 598 examples (spam) to 3859" in said(question)
    assert "Always naming ham is right for 86.6%" in said(question)
    metric = ask(tmp_path / "2", SPAM, "metric")
    assert "Always naming ham has an error rate of 13.4%" in said(metric)
    assert metric.recommended == "error_rate"


def test_where_one_class_is_nearly_everything_the_loss_is_recommended(tmp_path: Path) -> None:
    found = changed(SPAM, validation={"examples": 1000, "per_class": [960, 40]})
    assert ask(tmp_path, found, "metric").recommended == "loss"


def test_metrics_that_weigh_rare_classes_are_offered_and_macro_f1_is_made_large(tmp_path: Path) -> None:
    """The direction goes with the metric into tunebook.toml; one that is changed there is asked about again."""
    with set_up(tmp_path / "p", "metric", SPAM) as store:
        question = flow.ask(store, "metric")
        assert [option.value for option in question.options][:4] == ["error_rate", "balanced_error", "macro_f1", "loss"]
        assert "6.5 times the examples" in said(question)
        flow.answer(store, "metric", "macro_f1")
        assert (store.project.settings.metric, store.project.settings.direction) == ("macro_f1", "max")
        assert configuration.current(store)["training.metric"] == "macro_f1"
        store.project = project.change(store.project, direction="min")
        assert flow.standing(store).step == "metric"


def test_a_class_of_few_examples_is_named_with_what_to_do(tmp_path: Path) -> None:
    found = changed(DIGITS, train={"per_class": [142, 146, 142, 146, 145, 145, 145, 143, 139, 4]})
    assert "Few training examples of 1 class (9 4)" in said(ask(tmp_path, found))


def test_a_class_of_two_validation_examples_is_named_with_what_one_answer_is_worth(tmp_path: Path) -> None:
    counts = [2, 36, 36, 36, 36, 36, 35, 35, 35, 35]
    found = changed(DIGITS, validation={"examples": 322, "per_class": counts})
    told = said(ask(tmp_path, found))
    assert "Few validation examples of a class (0 2): a single answer is worth 5.0% of balanced_error; 3." in told
    assert "hold out a larger share" in told
    assert "put more of them into the validation split" in said(
        ask(tmp_path / "2", ready_made(found, validation={"examples": 322, "per_class": counts}))
    )
    assert "Few validation examples" not in said(ask(tmp_path / "3", DIGITS))
    # Of classes that are all alike the share of one example has been told already.
    alike = changed(DIGITS, validation={"examples": 40, "per_class": [4] * 10})
    assert "Few validation examples" not in said(ask(tmp_path / "4", alike))


@pytest.mark.parametrize("per_class", [[10, 10] + [50] * 8, [20, 20, 100, 100, 100], [25, 25, 100, 100]])
def test_where_an_answer_is_worth_hardly_more_than_is_visible_the_smallest_classes_are_named(
    tmp_path: Path, per_class: list[int]
) -> None:
    """There was none to name, which ended the question with a traceback."""
    classes = [str(number) for number in range(len(per_class))]
    splits = {"examples": sum(per_class), "per_class": per_class}
    found = {**changed(DIGITS, train=splits, validation=splits), "classes": classes}
    warned = " ".join(message.text() for message in ask(tmp_path, found).warnings)
    worth = "a single answer is worth 1.0% of macro_f1"
    assert f"Few validation examples of a class (0 {per_class[0]}; 1 {per_class[0]}): {worth}" in warned


def test_that_no_baseline_could_be_told_from_chance_is_said_before_any_is_trained(tmp_path: Path) -> None:
    """It was found out after probe and baseline, when there was no more to do than to override, or to begin again with
    another split: always naming the class of 100 of 102 is right so often that 102 of 102 may be luck."""
    found = changed(
        SPAM,
        train={"examples": 408, "per_class": [400, 8]},
        validation={"examples": 102, "per_class": [100, 2]},
    )
    in_vain = "98.0% of the 102 validation examples: even a perfect result could be luck"
    question = ask(tmp_path, found)
    assert in_vain in "".join(message.text() for message in question.warnings)
    assert "no baseline will be called better than chance. Hold out 40% of the examples." in said(question)
    enough = changed(found, train={"examples": 306}, validation={"examples": 204, "per_class": [200, 4]})
    assert "could be luck" not in said(ask(tmp_path / "2", enough))

    assert "into the validation split: it takes some 187." in said(ask(tmp_path / "4", ready_made(found)))
    few = changed(
        found, train={"examples": 80, "per_class": [78, 2]}, validation={"examples": 20, "per_class": [19, 1]}
    )
    assert "It takes some 72 to measure with: collect more" in said(ask(tmp_path / "5", few))
    # Twenty per cent of copies: so many more.
    copied = changed(found, validation={"independent": 85})
    assert "Hold out 45% of the examples." in said(ask(tmp_path / "6", copied))


def test_balanced_data_are_not_called_imbalanced(tmp_path: Path) -> None:
    assert "imbalanced" not in said(ask(tmp_path, DIGITS))
    assert "about equally frequent (139 to 146" in said(ask(tmp_path / "2", DIGITS))


def test_skipped_files_duplicates_and_a_test_split_are_told_with_what_they_mean(tmp_path: Path) -> None:
    found = ready_made(DIGITS)
    found["skipped"] = [{"path": "3/[/red]坏.png", "reason": "truncated"}]
    found["skipped_total"] = 7
    found["duplicates"] = {"within_train": 2, "across_splits": 5}
    found["copies"] = {
        "across": [["train/0/a.png", f"val/0/{name}.png"] for name in "bcdef"],
        "conflicting": 1,
        "conflicts": [["train/0/a.png", "0", "train/1/a.png", "1"]],
    }
    found["splits"]["test"] = {"examples": 100, "per_class": [10] * 10}
    text = said(ask(tmp_path, found))
    assert "3/a.png（空文件）" in in_chinese(ask(tmp_path / "2", found | {"skipped": [EMPTY]}))
    for part in (
        "Files or rows that cannot be read, and are left out: 7 (",
        "3/[/red]坏.png (truncated); .. +6",
        "train/0/a.png = val/0/b.png; train/0/a.png = val/0/c.png; train/0/a.png = val/0/d.png; .. +2",
        "1 content is under more than one class",
        "train/0/a.png (0) = train/1/a.png (1)",
        "5 examples are in the training split and in another",
        "Copies of other examples: 2.",
        "test split of 100 examples is left alone",
        "ready-made validation split is used",
    ):
        assert part in text


def test_copies_within_what_is_measured_with_are_a_warning_and_widen_what_is_said_of_differences(
    tmp_path: Path,
) -> None:
    split = {"examples": 200, "per_class": [20] * 10, "copies": 180, "independent": 20}
    found = ready_made(DIGITS, validation=split)
    found["splits"]["test"] = split
    question = ask(tmp_path, found)
    warned = " ".join(message.text() for message in question.warnings)
    assert "Copies within the validation split: 180 of 200 examples have the content of another one" in warned
    assert "as much as 20 different examples" in warned
    assert "Copies within the test split: 180 of 200" in warned
    assert "One validation example is 0.50% of the error rate" in said(question)
    assert "95% interval is about 13.1% wide" in said(question)
    with pytest.raises(Refusal, match=r"200 validation examples are copies of each other .* as 19 that differ"):
        ask(tmp_path / "2", ready_made(DIGITS, validation={**split, "independent": 19}))


@pytest.mark.parametrize(("content", "told"), [("images", "look nearly like one"), ("texts", "differ from one of the")])
def test_what_is_nearly_in_the_training_split_is_a_warning(tmp_path: Path, content: str, told: str) -> None:
    """It was known to nobody, and what was measured on it looked better than it was."""
    found = DIGITS if content == "images" else SPAM
    near = {"compared": 360, "examples": 12, "named": [["train/a.png", "val/b.png"]]}
    for known in ({}, {"near": None}, {"near": near | {"examples": 0, "named": []}}):
        assert not ask(tmp_path / f"p{len(str(known))}", found | known).warnings
    (warning,) = (message.text() for message in ask(tmp_path / "p", found | {"near": near}).warnings)
    assert warning.startswith("12 of 360 examples of the other splits " + told)
    assert warning.endswith("split: train/a.png ~ val/b.png; .. +11.")


def test_contents_of_several_classes_keep_the_error_from_zero_only_in_the_validation_split(tmp_path: Path) -> None:
    found = ready_made(DIGITS)
    copies = {"across": [], "conflicting": 4, "conflicts": []}
    told = {}
    for place, within in enumerate((None, 0, 2)):
        found["copies"] = {**copies, **({} if within is None else {"conflicting_validation": within})}
        told[within] = said(ask(tmp_path / str(place), found))
    assert "4 contents are under more than one class. Decide which class is right" in told[None]
    assert "class, none of them within the validation split: the error can reach 0 all the same" in told[0]
    assert "class, of which within the validation split: 2. No model can be right about all of these" in told[2]


def test_findings_that_spoil_results_come_first_and_are_warnings(tmp_path: Path) -> None:
    """At 80 by 24 the rest is below the edge, and with --yes only the warnings are printed."""
    found = copy.deepcopy(DIGITS)
    assert ask(tmp_path / "1", found).warnings == ()
    found |= {"skipped": [EMPTY] * 10, "skipped_total": 10}
    found["duplicates"] = {"within_train": 0, "across_splits": 30}
    found["copies"] = {
        "across": [["train/0/a.png", "val/0/a.png"]] * 30,
        "conflicting": 13,
        "conflicts": [["0/a.png", "0", "1/a.png", "1"]] * 13,
    }
    question = ask(tmp_path / "2", found)
    assert question.evidence[: len(question.warnings)] == question.warnings
    for message, part in zip(
        question.warnings,
        (
            "30 examples are in the training split",
            "13 contents are under more",
            "cannot be read, and are left out: 10",
            "inspection.json",
        ),
        strict=True,
    ):
        assert part in message.text()


def test_with_yes_the_warnings_about_the_data_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = DIGITS | {"skipped": [EMPTY], "skipped_total": 1}
    with set_up(tmp_path / "p", "data", found) as store:
        setup._decide(Session(), store, "data", None, recommended=True)
    assert "Files or rows that cannot be read, and are left out: 1 (3/a.png" in capsys.readouterr().out


def test_of_an_inspection_that_was_killed_the_log_is_kept_with_the_project(tmp_path: Path, digits: Path) -> None:
    """ "Look into log.txt", said the refusal, and "Nothing of the new project was kept": nor was the log."""

    def begin(root: Path) -> None:
        with setup.unless_unreadable(root, lambda _refused: ("tunebook new", False)):
            made = project.create(root, project.Settings(name="p", task="image-classification", data=str(digits)))
            with open_store(made) as store:
                id = inspection.start(store)
                folder = made.measurement_folder(id)
                result = folder / "inspection.json"
                wait_for(lambda: result.exists() and not inspection.progress(made, id).running, "never looked through")
                # As a process leaves it that the system has killed.
                result.unlink()
                inspection.finish(store, id)

    with pytest.raises(Refusal, match=r"ended before it was done .*, then start it again\.$") as refused:
        begin(tmp_path / "p")
    log = Path(str(refused.value).partition("Look into ")[2].partition(", then")[0])
    assert log.exists()
    assert (tmp_path / "p" / project.FILE).exists()


def test_a_class_folder_with_nothing_in_it_is_a_warning(tmp_path: Path) -> None:
    found = DIGITS | {"empty": ["train/owl"]}
    told = [message.text() for message in ask(tmp_path / "p", found).warnings]
    assert told[0].startswith("Class folders with nothing in them, left out: train/owl. No trial")


def test_without_a_test_split_it_says_what_that_costs(tmp_path: Path) -> None:
    assert "There is no test split" in said(ask(tmp_path, DIGITS))


def test_ready_made_splits_cannot_be_given_another_share(tmp_path: Path) -> None:
    question = ask(tmp_path, ready_made(DIGITS))
    assert question.free == ""


def test_images_of_many_sizes_and_texts_are_described(tmp_path: Path) -> None:
    found = copy.deepcopy(DIGITS)
    found["images"] = {"widths": [20, 300.5, 4000], "heights": [30, 200, 3000], "modes": {"RGB": 1700, "P": 97}}
    text = said(ask(tmp_path, found))
    assert "300.5 by 200 pixels in the middle" in text
    assert "RGB 1700, P 97. All are brought to three" in text
    assert "95% have at most 30" in said(ask(tmp_path / "2", SPAM))


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (["SPAM", "Spam", "ham", "spam"], "(SPAM = Spam = spam)"),
        (["01", "1", "1.0", "2"], "(01 = 1 = 1.0)"),
        (["a", "b", "\u200ba", "c  d", "c d"], r"(a = '\u200ba'; c  d = c d)"),
        (["caf\u00e9", "cafe\u0301"], "(caf\u00e9 = cafe\u0301)"),
        (["a", "nan", "N/A"], "A class is called 'nan'; 'N/A', as a missing label is"),
        (["1", "10", "100", "1a", "II", "ii-", "none"], ""),
    ],
)
def test_classes_that_are_hardly_meant_are_named(tmp_path: Path, classes: list[str], told: str) -> None:
    each = {"examples": 100 * len(classes), "per_class": [100] * len(classes)}
    found = {**changed(DIGITS, train=each, validation=each), "classes": classes}
    warned = " ".join(message.text() for message in ask(tmp_path, found).warnings)
    assert told in warned
    assert bool(warned) == bool(told)


def test_what_no_network_gets_to_see_of_images_is_a_warning(tmp_path: Path) -> None:
    found = copy.deepcopy(DIGITS)
    found["images"] |= {"several": 3, "brightest": 15}
    with set_up(tmp_path / "p", "data", found) as store:
        warned = " ".join(message.text() for message in flow.ask(store, "data").warnings)
    assert "Files with several images (animations, pages or stacks): 3." in warned
    assert "No pixel is brighter than 15 of 255, so that at most 16 levels" in warned
    found["images"] |= {"several": 0, "brightest": 64}
    with set_up(tmp_path / "q", "data", found) as store:
        assert flow.ask(store, "data").warnings == ()


def test_data_that_changed_on_disk_are_inspected_again(tmp_path: Path) -> None:
    for folder in ("0", "train/1"):
        (tmp_path / "p" / "data" / folder).mkdir(parents=True)
    labels = tmp_path / "p" / "data" / "texts.csv"
    labels.write_text("text,label\n")
    with set_up(tmp_path / "p", "metric") as store:
        for change in (
            lambda: (tmp_path / "p" / "data" / "0" / "new.png").touch(),
            lambda: (tmp_path / "p" / "data" / "0" / "new.png").write_bytes(b"painted over in place"),
            lambda: (tmp_path / "p" / "data" / "train" / "1" / "new.png").touch(),
            lambda: labels.write_text("text,label\nhello,ham\n"),
        ):
            assert flow.standing(store).step == "metric"
            change()
            assert flow.standing(store) == flow.Standing("data", "inspection")
            inspected(store, DIGITS)
            flow.answer(store, "data", "use")


def test_data_with_links_that_lead_nowhere_are_inspected_again_too_when_they_change(tmp_path: Path) -> None:
    classes = tmp_path / "p" / "data" / "0"
    classes.mkdir(parents=True)
    (classes / "broken.png").symlink_to("gone.png")
    (tmp_path / "p" / "data" / "loop").symlink_to("loop")
    with set_up(tmp_path / "p", "metric") as store:
        for change in (
            lambda: (classes / "new.png").touch(),
            lambda: (classes / "broken.png").rename(classes / "other.png"),
            lambda: (classes / "gone.png").write_bytes(b"there it is"),
            lambda: (tmp_path / "p" / "data" / "loop").unlink(),
        ):
            assert flow.standing(store).step == "metric"
            change()
            assert flow.standing(store) == flow.Standing("data", "inspection")
            inspected(store, DIGITS)
            flow.answer(store, "data", "use")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter everywhere")
def test_a_folder_that_cannot_be_entered_hides_no_change_of_others(tmp_path: Path) -> None:
    for name in ("0", "1"):
        (tmp_path / "p" / "data" / name).mkdir(parents=True)
    (tmp_path / "p" / "data" / "0").chmod(0)
    with set_up(tmp_path / "p", "metric") as store:
        assert flow.standing(store).step == "metric"
        (tmp_path / "p" / "data" / "1" / "new.png").touch()
        assert flow.standing(store) == flow.Standing("data", "inspection")


def test_data_that_cannot_be_looked_at_are_not_taken_for_what_was_inspected(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "metric") as store:
        shutil.rmtree(store.project.data)
        # As what could not be looked at either when it was inspected.
        measurements.record(store, "inspection-2", "inspection", inspection.subject(store), DIGITS)
        assert inspection.fresh(store) is None


def test_data_by_way_of_a_link_to_a_name_that_is_not_utf8_are_refused(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    odd.mkdir()
    with open_store(make(tmp_path / "p")) as store:
        store.project.data.symlink_to(odd)
        with pytest.raises(Refusal, match=r"/caf\?: this name is not UTF-8"):
            inspection.start(store)


def test_what_the_project_writes_does_not_count_as_changed_data(tmp_path: Path) -> None:
    with open_store(make(tmp_path, data=".")) as store:
        advance(store, "architecture")
        assert flow.standing(store).step == "architecture"


def test_a_text_that_was_taken_for_a_class_is_quoted_in_part(tmp_path: Path) -> None:
    found = {**DIGITS, "classes": [f"{number} a very long text " * 1000 for number in range(10)]}
    found = changed(found, train={"examples": 1009, "per_class": [1000, *[1] * 9]})
    assert len(said(ask(tmp_path, found))) < 5000
