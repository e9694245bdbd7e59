"""What `--set` makes of the hyperparameters of a command: values, lists, ranges and switches, and what it refuses."""

from __future__ import annotations

import json
import math
import shlex
import sys
from pathlib import Path

import pytest

from rounds import listed, planning
from rounds.space import Domain
from state import configurations, launches, pipeline, trials
from state.errors import Refusal
from state.pipeline import Pipeline
from state.project import FILE, Project, Settings, change, open_project
from state.store import open_store
from tests import small_project
from tests.test_own_project import tunebook
from tui import setup
from tui.session import Session
from wizard import flow, own
from wizard import pipeline as starting

SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--hidden", type=int, default=64)
parser.add_argument("--dropout", type=float, default=0.1)
parser.add_argument("--momentum", type=float, default=0.9)
parser.add_argument("--warmup-ratio", type=float, default=0.05)
parser.add_argument("--temperature", type=float)
parser.add_argument("--seed")
parser.add_argument("--amp", action="store_true", help="half precision")
parser.add_argument("--out")
"""
COMMAND = "python train.py --lr {lr} --batch-size {batch_size} --seed {seed} --out {folder}"


def made(folder: Path, *assignments: str, command: str = COMMAND, config: dict[str, object] | None = None) -> Project:
    (folder / "train.py").write_text(SCRIPT, encoding="utf-8")
    settings = Settings(command=command, directory=str(folder), metric="acc", direction="max")
    if config is not None:
        (folder / "c.json").write_text(json.dumps(config), encoding="utf-8")
        settings = Settings(command=command, directory=str(folder), config_file=str(folder / "c.json"), metric="acc")
    return starting.create(folder / "p", settings, assignments)


def filled(project: Project, folder: Path) -> list[str]:
    there = pipeline.own(project)
    return pipeline.fill(there, own.values(project), folder / "out", folder / "copies")[2:]


def entry(project: Project, name: str) -> own.OwnHyperparameter:
    return next(found for found in project.settings.hyperparameters if found.name == name)


@pytest.mark.parametrize(("value", "given"), [("true", ["--amp"]), ("false", [])])
def test_a_switch_of_the_script_is_there_or_left_out(tmp_path: Path, value: str, given: list[str]) -> None:
    project = made(tmp_path, f"amp={value}")
    assert project.settings.command == f"{COMMAND} {{--amp}}"
    assert entry(project, "amp").about == "half precision"
    words = ["--lr", "0.1", "--batch-size", "32", "--seed", "0", "--out", str(tmp_path / "out"), *given]
    assert filled(project, tmp_path) == words


def test_a_switch_can_be_searched_also_where_the_script_cannot_be_read(tmp_path: Path) -> None:
    command = "python -m elsewhere {--no-warm-up} --out {folder}"
    project = made(tmp_path, "no_warm_up=true,false", command=command)
    assert entry(project, "no_warm_up").choices == (True, False)
    assert own.values(project) == {"no_warm_up": False}
    assert "--no-warm-up" not in filled(project, tmp_path)


def test_a_program_that_is_named_by_its_path_is_not_told_twice(tmp_path: Path) -> None:
    """It was said that /venv/bin/python is /venv/bin/python."""
    for program, told in ((sys.executable, 0), (Path(sys.executable).name, 1)):
        folder = tmp_path / str(told)
        folder.mkdir()
        with open_store(made(folder, command=COMMAND.replace("python", shlex.quote(program), 1))) as store:
            flow.answer(store, "metric", "held-out")
            (runs,) = (m.text() for m in flow.ask(store, "initial").evidence if m.text().startswith("It runs in"))
        assert runs.count(" is ") == told


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("lr=0.1,abc", "'abc' does not fit; wanted: float"),
        ("lr=0.1,0.1", "0.1 is there twice"),
        ("lr=0.1,", r"a value is empty. A switch of your script is written \{--lr\}"),
        ("hidden=8,8.5", "'8.5' does not fit; wanted: int"),
        ("batch_size=0", "a whole number from 1 on"),
        ("batch_size=1.5", "a whole number from 1 on"),
        ("batch_size=32,64", "is decided, not searched"),
        ("lr=0.1..0.1", r"both ends are the same; a single value is written lr=0\.1\."),
        ("=3", r"'=3': write it as name=value"),
        ("warmup_ratio=0..0.3:log", r"must lie above 0; linear: warmup_ratio=0..0.3:linear"),
        ("amp=1", "'1' does not fit; wanted: False, True"),
        ("nothing=1", r"declares: .*amp.*as --lr \{lr\}, or \{--amp\} for a switch"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(tmp_path: Path, assignment: str, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        made(tmp_path, assignment)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("endless", [math.inf, -math.inf, math.nan])
def test_a_value_that_is_no_finite_number_stays_in_the_file_alone(
    tmp_path: Path, endless: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """No record keeps it, so that it never was what had been decided: with --yes the question came again for ever."""
    command = "python train.py --config {config} --out {folder}"
    project = made(tmp_path, command=command, config={"lr": 0.1, "clip": endless})
    assert own.values(project) == {"lr": 0.1}
    with open_store(project) as store:
        setup.walk(Session(), store, {}, recommended=True)
        assert flow.standing(store) == flow.Standing("baseline", "baseline")
    filled(project, tmp_path)
    kept = json.loads((tmp_path / "copies" / "c.json").read_text(encoding="utf-8"))["clip"]
    assert kept == endless or (math.isnan(endless) and math.isnan(kept))
    capsys.readouterr()


def test_the_same_answer_to_the_same_question_is_not_given_for_ever() -> None:
    once = {"step": "initial", "question": "Start with these values?", "chosen": "use"}
    other = {**once, "question": "Which value?"}
    setup._refuse_endless([once, once, other])
    with pytest.raises(Refusal, match=r"The answer use to the question .* was recorded 3 times"):
        setup._refuse_endless([once, other, once, once])


def test_a_switch_inside_a_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"--x=\{--amp\}: a switch in braces is an argument of its own"):
        made(tmp_path, command="python train.py --x={--amp} --out {folder}")
    there = Pipeline(("python", "{--amp}", "{folder}"), tmp_path, None, {})
    with pytest.raises(Refusal, match="a switch is true or false, not 'yes'"):
        pipeline.fill(there, {"amp": "yes"}, tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("assignment", "scale"),
    [
        ("warmup_ratio=0..0.3", "linear"),
        ("warmup_ratio=0.01..0.3", "log"),
        ("hidden=32..256", "log"),
        ("hidden=32..256:linear", "linear"),
        ("dropout=0.1..0.4", "linear"),
        ("momentum=0.8..0.99", "one-minus-log"),
        ("momentum=0.5..1", "linear"),
        ("temperature=0.1..10", "log"),
        ("temperature=-1..1", "linear"),
    ],
)
def test_a_range_without_its_scale_has_the_usual_one_where_that_is_possible(
    tmp_path: Path, assignment: str, scale: str
) -> None:
    assert entry(made(tmp_path, assignment), assignment.partition("=")[0]).scale == scale


@pytest.mark.parametrize(
    ("before", "after", "scale"),
    [
        # A slip that is mended leaves nothing behind.
        ("momentum=0.5..1.2", "momentum=0.5..0.99", "one-minus-log"),
        ("lr=-1..1", "lr=0.001..1", "log"),
        ("lr=0.001..1", "lr=0..1", "linear"),
        ("hidden=32..256:linear", "hidden=32..512", "linear"),
        ("momentum=0.5..0.9:linear", "momentum=0.5..0.99", "linear"),
        ("momentum=0.5..0.9:log", "momentum=0..0.99", "one-minus-log"),
    ],
)
def test_a_scale_holds_for_the_next_range_only_where_somebody_said_it(
    tmp_path: Path, before: str, after: str, scale: str
) -> None:
    project = made(tmp_path, before)
    project = change(project, **own.changed(project, [after]))
    assert entry(project, after.partition("=")[0]).scale == scale


def test_a_list_keeps_the_start_that_is_in_it_and_tells_where_it_is_not(tmp_path: Path) -> None:
    config = {"train": {"amp": False, "width": 1}, "out": "{folder}"}
    command = "python -m elsewhere {config}"
    project = made(tmp_path, "train.amp=true,false", command=command, config=config)
    assert own.values(project)["train.amp"] is False
    assert own.moved(project) == []
    # A whole number in a file does not say that there can be no other.
    project = change(project, **own.changed(project, ["train.width=0.5,2"]))
    assert own.values(project)["train.width"] == 0.5
    assert own.moved(project) == [("train.width", 0.5, 1)]
    with open_store(project) as store:
        flow.answer(store, "metric", "held-out")
        question = flow.ask(store, "initial")
        assert "train.width starts with 0.5: 1, which your script" in " ".join(m.text() for m in question.warnings)
        assert set(question.warnings) <= set(question.evidence)
        # Nothing is said about any of them, so there is no column for it.
        assert question.table is not None
        assert {len(question.table.columns), *map(len, question.table.rows)} == {4}


@pytest.mark.parametrize(
    ("assignments", "told"),
    [
        (["lr=-1"], "lr: -1. A learning rate lies above 0"),
        (["lr=-1..1"], "lr: -1. A learning rate lies above 0"),
        (["dropout=1.5"], "dropout: 1.5. By its name it is no less than 0 and less than 1"),
        (["momentum=0.5..1.2"], "momentum: 1.2. By its name"),
        (["momentum=0.9,1.5"], "momentum: 1.5. By its name"),
        (
            ["lr=0.00001"],
            "lr starts with 1e-05, where your script has 0.1: rounds search around the former.",
        ),
        ([f"hidden=1{'0' * 400}"], ""),
        (["lr=1e-5..1e5"], "lr: 1e-05 .. 100000 spans 10 powers of ten"),
        (["lr=0.001..1", "dropout=0.5", "momentum=0.5..0.99", "hidden=1..4096", "temperature=-1..1"], ""),
    ],
)
def test_what_can_hardly_be_meant_by_a_name_is_told_and_not_refused(
    tmp_path: Path, assignments: list[str], told: str
) -> None:
    with open_store(made(tmp_path, *assignments)) as store:
        if "temperature" in assignments[-1]:
            store.project = change(store.project, **own.changed(store.project, ["temperature=0.5"]))
        flow.answer(store, "metric", "held-out")
        warnings = flow.ask(store, "initial").warnings
        assert [message.text().startswith(told) for message in warnings] == ([True] if told else [])


@pytest.mark.parametrize("assignment", ["warmup-ratio=0.1", "warmup_ratio=0.1", "batch-size=64", "batch_size=64"])
def test_a_name_may_have_the_hyphens_of_its_flag(tmp_path: Path, assignment: str) -> None:
    words = filled(made(tmp_path, assignment), tmp_path)
    flag = "--" + assignment.partition("=")[0].replace("_", "-")
    assert words[words.index(flag) + 1] == assignment.partition("=")[2]


def test_an_option_is_known_by_each_of_its_flags(tmp_path: Path) -> None:
    """By the short one its default was asked for, and the long one was offered beside it."""
    (tmp_path / "train.py").write_text(
        SCRIPT.replace('"--batch-size",', '"--batch-size", "-b",').replace('"--momentum",', '"--momentum", "--mom",')
    )
    command = "python train.py --lr {lr} -b {batch_size} --mom {mom} --out {folder}"
    settings = Settings(command=command, directory=str(tmp_path), metric="acc", direction="max")
    project = starting.create(tmp_path / "p", settings)
    assert own.values(project) == {"lr": 0.1, pipeline.BATCH_SIZE: 32, "mom": 0.9}
    assert not {"batch_size", "momentum"} & {argument.name for argument in own.offered(pipeline.own(project))}


def test_a_value_that_nothing_says_is_an_answer_that_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program was told that it cannot be done."""
    project = made(tmp_path, command="python train.py --hidden {width} --temperature {temperature} --out {folder}")
    words = ("new", project.root, "--measured-on", "held-out", "--yes", "--json")
    assert tunebook(*words) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["code"] == "unanswered"
    assert "Which value should temperature have at the start?" in answer["error"]


