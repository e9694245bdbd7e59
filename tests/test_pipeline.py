"""A command as a template: what it names, how it is filled, and every way in which it cannot be used."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from rounds import tunables
from rounds.space import Domain
from state import declared, pipeline, template
from state.declared import Argument
from state.errors import Refusal
from state.hyperparameters import OwnHyperparameter
from state.pipeline import Pipeline
from state.project import Project, Settings, change, open_project
from state.store import open_store
from tests import own_pipelines
from wizard import configuration, flow, own, own_ranges
from wizard import pipeline as starting

ODD = "a b'c\"$HOME;`x`\n{lr} 名"


def made(folder: Path, command: str, file: Path | None = None) -> Pipeline:
    return Pipeline(pipeline.parse(command), folder, file, {})


def test_values_with_odd_characters_arrive_as_one_argument_each(tmp_path: Path) -> None:
    there = made(tmp_path, "python 'my script.py' --lr {lr} --name={name} --keep {{lr}} --json '{\"a\": 1}' {folder}")
    values = {"lr": 1e-5, "name": ODD}
    filled = pipeline.fill(there, values, tmp_path / "out put", tmp_path)
    assert filled == [
        "python",
        "my script.py",
        "--lr",
        "1e-05",
        f"--name={ODD}",
        "--keep",
        "{lr}",
        "--json",
        '{"a": 1}',
        str(tmp_path / "out put"),
    ]
    assert there.hyperparameters() == ("lr", "name")


def test_a_later_shell_starts_the_program_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a virtual environment was active when the project was made, and is not any more."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trainer").write_text("#!/bin/sh\n", encoding="utf-8")
        (tmp_path / name / "trainer").chmod(0o755)
    settings = Settings(command="trainer --lr {lr} {folder}", directory=str(tmp_path), metric="acc")
    monkeypatch.setenv("PATH", str(tmp_path / "one"))
    created = starting.create(tmp_path / "p", settings, ["lr=0.1"])
    monkeypatch.setenv("PATH", str(tmp_path / "two"))
    there = pipeline.own(open_project(created.root))
    assert pipeline.fill(there, {"lr": 0.1}, tmp_path, tmp_path)[0] == str(tmp_path / "one" / "trainer")
    (tmp_path / "one" / "trainer").unlink()
    assert pipeline.program(there) == str(tmp_path / "two" / "trainer")
    assert pipeline.fill(there, {"lr": 0.1}, tmp_path, tmp_path)[0] == "trainer"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("python 'train.py", "cannot be read"),
        ("python train.py > log", "without a shell"),
        ("python a.py && python b.py", "without a shell"),
        ("CUDA_VISIBLE_DEVICES=0 python train.py", "env for variables"),
    ],
)
def test_what_only_a_shell_could_do_is_refused(command: str, message: str) -> None:
    with pytest.raises(Refusal, match=message):
        pipeline.parse(command)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("python train.py --lr {lr}", "Nothing says where a trial is to write"),
        ("no-such-program --out {folder}", "no such program"),
        ("./missing.sh --out {folder}", "no such program"),
        ("python train.py {config} {folder}", "belong together"),
        ("python train.py {a} {a.b} {folder}", "choose another name"),
        ("python train.py {a..b} {folder}", "not a name"),
        ("python -u train.py {folder}", "There is no file train.py in"),
    ],
)
def test_a_command_that_cannot_run_or_be_read_is_refused(tmp_path: Path, command: str, message: str) -> None:
    with pytest.raises(Refusal, match=message):
        pipeline.check(made(tmp_path, command))
    with pytest.raises(Refusal, match="no such folder"):
        pipeline.check(made(tmp_path / "gone", "python train.py {folder}"))


def test_a_placeholder_without_a_value_and_a_value_that_no_argument_can_be_are_refused(tmp_path: Path) -> None:
    there = made(tmp_path, "python train.py --lr {lr} --wd {optimizer.wd} {folder}")
    with pytest.raises(Refusal, match=r"a value for optimizer\.wd"):
        pipeline.fill(there, {"lr": 0.1}, tmp_path, tmp_path)
    with pytest.raises(Refusal, match="null character"):
        pipeline.fill(there, {"lr": "\0", "optimizer.wd": 0}, tmp_path, tmp_path)


FILES: dict[str, str] = {
    "a.toml": '# kept\nname = "run"\nout = "{folder}/logs"\n[optim]\nlr = 1e-3\nnesterov = true\nbetas = [0.9, 0.99]\n',
    "a.yaml": "name: run\nout: '{folder}/logs'\noptim:\n  lr: 1e-3\n  nesterov: true\n  betas: [0.9, 0.999]\n  none:\n",
    "a.json": json.dumps(
        {"name": "run", "out": "{folder}/logs", "optim": {"lr": 1e-3, "nesterov": True, "betas": [0.9], "none": None}}
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_configuration_file_is_filled_and_the_rest_of_it_left_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8")
    (tmp_path / "train.py").touch()
    there = made(tmp_path, "python train.py --config {config} --seed {seed}", path)
    pipeline.check(there)
    betas = {"a.toml": "0.9 0.99", "a.yaml": "0.9 0.999", "a.json": "0.9"}[name]
    assert there.defaults() == {"name": "run", "optim.lr": 0.001, "optim.nesterov": True, "optim.betas": betas}
    assert there.hyperparameters() == ("seed", "name", "optim.lr", "optim.nesterov", "optim.betas")
    values = {**there.defaults(), "seed": 3, "optim.lr": 0.25, "name": ODD}
    command = pipeline.fill(there, values, tmp_path / "o", tmp_path / "copies")
    assert command[2:] == ["--config", str(tmp_path / "copies" / name), "--seed", "3"]
    text = (tmp_path / "copies" / name).read_text(encoding="utf-8")
    read: dict[str, Any] = {".toml": tomllib.loads, ".yaml": yaml.safe_load, ".json": json.loads}
    filled = read[path.suffix](text)
    assert filled["out"] == f"{tmp_path / 'o'}/logs"
    assert (filled["name"], filled["optim"]["lr"], filled["optim"]["nesterov"]) == (ODD, 0.25, True)
    assert filled["optim"]["betas"][0] == 0.9
    assert path.read_text(encoding="utf-8") == FILES[name]
    if name == "a.toml":
        assert text.startswith("# kept")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "x = ", "not valid TOML"),
        ("a.yaml", "x: [", "not valid YAML"),
        ("a.yaml", "!!python/object/apply:os.system ['true']", "not valid YAML"),
        ("a.json", "{", "not valid JSON"),
        ("a.json", "[1]", "no names with values"),
        ("a.ini", "x=1", "neither"),
        ("a.json", '{"a.b": 1, "a": {"b": 2}}', "two values called a.b"),
        ("a.json", '{"a": "{seed} {folder}"}', "only {folder} is replaced"),
    ],
)
def test_a_configuration_file_with_a_mistake_is_refused_by_name(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    there = made(tmp_path, "python train.py {config} {folder}", tmp_path / name)
    with pytest.raises(Refusal, match=message):
        pipeline.check(there)
    with pytest.raises(Refusal, match=r"missing\.toml"):
        template.values(tmp_path / "missing.toml")


def test_seed_batch_size_and_steps_are_known_by_their_usual_names_where_only_one_has_it() -> None:
    assert pipeline.guess(["lr", "bs", "max_steps", "optim.seed"]) == {
        "training.seed": "optim.seed",
        "training.batch_size": "bs",
        "training.steps": "max_steps",
    }
    assert pipeline.guess(["seed_everything", "trainer.max_steps"])["training.seed"] == "seed_everything"
    assert pipeline.guess(["data.seed", "model.seed"]) == {}
    assert pipeline.guess(["training.seed", "data.seed"]) == {"training.seed": "training.seed"}


@pytest.mark.parametrize(
    ("key", "value", "low", "high", "scale", "searched"),
    [
        ("lr", 0.1, 0.0033, 3.0, "log", True),
        ("optim.learning_rate", 1, 0.033, 30.0, "log", True),
        ("weight_decay", 0.0, 1e-6, 1e-2, "log", False),
        ("momentum", 0.9, 0.5, 0.999, "one-minus-log", False),
        ("dropout", 0.1, 0.0, 0.5, "linear", False),
        ("layers", 4, 1, 16, "log", False),
        ("training.batch_size", 32, None, None, "linear", False),
        ("temperature", -1.0, None, None, "linear", False),
        # As Transformers, timm and Lightning call them: a beta of 10, a dropout of 1, and warm-ups of a whole run were
        # among the values to try, and so were a seed, how often is logged, and how many processes read the data.
        ("adam_beta2", 0.999, 0.9, 0.9999, "one-minus-log", False),
        ("adam_beta1", 0.9, 0.5, 0.999, "one-minus-log", False),
        ("model_ema_decay", 0.9998, 0.9, 0.9999, "one-minus-log", False),
        ("hidden_dropout_prob", 0.1, 0.0, 0.5, "linear", False),
        ("reprob", 0.25, 0.0, 0.5, "linear", False),
        ("warmup_ratio", 0.1, 0.0, 0.2, "linear", False),
        ("warmup_steps", 500, 125, 2000, "log", False),
        ("lr_drop", 200, 50, 800, "log", False),
        ("gradient_accumulation_steps", 2, None, None, "linear", False),
        ("num_train_epochs", 3, None, None, "linear", False),
        ("dataloader_num_workers", 4, None, None, "linear", False),
        ("trainer.log_every_n_steps", 50, None, None, "linear", False),
        ("eval_steps", 500, None, None, "linear", False),
    ],
)
def test_ranges_are_guessed_from_name_and_value(
    key: str, value: float, low: float | None, high: float | None, scale: str, searched: bool
) -> None:
    entry = own_ranges.guess(key, value)
    assert (entry.low, entry.high, entry.scale, entry.searched) == (low, high, scale, searched)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    own_pipelines.write_script(tmp_path / "code")
    return own_pipelines.project(tmp_path / "p", tmp_path / "code")


def test_what_is_said_about_hyperparameters_is_kept_in_the_projects_file(project: Project) -> None:
    changes = own.changed(project, ["lr=0.01..1:log", "l2=1e-5", "style=jsonl,timm"])
    kept = open_project(change(project, **changes).root).settings
    by_name = {entry.name: entry for entry in kept.hyperparameters}
    assert (by_name["lr"].low, by_name["lr"].high, by_name["lr"].default) == (0.01, 1.0, 0.5)
    assert by_name["style"] == OwnHyperparameter("style", "jsonl", choices=("jsonl", "timm"), searched=True)
    assert by_name["lr"].about == "step size"
    assert (by_name["l2"].default, by_name["l2"].searched) == (1e-5, False)
    assert by_name["training.batch_size"].default == 32


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "momentum=0.9",
            "it has: lr, batch_size, steps, l2, seed, style; its script declares: -",
        ),
        ("lr", "write it as"),
        ("lr=", "write it as"),
        ("lr=fast", "does not fit"),
        ("lr=nan", "does not fit"),
        ("lr=0.1..", "is no range"),
        ("lr=1..0.1", "must be below the high end; write it as 0.1..1, say"),
        ("lr=0..1:log", "above 0"),
        ("lr=0.1..1:cubic", "no scale cubic"),
        ("batch_size=8..64", "is decided, not searched"),
        ("steps=1.5", "does not fit"),
    ],
)
def test_what_cannot_be_a_value_or_a_range_is_refused(project: Project, words: str, message: str) -> None:
    with pytest.raises(Refusal, match=message):
        own.changed(project, [words])


@pytest.mark.parametrize(
    ("metric", "direction"), [("eval_loss", "min"), ("val_acc", "max"), ("top1", "max"), ("perplexity", "min")]
)
def test_the_direction_of_a_usual_metric_is_known(metric: str, direction: str) -> None:
    assert starting.direction(metric) == direction


def test_a_metric_without_a_name_or_a_direction_is_asked_for() -> None:
    with pytest.raises(Refusal, match="--metric"):
        starting.direction(" ")
    with pytest.raises(Refusal, match="--direction"):
        starting.direction("reward")


def test_nothing_is_made_where_the_command_cannot_be_used(tmp_path: Path) -> None:
    settings = Settings(command="no-such-program {folder}", directory=str(tmp_path), metric="x")
    with pytest.raises(Refusal, match="no such program"):
        starting.create(tmp_path / "p", settings)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("lr = 1", "= 1; wanted: a table"),
        ("lr = {low = 1}", "belong together"),
        ("lr = {default = 1, kind = 'number'}", "kind = 'number'; allowed: float, int, categorical"),
        ("lr = {defualt = 1}", "unknown key"),
        ("lr = {kind = 'float', low = 2, high = 1}", "is not below"),
        ("lr = {kind = 'float', low = 0, high = 1, scale = 'log'}", "no logarithm"),
        ("lr = {searched = true}", "needs low and high"),
        ("lr = {default = 'x', kind = 'int'}", "is not of the kind int"),
    ],
)
def test_mistakes_in_the_projects_list_of_hyperparameters_are_named(project: Project, table: str, message: str) -> None:
    path = project.root / "tunebook.toml"
    text = path.read_text(encoding="utf-8").partition("[hyperparameters.")[0]
    path.write_text(f"{text}\n[hyperparameters]\n{table}\n", encoding="utf-8")
    line = text.count("\n") + 3
    with pytest.raises(Refusal, match=message) as refused:
        open_project(project.root)
    assert str(refused.value).startswith(f"{path}:{line}: ")


ARGPARSE = """
import argparse, torch
parser = argparse.ArgumentParser()
parser.add_argument("-d", "--data-dir")
group = parser.add_argument_group("x")
group.add_argument("--lr", "--learning-rate", "-l", dest="lr", type=float, default=1e-3, help="step  size\\n of SGD")
parser.add_argument("--momentum", type=float, default=0)
parser.add_argument("--opt", choices=("sgd", "adam"), default="sgd")
parser.add_argument("--epochs", type=int, required=True)
parser.add_argument("--random-seed", type=int, default=None)
parser.add_argument("--computed", type=float, default=2 * 3)
parser.add_argument("--converted", type=lambda text: float(text), default=-0.5)
parser.add_argument("--amp", action="store_true")
parser.add_argument("--ema", action=argparse.BooleanOptionalAction, default=True)
parser.add_argument("--sizes", nargs="+", type=int)
parser.add_argument("--betas", nargs=2, type=float, default=(0.9, 0.999))
parser.add_argument("--rest", nargs=argparse.REMAINDER)
parser.add_argument("positional")
parser.add_argument("--out")
raise SystemExit("never run")
"""


def declaring(folder: Path, words: str) -> Pipeline:
    (folder / "train.py").write_text(ARGPARSE, encoding="utf-8")
    return made(folder, f"python train.py {words} --out {{folder}}")


def test_what_argparse_declares_is_read_without_running_it(tmp_path: Path) -> None:
    there = declaring(tmp_path, "--data-dir x")
    found = {argument.name: argument for argument in declared.arguments(there)}
    assert list(found) == [
        "data_dir",
        "lr",
        "momentum",
        "opt",
        "epochs",
        "random_seed",
        "computed",
        "converted",
        "amp",
        "ema",
        "sizes",
        "betas",
        "out",
    ]
    assert found["ema"] == Argument("--ema", "ema", None, True, (), "", False, switch=True, off="--no-ema")
    assert found["betas"] == Argument("--betas", "betas", "float", "0.9 0.999", (), "", False, several=2)
    assert (found["sizes"].kind, found["sizes"].default, found["sizes"].several) == ("int", None, 0)
    assert found["amp"] == Argument("--amp", "amp", None, False, (), "", False, switch=True)
    lr = Argument("--learning-rate", "lr", "float", 0.001, (), "step size of SGD", False, others=("--lr", "-l"))
    assert found["lr"] == lr
    assert found["opt"].choices == ("sgd", "adam")
    assert (found["epochs"].kind, found["epochs"].required) == ("int", True)
    assert (found["computed"].default, found["converted"].kind, found["converted"].default) == (None, None, -0.5)
    # What the command gives already, and where it writes, is not offered.
    assert "data_dir" not in {argument.name for argument in own.offered(there)}
    assert "out" not in {argument.name for argument in own.offered(there)}


def test_defaults_are_those_that_the_script_gets(tmp_path: Path) -> None:
    """argparse reads text as if it had been typed, and what set_defaults says counts more."""
    more = """
