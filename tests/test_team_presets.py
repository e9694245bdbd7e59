"""A team's own presets: what they add and change, where they may be, and how a mistake in them is said."""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from presets import catalogue
from presets.team import PresetError
from tests.screens import NARROW, shown, wait_for
from tests.set_up import SPAM, advance, make, set_up
from training.figures import figures
from tui.app import Tunebook
from tui.main import main
from wizard import configuration, flow, team_presets

OURS = """\
[architectures.our-net]          # half of a ResNet-18
like = "resnet18"
model = "resnet10t"
title = "我们的 [net]"
parameters = 4927618
macs = 1096752128
licence = "proprietary"

[architectures.resnet18]
input_size = 160
macs = 925291520

[optimizers.adamw]
popular_for = ["resnet"]

[optimizers.adamw.learning_rate]
default = 3e-4
high = 0.01
"""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's configuration folder is an empty one; afterwards the catalogue is as it comes."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    yield tmp_path / "config" / "tunebook"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nothing"))
    catalogue.use(None)


def written(root: Path, text: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "presets.toml").write_text(text, encoding="utf-8")
    return root


def test_a_new_entry_takes_from_another_what_it_does_not_say(tmp_path: Path) -> None:
    """Added and changed entries say where they come from; the others stay as they are."""
    catalogue.use(written(tmp_path / "p", OURS))
    ours = catalogue.architecture("our-net")
    assert (ours.model, ours.input_size, ours.family, ours.licence) == ("resnet10t", 224, "resnet", "proprietary")
    assert ours.title == "我们的 [net]"
    # What is known of one model alone is not said of another.
    assert (ours.size, ours.pretrained, ours.note) == ("our-net", "", None)
    assert ours.source == str(tmp_path / "p" / "presets.toml")
    changed = catalogue.architecture("resnet18")
    assert (changed.input_size, changed.macs, changed.source) == (160, 925291520, ours.source)
    assert catalogue.architecture("resnet34").source == ""


def test_what_a_team_leaves_out_of_the_fine_tuning_table_is_as_it_comes(tmp_path: Path) -> None:
    """Not as from scratch, whose steps would destroy what was learnt before."""
    comes = catalogue.hyperparameter("optimizer.learning_rate", "adamw", fine_tuning=True)
    text = "[optimizers.adamw.learning_rate]\nfine_tuning = { default = 1e-4 }\n"
    catalogue.use(written(tmp_path / "p", text))
    ours = catalogue.hyperparameter("optimizer.learning_rate", "adamw", fine_tuning=True)
    assert (ours.default, ours.low, ours.high) == (1e-4, comes.low, comes.high)
    assert ours.source == str(tmp_path / "p" / "presets.toml")


def test_what_the_readme_shows_is_right(tmp_path: Path) -> None:
    """Its example is read, and its figures are those of the model that it names."""
    readme = Path(__file__).parent.parent.joinpath("README.md").read_text(encoding="utf-8")
    example = textwrap.dedent(
        readme[readme.index("    [architectures.our-net]") : readme.index("\n## In the terminal")]
    )
    catalogue.use(written(tmp_path / "p", example))
    ours = catalogue.architecture("our-net")
    settings = {"model.library": ours.library, "model.name": ours.model, "data.image_size": ours.input_size}
    now = figures({"data.task": ours.task, **settings}, classes=10)
    assert now == {"parameters": ours.parameters, "macs": ours.macs, "normalisation": ours.normalisation}
    assert catalogue.hyperparameter("optimizer.learning_rate", "adamw").default == 3e-4


def test_ranges_and_the_usual_optimizer_of_a_family_can_be_changed(tmp_path: Path) -> None:
    """What is not said stays, and the source names the file."""
    catalogue.use(written(tmp_path / "p", OURS))
    rate = catalogue.hyperparameter("optimizer.learning_rate", "adamw")
    assert (rate.default, rate.low, rate.high) == (3e-4, 1e-5, 0.01)
    assert rate.source.endswith("presets.toml")
    assert catalogue.recommended_optimizer("resnet").name == "adamw"
    assert catalogue.hyperparameter("optimizer.learning_rate", "sgd").default == 0.1


def test_the_project_has_the_last_word_over_the_user(tmp_path: Path, alone: Path) -> None:
    written(alone, "[architectures.resnet18]\ninput_size = 96\nmacs = 333108224\nyear = 2020\n")
    catalogue.use(written(tmp_path / "p", OURS))
    entry = catalogue.architecture("resnet18")
    assert (entry.input_size, entry.year) == (160, 2020)
    catalogue.use(tmp_path / "elsewhere")
    assert catalogue.architecture("resnet18").input_size == 96