def test_another_list_may_have_other_values(tmp_path: Path) -> None:
    project = made(tmp_path, "lr=0.1,0.2")
    assert own.values(project)["lr"] == 0.1
    project = change(project, **own.changed(project, ["lr=0.3,1"]))
    assert entry(project, "lr").choices == (0.3, 1.0)
    assert own.values(project)["lr"] == 0.3


def compared(project: Project) -> list[str]:
    """What a comparison of the project's optimizers warns of."""
    with open_store(project) as store:
        small_project.adopt(store, own.values(project))
        return [message.text() for message in planning.propose(store, "compare", scientific={"opt": None}).warnings]


def test_what_means_nothing_to_an_optimizer_is_warned_of_until_it_is_said(tmp_path: Path) -> None:
    """Half of the trials of a comparison varied a momentum that Adam does not have, and nothing was said of it."""
    command = COMMAND + " --opt {opt} --momentum {momentum} --beta2 {beta2}"
    project = made(tmp_path, "lr=0.0001..1", "opt=sgd,adam", "momentum=0.5..0.99", "beta2=0.9..0.999", command=command)
    told = compared(project)
    assert any(
        "momentum is searched with adam too" in words and 'only_with = "opt=sgd"' in words and "sgd too" not in words
        for words in told
    )
    assert any("beta2 is searched with sgd too" in words and 'only_with = "opt=adam"' in words for words in told)
    place = project.root / FILE
    written = place.read_text(encoding="utf-8")
    for name, optimizer in (("momentum", "sgd"), ("beta2", "adam")):
        head = f"[hyperparameters.{name}]\n"
        written = written.replace(head, f'{head}only_with = "opt={optimizer}"\n')
    place.write_text(written, encoding="utf-8")
    assert not any("too, to which" in words for words in compared(open_project(project.root)))