parser.add_argument("--scale", type=float, default="0.5")
parser.add_argument("--depth", type=int, default="3")
parser.add_argument("--wrong", type=int, default="three")
parser.add_argument("--endless", type=float, default=1e400)
parser.set_defaults(momentum=0.9, epochs="7", computed=abs(-1), converted=0.25)
"""
    (tmp_path / "train.py").write_text(ARGPARSE + more, encoding="utf-8")
    there = made(tmp_path, "python train.py --out {folder}")
    found = {argument.name: argument.default for argument in declared.arguments(there)}
    assert (found["scale"], found["depth"], found["wrong"], found["endless"]) == (0.5, 3, None, None)
    assert (found["momentum"], found["epochs"], found["computed"], found["converted"]) == (0.9, 7, None, 0.25)
    # Where each command of a script has defaults of its own, those of one say nothing of another.
    several = ARGPARSE + "commands = parser.add_subparsers()\nparser.set_defaults(momentum=0.9)\n"
    (tmp_path / "train.py").write_text(several, encoding="utf-8")
    assert {argument.name: argument.default for argument in declared.arguments(there)}["momentum"] == 0


@pytest.mark.parametrize("name", FILES)
def test_a_configuration_file_may_begin_with_a_mark_of_its_encoding(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FILES[name], encoding="utf-8-sig")
    found = template.values(tmp_path / name)
    assert [*found] == ["name", "optim.lr", "optim.nesterov", "optim.betas"]


def test_numbers_in_lists_of_yaml_are_numbers_too(tmp_path: Path) -> None:
    """What YAML 1.1 takes for text was put into quotes, and was text for everybody who reads YAML 1.2."""
    path = tmp_path / "a.yaml"
    path.write_text("lr: 1e-3\nmilestones: [1e3, [2e3]]\n", encoding="utf-8")
    assert yaml.safe_load(template.filled(path, {}, {})) == {"lr": 0.001, "milestones": [1000.0, [2000.0]]}


def test_placeholders_take_value_type_and_choices_of_the_option_that_they_follow(tmp_path: Path) -> None:
    there = declaring(tmp_path, "--learning-rate {rate} --opt={optim.name} --epochs {epochs} --random-seed {s}")
    there = Pipeline(there.command, there.directory, None, {pipeline.SEED: "s"})
    rate, name, epochs, seed = own.listed(there)
    assert (rate.name, rate.default, rate.about) == ("rate", 0.001, "step size of SGD")
    assert name == OwnHyperparameter("optim.name", "sgd", choices=("sgd", "adam"))
    assert (epochs.kind, epochs.default) == ("int", None)
    assert (seed.name, seed.default) == ("training.seed", 0)


def test_an_option_of_the_script_is_taken_into_the_command_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(ARGPARSE, encoding="utf-8")
    settings = Settings(
        command="python train.py --out {folder}", directory=str(tmp_path), metric="acc", direction="max"
    )
    words = ["lr=0.01", "random_seed=0", "opt=sgd,adam", "momentum=0.9"]
    created = starting.create(tmp_path / "p", settings, words).settings
    assert created.command == (
        "python train.py --out {folder} --learning-rate {lr} --random-seed {random_seed} --opt {opt} "
        "--momentum {momentum}"
    )
    assert created.seed == "random_seed"
    assert [entry.name for entry in created.hyperparameters] == ["lr", "training.seed", "opt", "momentum"]
    assert own.values(open_project(tmp_path / "p"))["momentum"] == 0.9
    with pytest.raises(Refusal, match="its script declares: data_dir"):
        own.changed(open_project(tmp_path / "p"), ["dropout=0.1"])


def test_a_command_without_hyperparameters_is_offered_those_of_its_script(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(ARGPARSE, encoding="utf-8")
    settings = Settings(command="python train.py --out {folder}", directory=str(tmp_path), metric="acc")
    with open_store(starting.create(tmp_path / "p", settings)) as store:
        flow.answer(store, "metric", "held-out")
        question = flow.ask(store, "initial")
        assert question.options == ()
        assert question.recommended == "lr=0.001"
        flow.answer(store, "initial", "lr=0.001 epochs=3")
        assert flow.ask(store, "initial").recommended == "use"
        flow.answer(store, "initial", "use")
        assert configuration.current(store) == {"lr": 0.001, "epochs": 3}
    (tmp_path / "train.py").write_text("", encoding="utf-8")
    with open_store(starting.create(tmp_path / "q", settings)) as store:
        flow.answer(store, "metric", "held-out")
        with pytest.raises(Refusal, match="nothing to tune"):
            flow.ask(store, "initial")


REQUIRED = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("-b", "--batch-size", type=int, required=True)
"""


