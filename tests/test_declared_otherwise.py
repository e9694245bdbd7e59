"""Options that scripts declare by other means than argparse: nothing of them was known, and each had to be typed."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from state import declared, declared_otherwise, pipeline
from state.option import Argument
from state.pipeline import Pipeline
from state.project import Settings
from wizard import own
from wizard import pipeline as own_pipeline

CLICK = """
import click
from click import option

@click.command()
@click.option("--lr", "--learning-rate", default=0.1, help="step  size\\nof SGD")
@click.option("--batch-size", "bs", type=int, default=32)
@click.option("--epochs", type=click.IntRange(1), required=True)
@click.option("--opt", type=click.Choice(["sgd", "adam"]), default="sgd")
@click.option("--amp/--no-amp", default=True)
@click.option("--nesterov", is_flag=True)
@click.option("--betas", nargs=2, type=float, default=(0.9, 0.999))
@click.option("-v", "--verbose", count=True)
@option("--widths", multiple=True, type=int)
@click.option("--out", type=click.Path())
@click.argument("data")
def main(**values):
    print(sorted(values.items()))

if __name__ == "__main__":
    main()
"""
TYPER = """
from enum import Enum
from typing import Annotated, Literal, Optional
import typer

class Opt(str, Enum):
    sgd = "sgd"
    adam = "adam"

app = typer.Typer()

@app.command()
def main(
    data: str,
    lr: Annotated[float, typer.Option(help="step size")] = 1,
    batch_size: int = typer.Option(32, "--bs", help="examples"),
    epochs: int = typer.Option(...),
    decay: float | None = None,
    momentum: Optional[float] = 0.9,
    opt: Opt = Opt.sgd,
    schedule: Literal["cosine", "none"] = "cosine",
    amp: bool = False,
    betas: tuple[float, float] = (0.9, 0.999),
    place: Annotated[str, typer.Argument()] = "here",
    *,
    seed: int = 0,
):
    raise SystemExit("never run")

app()
"""
ABSL = """
from absl import app, flags
FLAGS = flags.FLAGS
flags.DEFINE_float("lr", 1e-3, "step size", lower_bound=0.0)
flags.DEFINE_integer("batch_size", 32, "examples")
_STEPS = flags.DEFINE_integer(name="steps", default=None, help="how many")
flags.DEFINE_enum("opt", "sgd", ["sgd", "adam"], "which")
flags.DEFINE_bool("amp", True, "mixed precision")
flags.DEFINE_string("out", None, "where", required=True)
flags.mark_flag_as_required("steps")
raise SystemExit("never run")
"""
DATACLASSES = """
from dataclasses import dataclass, field
from enum import Enum
from typing import List, Optional
from transformers import HfArgumentParser, TrainingArguments

class Pooling(Enum):
    MEAN = "mean"
    FIRST = "first"

@dataclass
class ModelArguments:
    name: str = field(metadata={"help": "which  model"})
    dropout: float = field(default=0, metadata={"help": "share"})
    pooling: Pooling = Pooling.MEAN
    head: Optional[str] = field(default="linear", metadata={"choices": ["linear", "mlp"]})
    widths: List[int] = field(default_factory=lambda: [64, 64])
    freeze: bool = False
    bias: bool = True

@dataclass
class Ours(TrainingArguments):
    learning_rate: float = 3e-4