def test_a_round_takes_no_values_of_another_kind_and_compares_two_at_least(tmp_path: Path) -> None:
    with open_store(made(tmp_path, "lr=0.01..1")) as store:
        values = own.values(store.project)
        hash = configurations.save(store, values, {})
        batch = trials.add_batch(store, "baseline", goal="baseline", configuration=hash, plan={}, trials=[]).name
        launches.launch(store, batch=batch, candidate=hash, previous=None, decision="adopt", reason={}, evidence={})
        with pytest.raises(Refusal, match=r"lr: 'abc' does not fit; the best configuration has 0\.1"):
            listed.propose(store, [{"lr": "abc"}])
        with pytest.raises(Refusal, match="'abc' does not fit"):
            planning.propose(store, "compare", scientific={"lr": Domain("categorical", choices=(0.1, "abc"))})
        with pytest.raises(Refusal, match=r"lr: 0\.1 alone is compared with nothing"):
            planning.propose(store, "compare", scientific={"lr": Domain("list", choices=(0.1,))})
        assert len(listed.propose(store, [{"lr": 0.3}]).trials) == 1


def test_a_script_that_is_not_there_is_told_before_anything_is_run(tmp_path: Path) -> None:
    there = Pipeline(("python", "-u", "nothere.py", "{folder}"), tmp_path, None, {})
    assert pipeline.absent(there) == "nothere.py"
    made(tmp_path)
    for words in (("python", "train.py"), ("python", "-m", "nothere"), ("sh", "nothere.py"), ("python", "{script}.py")):
        assert pipeline.absent(Pipeline(words, tmp_path, None, {})) == ""