def test_what_the_script_requires_is_asked_for_before_anything_is_run(tmp_path: Path) -> None:
    """argparse itself would refuse each run; once typed it is in the command."""
    (tmp_path / "train.py").write_text(REQUIRED, encoding="utf-8")
    settings = Settings(command="python train.py --lr {lr} --out {folder}", directory=str(tmp_path), metric="acc")
    with open_store(starting.create(tmp_path / "p", settings)) as store:
        flow.answer(store, "metric", "held-out")
        question = flow.ask(store, "initial")
        assert question.recommended is None
        assert "Which value should batch_size (--batch-size) have at the start?" in question.text.text()
        with pytest.raises(Refusal):
            flow.answer(store, "initial", "use")
        flow.answer(store, "initial", "batch_size=16")
        assert store.project.settings.command.endswith("--batch-size {batch_size}")
        assert flow.ask(store, "initial").recommended == "use"


@pytest.mark.parametrize(
    ("words", "script", "names"),
    [
        ("", REQUIRED, ["batch_size"]),
        ("-b 3", REQUIRED, []),
        ("-b3", REQUIRED, []),
        ("--batch 3", REQUIRED, []),
        ("--batch-size={n}", REQUIRED, []),
        ("", REQUIRED + "parser.add_subparsers()", []),
        ("--batch 3", REQUIRED + "parser.add_argument('--batch')", ["batch_size"]),
        ("--batch 3", REQUIRED + "parser.add_argument('--batch', nargs='+')", ["batch_size"]),
        ("-bs 3", REQUIRED + "parser.add_argument('-bs')", ["batch_size"]),
        ("--", REQUIRED, ["batch_size"]),
    ],
    ids=[
        "not given",
        "short",
        "glued",
        "shortened",
        "with =",
        "commands",
        "another's",
        "another's, of several values",
        "another's, with one dash",
        "two dashes alone",
    ],
)
def test_a_required_option_is_given_by_any_of_its_flags(
    tmp_path: Path, words: str, script: str, names: list[str]
) -> None:
    (tmp_path / "train.py").write_text(script, encoding="utf-8")
    there = made(tmp_path, f"python train.py {words} --out {{folder}}")
    assert [argument.name for argument in declared.ungiven(there)] == names