def test_an_entry_of_the_team_s_own_can_be_chosen(tmp_path: Path) -> None:
    """It stands beside the others in the question, and its model goes into the configuration."""
    catalogue.use(written(tmp_path / "presets", OURS))
    with set_up(tmp_path / "p", "architecture") as store:
        assert "our-net" in {option.value for option in flow.ask(store, "architecture").options}
        flow.answer(store, "architecture", "our-net")
        advance(store, "batch_size")
        values = configuration.current(store)
    assert values["model.name"] == "resnet10t"
    assert values["optimizer.name"] == "adamw"


def test_of_a_family_that_nobody_knows_no_optimizer_is_said_to_be_the_usual_one(tmp_path: Path) -> None:
    like = "[architectures.our-net]\nlike = 'resnet18'\nfamily = 'ours'\ntitle = 'OurNet'\n"
    root = written(tmp_path / "presets", like)
    team_presets.use(root)
    with set_up(tmp_path / "p", "optimizer", architecture="our-net") as store:
        question = flow.ask(store, "optimizer")
    assert question.recommended == "adamw"
    assert question.reason.text() == "AdamW is the safe choice for a model that the catalogue does not know."
    team_presets.use(written(tmp_path / "presets", f"{like}[optimizers.nadamw]\npopular_for = ['ours']\n"))
    with set_up(tmp_path / "q", "optimizer", architecture="our-net") as store:
        assert flow.ask(store, "optimizer").reason.text() == "NAdamW is what is used most for OurNet."


def test_weights_of_a_checkpoint_come_with_their_vocabulary(tmp_path: Path) -> None:
    settings = "{ 'model.layers' = 2, 'model.hidden_size' = 128, 'model.heads' = 2, 'model.vocabulary_size' = 400 }"
    figures = f"parameters = 1\nmacs = 1\nsettings = {settings}\n"
    team_presets.use(written(tmp_path / "presets", f"[architectures.bert-tiny]\n{figures}"))
    with set_up(tmp_path / "p", "baseline", SPAM, architecture="bert-tiny", weights="hub") as store:
        values = configuration.checked(store)
    assert (values["model.layers"], values["model.pretrained"]) == (0, "hub")


def test_0_switches_off_and_what_the_catalogue_has_outside_its_ranges_may_stay(tmp_path: Path) -> None:
    """Weight decay of SGD is 0 while it is fixed, below its range on a log scale."""
    text = "[optimizers.sgd.weight_decay]\nhigh = 0.01\n\n[optimizers.adamw.weight_decay]\ndefault = 0.0\n"
    team_presets.use(written(tmp_path / "p", text))
    assert catalogue.hyperparameter("optimizer.weight_decay", "sgd").high == 0.01
    assert catalogue.hyperparameter("optimizer.weight_decay", "adamw").default == 0.0