(model, training) = HfArgumentParser((ModelArguments, Ours)).parse_args_into_dataclasses()
print(model, training.learning_rate)
"""


def made(folder: Path, text: str, words: str) -> Pipeline:
    (folder / "train.py").write_text(text, encoding="utf-8")
    settings = Settings(command=f"python train.py {words}", directory=str(folder), metric="accuracy", direction="max")
    found = pipeline.of(own_pipeline.create(folder / "p", settings, ()))
    assert found is not None
    return found


def named(there: Pipeline) -> dict[str, Argument]:
    return {argument.name: argument for argument in declared.arguments(there)}


def test_what_click_declares_is_read_without_running_it(tmp_path: Path) -> None:
    there = made(tmp_path, CLICK, "x --out {folder}")
    found = named(there)
    assert list(found) == ["lr", "bs", "epochs", "opt", "amp", "nesterov", "betas", "out"]
    rate = Argument("--lr", "lr", "float", 0.1, (), "step size of SGD", False, others=("--learning-rate",))
    assert found["lr"] == rate
    assert (found["bs"].flag, found["bs"].kind, found["bs"].default) == ("--batch-size", "int", 32)
    assert (found["epochs"].kind, found["epochs"].required) == ("int", True)
    assert found["opt"].choices == ("sgd", "adam")
    assert found["amp"] == Argument("--amp", "amp", None, True, (), "", False, switch=True, off="--no-amp")
    assert found["nesterov"] == Argument("--nesterov", "nesterov", None, False, (), "", False, switch=True)
    assert (found["betas"].several, found["betas"].default) == (2, "0.9 0.999")
    assert [argument.name for argument in declared.ungiven(there)] == ["epochs"]
    assert [argument.name for argument in own.proposed(there)] == ["lr", "bs"]
    assert declared.valueless(made(tmp_path / "p", CLICK, "x --nesterov {nesterov} --out {folder}"))


def test_a_command_of_what_click_declares_is_understood_by_the_script(tmp_path: Path) -> None:
    there = made(tmp_path, CLICK, "x --out {folder}")
    words = [word for argument in declared.arguments(there) if argument.name != "out" for word in argument.words]
    longer = Pipeline((sys.executable, *there.command[1:], *words), tmp_path, None, there.names)
    values = {"lr": 0.5, "bs": 8, "epochs": 3, "opt": "adam", "amp": False, "nesterov": True}
    keyed = {longer.key(name): value for name, value in {**values, "betas": "0.8 0.99"}.items()}
    filled = pipeline.fill(longer, keyed, tmp_path / "out", tmp_path / "copies")
    printed = subprocess.run(filled, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "('amp', False), ('betas', (0.8, 0.99)), ('bs', 8)" in printed
    assert "('lr', 0.5), ('nesterov', True), ('opt', 'adam')" in printed


def test_what_typer_declares_is_read_without_running_it(tmp_path: Path) -> None:
    found = named(made(tmp_path, TYPER, "x {folder}"))
    assert [*found] == ["lr", "batch_size", "epochs", "decay", "momentum", "opt", "schedule", "amp", "betas", "seed"]
    assert found["lr"] == Argument("--lr", "lr", "float", 1.0, (), "step size", False)
    assert (found["batch_size"].flag, found["batch_size"].default) == ("--bs", 32)
    assert (found["epochs"].default, found["epochs"].required) == (None, True)
    assert (found["decay"].kind, found["decay"].default, found["decay"].required) == ("float", None, False)
    assert (found["momentum"].kind, found["momentum"].default) == ("float", 0.9)
    assert (found["opt"].choices, found["opt"].default) == (("sgd", "adam"), "sgd")
    assert found["schedule"].choices == ("cosine", "none")
    assert found["amp"].words == ("{--amp|--no-amp}",)
    assert (found["betas"].several, found["betas"].default) == (2, "0.9 0.999")
    (tmp_path / "q").mkdir()
    run = (
        TYPER.replace("app = typer.Typer()\n", "")
        .replace("@app.command()\n", "")
        .replace("\napp()", "\ntyper.run(main)")
    )
    assert [*named(made(tmp_path / "q", run, "x {folder}"))] == [*found]


def test_what_absl_declares_is_read_without_running_it(tmp_path: Path) -> None:
    there = made(tmp_path, ABSL, "--out={folder}")
    found = named(there)
    assert [*found] == ["lr", "batch_size", "steps", "opt", "amp", "out"]
    assert found["lr"] == Argument("--lr", "lr", "float", 0.001, (), "step size", False)
    assert (found["steps"].kind, found["steps"].required) == ("int", True)
    assert found["opt"].choices == ("sgd", "adam")
    assert found["amp"].words == ("{--amp|--noamp}",)
    assert [argument.name for argument in declared.ungiven(there)] == ["steps"]


def test_what_dataclasses_declare_is_read_without_running_it(tmp_path: Path) -> None:
    there = made(tmp_path, DATACLASSES, "--name x --output_dir {folder}")
    found = named(there)
    assert [*found][:8] == ["name", "dropout", "pooling", "head", "widths", "freeze", "bias", "learning_rate"]
    assert (found["name"].about, found["name"].required) == ("which model", True)
    assert (found["dropout"].kind, found["dropout"].default) == ("float", 0.0)
    assert (found["pooling"].choices, found["pooling"].default) == (("mean", "first"), "mean")
    assert (found["head"].choices, found["head"].default) == (("linear", "mlp"), "linear")
    assert (found["widths"].several, found["widths"].default) == (0, "64 64")
    assert (found["freeze"].words, found["bias"].words) == (("{--freeze}",), ("{--bias|--no_bias}",))
    # Its own default goes before that of what it is made from; without its own name the class says as much.
    assert (found["learning_rate"].default, found["per_device_train_batch_size"].default) == (3e-4, 8)
    proposed = [argument.name for argument in own.proposed(there)]
    assert proposed == ["learning_rate", "per_device_train_batch_size", "seed"]
    assert not declared.ungiven(there)


def test_what_transformers_training_takes_has_the_defaults_that_it_has_there() -> None:
    place = importlib.util.find_spec("transformers")
    assert place is not None
    assert place.origin is not None
    text = (Path(place.origin).parent / "training_args.py").read_text(encoding="utf-8")
    classes = {node.name: node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)}
    there = {one.name: one for one in declared_otherwise._fields("TrainingArguments", classes, {})}
    table = {one.name: one for one in declared_otherwise._fields("TrainingArguments", {}, {})}
    assert table.keys() <= there.keys()
    for name, ours in table.items():
        if ours.default is not None:
            assert there[name].default in (ours.default, None), name


@pytest.mark.parametrize("text", ["import click\n@click.option\ndef main(): pass\n", "import typer\ntyper.run(None)\n"])
def test_what_declares_nothing_that_can_be_read_is_no_error(tmp_path: Path, text: str) -> None:
    assert named(made(tmp_path, text, "{folder}")) == {}