@pytest.mark.parametrize("text", ["def (", "\0", "(" * 5000, "parser.add_argument(*names, **options)", ""])
def test_a_script_that_cannot_be_read_declares_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    assert declared.arguments(made(tmp_path, "python train.py {folder}")) == ()
    assert declared.arguments(made(tmp_path, "python -m missing.module {folder}")) == ()


def test_a_module_is_found_as_python_finds_it(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "train.py").write_text(ARGPARSE, encoding="utf-8")
    assert declared.script(made(tmp_path, "python -m package.train {folder}")) == tmp_path / "package" / "train.py"


PARSER = """\
import argparse
parser = argparse.ArgumentParser()
group = parser.add_argument_group("model")
group.add_argument("--hidden", "-w", type=int, default=64)
group.add_argument("--act", choices=["relu", "gelu"], default="relu")
parser.add_argument("--level", type=float, choices=[1, 2.5])
parser.add_argument("--cache", action=argparse.BooleanOptionalAction)
parser.add_argument("--out", required=True)
args = parser.parse_args()
"""


def strange(folder: Path, words: str, script: str = PARSER) -> tuple[tuple[str, ...], tuple[tuple[str, str, str], ...]]:
    (folder / "train.py").write_text(script, encoding="utf-8")
    there = made(folder, words)
    return declared.undeclared(there), declared.misfits(there)