@pytest.mark.parametrize("again", ["lr=0.2", "lr = 0.2", "lr=0.1..1"])
def test_a_name_that_is_given_twice_is_refused(tmp_path: Path, again: str) -> None:
    """The first was dropped, and nobody said so."""
    with pytest.raises(Refusal, match=r"lr is given twice \(0\.1; 0\.[12].*a list, lr=a,b"):
        made(tmp_path, "lr=0.1", again)
    assert own.values(made(tmp_path, "lr=0.1", "lr=0.1"))["lr"] == 0.1


def test_a_value_that_somebody_gives_is_the_centre_of_the_range_and_not_the_scripts_own(tmp_path: Path) -> None:
    """A weight decay of 0.05 had values to try from 7e-7 to 6e-4, since the script's own is 2e-5, and none where that
    is 0; a range that somebody gave stays."""
    project = made(tmp_path, "hidden=16", "momentum=0.5..0.9")
    assert (entry(project, "hidden").low, entry(project, "hidden").high) == (4, 64)
    again = change(project, **own.changed(project, ["hidden=32", "momentum=0.8"]))
    assert (entry(again, "hidden").default, entry(again, "hidden").low, entry(again, "hidden").high) == (32, 4, 64)
    assert (entry(again, "momentum").low, entry(again, "momentum").high) == (0.5, 0.9)