MISTAKES = [
    ("[architectures.our-net\n", "(at line 1, column 23)"),
    ("[nets.a]\n", "line 1: nets = "),
    ("architectures = 3\n", "line 1: architectures = 3"),
    ("\n[architectures.a]\nlike = 'resnet19'\n", "line 3: architectures.a.like = 'resnet19'; allowed: test_resnet"),
    ("[architectures.resnet18]\nmacs = 'many'\n", "line 2: architectures.resnet18.macs = 'many'; allowed: a whole num"),
    ("[architectures.resnet18]\nyear = -1\n", "line 2: architectures.resnet18.year = -1"),
    ("[architectures.resnet18]\nsmall = true\n", "line 2: architectures.resnet18.small = True; allowed: like, family"),
    ("[architectures.resnet18]\nkind = 'fast'\n", "line 2: architectures.resnet18.kind = 'fast'; allowed: convolut"),
    ("[architectures.resnet18]\nlibrary = 'transformers'\n", "line 1: architectures.resnet18: library"),
    ("[architectures.a]\nmodel = 'resnet18'\n", "line 1: architectures.a: missing"),
    (
        "[architectures.bert-tiny]\nparameters = 1\nmacs = 1\nsettings = { 'model.layerz' = 2 }\n",
        "line 4: architectures.bert-tiny.settings.model.layerz = 2; allowed: model.layers, model.hidden_size",
    ),
    (
        "[architectures.bert-tiny]\nparameters = 1\nmacs = 1\nsettings = { 'training.steps' = 2 }\n",
        "line 4: architectures.bert-tiny.settings.training.steps = 2; allowed: model.layers",
    ),
    (
        "[architectures.bert-tiny]\nparameters = 1\nmacs = 1\nsettings = { 'model.layers' = 'two' }\n",
        "line 4: architectures.bert-tiny.settings.model.layers = 'two'; allowed: a whole number",
    ),
    ("[optimizers.adam]\npopular_for = ['resnett']\n", "line 2: optimizers.adam.popular_for = ['resnett']; allowed: "),
    ("[optimizers.adam]\npopular_for = [3]\n", "line 2: optimizers.adam.popular_for = [3]; allowed: resnet, mobile"),
    ("[optimizers.lion]\n", "line 1: optimizers.lion = 'lion'; allowed: adamw, sgd"),
    ("[optimizers.sgd.beta1]\ndefault = 0.9\n", "line 1: optimizers.sgd.beta1"),
    ("[optimizers.sgd.momentum]\nhigh = 'x'\n", "line 2: optimizers.sgd.momentum.high = 'x'; allowed: a number"),
    (
        "[optimizers.sgd.momentum]\nhigh = 2.0\n",
        "line 2: optimizers.sgd.momentum.high: high = 2.0; wanted: less than 1",
    ),
    (
        "[optimizers.sgd.learning_rate]\nlow = 1.0\nhigh = 0.1\n",
        "line 3: optimizers.sgd.learning_rate.high: low = 1.0, high = 0.1; wanted: finite numbers, low below high",
    ),
    (
        "[optimizers.sgd.momentum]\nscale = 'cubic'\n",
        "line 2: optimizers.sgd.momentum.scale = 'cubic'; allowed: lin",
    ),
    *(
        (f"[optimizers.adamw.learning_rate]\n{given}\n", f"line 2: optimizers.adamw.learning_rate.{said}")
        for given, said in (
            (
                "kind = 'int'",
                "kind = 'int'; allowed: default, low, high, opens_at, scale, source, choices, fine_tuning",
            ),
            ("kind = 'categorical'\nchoices = [1e-3, 1e-2]", "kind = 'categorical'; allowed: default"),
            ("share_of = 'nonsense'", "share_of = 'nonsense'; allowed: default"),
            ("unit = 5", "unit = 5; allowed: default"),
            ("key = 'x'", "key = 'x'; allowed: default"),
            ("fine_tuning = { kind = 'int' }", "fine_tuning.kind = 'int'; allowed: default"),
            ("opens_at = -1", "opens_at = -1; allowed: a whole number, at least 0"),
            ("opens_at = true", "opens_at = True; allowed: a whole number, at least 0"),
            ("opens_at = 1.5", "opens_at = 1.5; allowed: a whole number, at least 0"),
            ("default = true", "default = True; allowed: a number"),
            ("source = 5", "source = 5; allowed: text"),
        )
    ),
    (
        "[optimizers.sgd.momentum]\nlow = -inf\nscale = 'linear'\n",
        "line 2: optimizers.sgd.momentum.low: low = -inf, high = 0.995; wanted: finite numbers",
    ),
    (
        "[optimizers.adamw.learning_rate]\nfine_tuning = { default = 5e-3 }\n",
        "line 2: optimizers.adamw.learning_rate.fine_tuning.default = 0.005; allowed: from 1e-06 to 0.001",
    ),
    ("[optimizers.sgd.momentum]\nchoices = 3\n", "line 2: optimizers.sgd.momentum.choices = 3; allowed: a list"),
    ("[optimizers.sgd.momentum]\nfine_tuning = 3\n", "line 2: optimizers.sgd.momentum.fine_tuning = 3; allowed: a tab"),
    (
        "[optimizers.adamw.learning_rate]\n\ndefault = 3\n",
        "line 3: optimizers.adamw.learning_rate.default = 3; allowed: from 1e-05 to 0.03, its search range",
    ),
    (
        "[optimizers.sgd.learning_rate]\nhigh = 0.05\n",
        "line 2: optimizers.sgd.learning_rate.high = 0.05; allowed: a range with the default in it, 0.1",
    ),
    (
        "[optimizers.adamw.learning_rate]\nfine_tuning = { default = 1.0, low = 1e-6, high = 1e-3 }\n",
        "line 2: optimizers.adamw.learning_rate.fine_tuning.default = 1.0; allowed: from 1e-06 to 0.001",
    ),
    (
        "[optimizers.sgd.learning_rate]\nlow = -1.0\nscale = 'linear'\n",
        "line 2: optimizers.sgd.learning_rate.low = -1",
    ),
    (
        "[optimizers.sgd.learning_rate]\ndefault = -1.0\n",
        "line 2: optimizers.sgd.learning_rate.default = -1.0; allowed: ",
    ),
    (
        "[optimizers.sgd.momentum]\nscale = 'linear'\ndefault = 2\nhigh = 3\n",
        "line 3: optimizers.sgd.momentum.default = 2; allowed: at least 0 and less than 1",
    ),
    (
        "[architectures.a]\nlike = 'resnet18'\nmodel = 'resnet14zz'\nparameters = 1\nmacs = 1\n",
        "line 3: architectures.a.model = 'resnet14zz'; allowed: a model of timm; near it: resnet14t",
    ),
    (
        # Without figures, too: they could not be counted.
        "[architectures.a]\nlike = 'resnet18'\nmodel = 'resnet14zz'\n",
        "line 3: architectures.a.model = 'resnet14zz'; allowed: a model of timm; near it: resnet14t",
    ),
    ("[optimizers.sgd.momentum]\nlow = 0.1\nhi = 2.0\n", "line 3: optimizers.sgd.momentum.hi = 2.0; allowed: def"),
    (
        "[architectures.a]\nlike = 'resnet18'\nmodel = 'resnet14t'\nmacs = 1\n",
        "line 1: architectures.a: parameters missing, which model changes; this prints what they are: "
        + shlex.quote(sys.executable)
        + """ -m training.figures --library timm --name resnet14t --settings '{"data.image_size": 224}'""",
    ),
    (
        "[architectures.a]\nlike = 'bert-tiny'\ninput_size = 64\n",
        """'{"data.max_length": 64, "model.layers": 2, "model.hidden_size": 128, "model.heads": 2}' --classes 2""",
    ),
    (
        "[architectures.resnet18]\nsettings = { a = 2020-01-01 }\n",
        "line 2: architectures.resnet18.settings = {'a': datetime.date(2020, 1, 1)}; allowed: a table such as "
        '{ "model.layers" = 2 }',
    ),
    ("[architectures.resnet18]\nsettings = { model.layers = 2 }\n", "allowed: a table such as"),
    ("[architectures.resnet18]\ninput_size = 160\n", "architectures.resnet18: macs missing, which input_size changes"),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_a_mistake_is_one_error_with_file_line_and_key(tmp_path: Path, text: str, said: str) -> None:
    """And the catalogue is as it comes afterwards."""
    with pytest.raises(PresetError) as caught:
        team_presets.use(written(tmp_path / "p", text))
    assert str(tmp_path / "p" / "presets.toml") in str(caught.value)
    assert said in str(caught.value)
    assert catalogue.architecture("resnet18").input_size == 224


def test_a_file_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "presets.toml").write_bytes(b"# x\n# \xff\n")
    with pytest.raises(PresetError, match="line 2: this is not UTF-8"):
        catalogue.use(tmp_path)


def test_the_command_says_a_mistake_in_a_line_and_shows_what_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one error; with --json the entry tells its file."""
    written(tmp_path, "[architectures.resnet18]\nyear = 'old'\n")
    with pytest.raises(SystemExit) as ended:
        main(["presets", "--project", str(tmp_path)])
    assert ended.value.code == 2
    assert "line 2: architectures.resnet18.year = 'old'" in capsys.readouterr().err
    written(tmp_path, OURS)
    with pytest.raises(SystemExit) as ended:
        main(["presets", "--project", str(tmp_path), "--filter", "our-net", "--json"])
    assert ended.value.code == 0
    (entry,) = json.loads(capsys.readouterr().out)["architectures"]
    assert entry["source"] == str(tmp_path / "presets.toml")


async def test_the_screens_say_a_mistake_and_stay(tmp_path: Path) -> None:
    """A project whose presets are broken is not opened; what is wrong is on the page."""
    project = make(tmp_path / "p")
    written(project.root, "[architectures.resnet18]\nyear = 'old'\n")
    app = Tunebook(project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for(pilot, lambda: "architectures.resnet18.year" in shown(app).replace("\n", ""))