@pytest.mark.parametrize(
    ("words", "unknown"),
    [
        ("python -u train.py --hiden {h} --out {folder}", ("--hiden",)),
        ("torchrun --nproc 2 train.py --hid=3 -w8 -h --no-cache --out {folder}", ()),
        ("python train.py {--amp} --warm=3 --out {folder}", ("{--amp}", "--warm")),
        ("python -m train --x 1 --out {folder}", ("--x",)),
        ("python -m torch.distributed.run --nproc 2 train.py --out {folder}", ()),
        ("python train.py --out {folder} --level -1.5 -- --more", ()),
    ],
)
def test_an_option_that_the_script_declares_none_of_is_told(
    tmp_path: Path, words: str, unknown: tuple[str, ...]
) -> None:
    """It was accepted, and every run stopped at once."""
    found, _values = strange(tmp_path, words)
    assert tuple(word.strip("{}") for word in found) == tuple(word.strip("{}") for word in unknown)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("parser.parse_args()", "parser.parse_known_args()"),
        ("args =", "add_more(parser)\nargs ="),
        ("ArgumentParser()", "ArgumentParser(parents=[others])"),
        ("parser = argparse.ArgumentParser()", "from opts import parser"),
        ('"--act"', "NAME"),
        ("args =", "parser.add_subparsers()\nargs ="),
    ],
)
def test_where_others_may_declare_an_option_nothing_is_said_of_it(tmp_path: Path, old: str, new: str) -> None:
    assert strange(tmp_path, "python train.py --hiden 3 --out {folder}", PARSER.replace(old, new))[0] == ()