def test_a_start_outside_of_a_range_that_somebody_gave_is_told(tmp_path: Path) -> None:
    project = made(tmp_path, "lr=0.1..1")
    with open_store(change(project, **own.changed(project, ["lr=0.00001"]))) as store:
        flow.answer(store, "metric", "held-out")
        (warning,) = flow.ask(store, "initial").warnings
    assert warning.text().startswith("lr starts with 1e-05, outside of the range that rounds search, 0.1 .. 1; another")


def test_of_a_dotted_name_the_last_part_is_enough_where_it_is_the_only_one(tmp_path: Path) -> None:
    """`--set depth=3` was refused with a list of names that had model.depth in it."""
    command = "python train.py --config {config} --out {folder}"
    config: dict[str, object] = {"model": {"depth": 2, "width": 8}, "data": {"width": 8}}
    project = made(tmp_path, "depth=3", command=command, config=config)
    assert entry(project, "model.depth").default == 3
    with pytest.raises(Refusal, match="width: the command has no such hyperparameter"):
        own.changed(project, ["width=4"])


def test_batches_that_are_accumulated_are_told_as_a_part_of_the_batch_size(tmp_path: Path) -> None:
    """With gradient_accumulation_steps=4 and a batch of 8 a step learns from 32 examples, and 1 to 16 were offered."""
    command = f"{COMMAND} --gradient-accumulation-steps {{gradient_accumulation_steps}}"
    project = made(tmp_path, "gradient_accumulation_steps=4", "batch_size=8", command=command)
    assert not entry(project, "gradient_accumulation_steps").ranged
    with open_store(project) as store:
        flow.answer(store, "metric", "held-out")
        told = " ".join(message.text() for message in flow.ask(store, "initial").evidence)
    assert "gradient_accumulation_steps is 4: by its name, a step learns from so many batches of 8." in told


def test_so_it_is_of_a_batch_size_which_the_configuration_calls_otherwise(tmp_path: Path) -> None:
    project = made(tmp_path, "bs=8", command="python -m elsewhere data.bs={data.bs} out={folder}")
    assert own.values(project) == {"training.batch_size": 8}


@pytest.mark.parametrize("words", ["max_epochs=5..20", "max_epochs=5,10", "trainer.grad_accum_steps=1,2"])
def test_the_length_of_a_run_and_what_makes_a_batch_are_refused_as_something_to_search(
    tmp_path: Path, words: str
) -> None:
    """A range of epochs was taken, shown as searched, and no round searched it."""
    command = f"{COMMAND} --epochs {{max_epochs}} --accumulate {{trainer.grad_accum_steps}}"
    with pytest.raises(Refusal, match="is decided, not searched: it takes one value"):
        made(tmp_path, words, command=command)


def test_a_list_of_the_configuration_file_is_tuned_by_its_name(tmp_path: Path) -> None:
    """Lists were left as they are, and neither betas nor the widths of layers could be searched."""
    config: dict[str, object] = {
        "out": "{folder}",
        "optim": {"lr": 0.1, "betas": [0.9, 0.999]},
        "model": {"layers": [64, 64], "norm": ["batch", "none"], "flags": [True, False], "nested": [[1], [2]]},
    }
    assignments = ["optim.betas=0.9 0.95", "model.layers=[64, 64],[128],[256, 128, 64]", "model.flags=false true"]
    project = made(tmp_path, *assignments, command="python train.py {config}", config=config)
    assert entry(project, "model.layers").choices == ("64 64", 128, "256 128 64")
    (copy,) = filled(project, tmp_path)
    read = json.loads(Path(copy).read_text(encoding="utf-8"))
    assert read["optim"]["betas"] == [0.9, 0.95]
    model = {"layers": [64, 64], "norm": ["batch", "none"], "flags": [False, True], "nested": [[1], [2]]}
    assert read["model"] == model
    there = pipeline.own(project)
    values = {**own.values(project), "model.layers": 128, "optim.betas": "1 0.5"}
    (copy,) = pipeline.fill(there, values, tmp_path / "out", tmp_path / "copies")[2:]
    read = json.loads(Path(copy).read_text(encoding="utf-8"))
    assert (read["model"]["layers"], read["optim"]["betas"]) == ([128], [1.0, 0.5])
    for wrong in ("optim.betas=0.9 high", "model.layers=64,wide", "model.flags=yes"):
        with pytest.raises(Refusal, match=r"does not fit; wanted: '"):
            own.changed(project, [wrong])