def test_what_one_parser_leaves_to_another_that_takes_no_more_is_known(tmp_path: Path) -> None:
    """timm's script has one for its configuration file alone; nothing was said of what the other does not know."""
    two = "file = argparse.ArgumentParser()\n_file, rest = file.parse_known_args()\nargs = parser.parse_args(rest)\n"
    parser = PARSER.replace("args = parser.parse_args()\n", two)
    assert parser != PARSER
    assert strange(tmp_path, "python train.py --hiden 3 --out {folder}", parser)[0] == ("--hiden",)


def test_a_fixed_value_that_the_script_does_not_take_is_told(tmp_path: Path) -> None:
    _unknown, found = strange(tmp_path, "python train.py -w abc --act=swish --level 2.5 --cache 1 --out {folder}")
    assert found == (("-w", "abc", "int"), ("--act", "swish", "relu, gelu"))
    assert strange(tmp_path, "python train.py --hidden 3 --act {act} --out {folder}")[1] == ()


SWITCHES = """\
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--amp", action=argparse.BooleanOptionalAction, default=False)
parser.add_argument("--fast-math", action="store_true")
parser.add_argument("--lr", type=float)
parser.add_argument("--out")
"""


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("--amp {amp} --fast-math {fast_math} --out {folder}", (("--amp", "{amp}"), ("--fast-math", "{fast_math}"))),
        ("--amp=true --out {folder}", (("--amp", "true"),)),
        ("--fast-math 1 --out {folder}", (("--fast-math", "1"),)),
        ("{--amp} --fast-math --no-amp --lr {lr} --out {folder}", ()),
        ("--fast-math {--amp} --out {folder}", ()),
    ],
)
def test_a_switch_that_the_command_gives_a_value_is_told(tmp_path: Path, words: str, found: object) -> None:
    """The set-up went through, and every run stopped at once."""
    (tmp_path / "train.py").write_text(SWITCHES, encoding="utf-8")
    assert declared.valueless(made(tmp_path, f"python train.py {words}")) == found


def test_what_may_be_an_argument_of_its_own_is_no_value_of_a_switch(tmp_path: Path) -> None:
    script = SWITCHES + 'parser.add_argument("data")\n'
    (tmp_path / "train.py").write_text(script, encoding="utf-8")
    assert declared.valueless(made(tmp_path, "python train.py --fast-math {data} --out {folder}")) == ()
    there = made(tmp_path, "python train.py {data} --amp {amp} --out {folder}")
    assert declared.valueless(there) == (("--amp", "{amp}"),)


def test_what_the_script_would_refuse_is_warned_of_when_the_project_is_made_and_refused_in_a_round(
    tmp_path: Path,
) -> None:
    code = tmp_path / "code"
    script = own_pipelines.SCRIPT.replace(
        'parser.add_argument("--out"',
        'parser.add_argument("--act", choices=["relu", "gelu"], default="relu")\n'
        'parser.add_argument("--fast", action="store_true")\nparser.add_argument("--out"',
    )
    own_pipelines.write_script(code, script)
    arguments = "--lr {lr} --act {act} --steps {steps} --hiden 3 --l2 x --fast {fast} --out {folder}"
    project = own_pipelines.project(tmp_path / "p", code, "lr=0.5", "steps=50", arguments=arguments)
    with open_store(project) as store:
        flow.answer(store, "metric", "held-out")
        warned = " ".join(message.text() for message in flow.ask(store, "initial").warnings)
        assert "declares no option --hiden that the command gives" in warned
        assert "gives --fast the value {fast}, and your script takes none there" in warned
        assert "Write {--fast} for both" in warned
        assert "gives --l2 the value x, which your script does not take: it declares float" in warned
    base = {"lr": 0.5, "act": "relu", "training.steps": 50}
    for key, values, said in (
        ("act", ("relu", "swish"), "'swish' does not fit; wanted: relu, gelu"),
        ("training.steps", (25, 2.5), "2.5 does not fit; wanted: int"),
    ):
        with pytest.raises(Refusal, match=said):
            tunables.check_values(project, base, {key: Domain("categorical", choices=values)})
    tunables.check_values(
        project, base, {"lr": Domain("list", choices=(1, 0.1)), "act": Domain("categorical", choices=("gelu",))}
    )


def test_an_option_with_several_values_and_a_switch_that_can_be_turned_off_are_taken_into_the_command(
    tmp_path: Path,
) -> None:
    """`--betas 0.9 0.999` and `--no-ema` had to be written into the command by hand, and two betas had no place."""
    project = planned(tmp_path, "betas=0.8 0.99,0.9 0.999", "ema=false", "sizes=8")
    assert project.settings.command.endswith("{folder} --betas {*betas} {--ema|--no-ema} --sizes {*sizes}")
    entries = {entry.name: entry for entry in project.settings.hyperparameters}
    assert entries["betas"].choices == ("0.8 0.99", "0.9 0.999")
    assert entries["betas"].default == "0.9 0.999"
    there, values = pipeline.own(project), own.values(project)
    assert pipeline.fill(there, values, tmp_path / "o", tmp_path)[4:] == [
        "--betas",
        "0.9",
        "0.999",
        "--no-ema",
        "--sizes",
        "8",
    ]
    assert "--ema" in pipeline.fill(there, values | {"ema": True}, tmp_path / "o", tmp_path)


def planned(folder: Path, *assignments: str, words: str = "") -> Project:
    (folder / "train.py").write_text(ARGPARSE, encoding="utf-8")
    settings = Settings(command=f"python train.py {words} --out {{folder}}", directory=str(folder), metric="acc")
    return starting.planned(folder / "p", settings, assignments)


@pytest.mark.parametrize(
    ("assignment", "wanted"),
    [
        ("betas=0.9,0.999", "betas='float float'"),
        ("betas=0.9 x", "betas='float float'"),
        ("sizes=8 1.5", "sizes='int int'"),
    ],
)
def test_several_values_are_refused_where_the_script_takes_others(tmp_path: Path, assignment: str, wanted: str) -> None:
    """With a comma between them, they are values to try one after the other."""
    with pytest.raises(Refusal, match=f"does not fit; wanted: {wanted}"):
        planned(tmp_path, assignment)


def test_several_values_are_an_argument_of_their_own_in_the_command(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="is an argument of its own, as --betas"):
        planned(tmp_path, words="--betas={*betas}")


def test_a_switch_that_stays_on_where_it_is_left_out_is_told(tmp_path: Path) -> None:
    """`{--ema}` with false left it out, and the script trained with it on."""
    (ema,) = declared.one_sided(pipeline.own(planned(tmp_path, words="{--ema} {--amp}")))
    assert ema.words == ("{--ema|--no-ema}",)
    assert not declared.one_sided(pipeline.own(planned(tmp_path, words="{--ema|--no-ema}")))
