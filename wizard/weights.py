"""Fourth decision: from scratch, or from weights that somebody trained before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from presets.catalogue import Architecture
from presets.language import Message, say
from state import decisions, files
from state.database import Store
from state.decisions import Decision
from state.errors import Invalid, NotFound
from wizard import architecture, configuration, inspection, model_names, weights_file
from wizard.question import Choice, Option, Question, Settled

STEP = "weights"
SCRATCH = "scratch"
HUB = "hub"
# What configurations of transformers call the number of layers and the hidden size.
SIZES = (("num_hidden_layers", "n_layers"), ("hidden_size", "dim"))
# With fewer examples than this, published weights nearly always win by far on natural images and texts.
FEW = 20_000
# The one family of the catalogue whose published weights were made with texts in other languages than English.
MANY_LANGUAGES = "xlm-roberta"


def ask(store: Store) -> Question:
    """Where the first weights come from. Nothing is recommended that needs the network."""
    entry = architecture.chosen(store)
    options = [Option(SCRATCH, SCRATCH, say("random weights: nothing to fetch, and every result is your data's own"))]
    if entry is None or entry.pretrained:
        source = entry.pretrained if entry else configuration.current(store)["model.name"]
        licence = entry.licence if entry and entry.licence else say("licence: see there")
        note = say("published weights, {source} ({licence}): fetched over the network", source=source, licence=licence)
        options.append(Option(HUB, HUB, note))
    return Question(
        step=STEP,
        rows=("W1", "G1"),
        text=say("Which weights should training start from? (The path of weights on this machine can be typed.)"),
        evidence=tuple(_evidence(store, entry)),
        options=tuple(options),
        recommended=SCRATCH,
        reason=say(
            "Works without the network and shows what the data themselves give; other weights can be chosen later."
        ),
        free="text",
    )


def settle(store: Store, question: Question, chosen: Choice) -> Settled:
    """From scratch with the sizes of the architecture; otherwise the weights bring their own."""
    entry = architecture.chosen(store)
    text = str(chosen).strip()
    if text == SCRATCH:
        _check_type(configuration.current(store))
        return Settled({"model.pretrained": ""}, question.reason)
    if text == HUB:
        reason = say("published weights were asked for; they are fetched over the network")
        return Settled(_settings(entry, HUB), reason)
    path = _path(text)
    _check(path, store)
    reason = say("weights on this machine: {path}", path=path)
    if sizes := _sizes(path):
        reason = say(
            "{reason}; they define the size: {layers} layers of {width}, whatever size was chosen",
            reason=reason,
            layers=sizes[0],
            width=sizes[1],
        )
    return Settled(_settings(entry, str(path)), reason)


def valid(store: Store, decision: Decision) -> bool:
    """Whether the decision still stands: the architecture is the one it was made for."""
    return configuration.same(store, decision, architecture.STEP)


def _settings(entry: Architecture | None, pretrained: str) -> dict[str, Any]:
    if entry is None:
        return {"model.pretrained": pretrained}
    settings = entry.overrides(pretrained)
    del settings["data.task"]
    # Sizes that the architecture sets for training from scratch: a checkpoint brings its own, and its own tokenizer.
    sizes = (key for key in entry.settings if key != "model.vocabulary_size")
    return {**dict.fromkeys(sizes, 0), **settings}


def _check_type(values: Mapping[str, Any]) -> None:
    """Refuses to begin from scratch what only the hub can have: a name that is no model type of transformers."""
    name = values["model.name"]
    if values["model.library"] == "transformers" and not model_names.is_known("transformers", name):
        raise NotFound(
            "transformers has no model type {name!r}, so nothing can be trained from scratch by that name. Near it: "
            "{names}. Decide the architecture anew, or take published weights of that name.",
            name=name,
            names=model_names.similar("transformers", name) or "-",
        )


def _path(text: str) -> Path:
    """Where the weights are, seen from where the person stands, as with all paths that are typed."""
    try:
        return Path(text).expanduser().resolve()
    except (RuntimeError, ValueError) as error:
        # No such user, links in a circle, a null character.
        raise Invalid("{path}: {reason}.", path=text, reason=str(error)) from None


def _check(path: Path, store: Store) -> None:
    """Refuses what cannot be weights of the model, as far as that can be seen without loading them."""
    if not path.exists():
        raise NotFound("{path}: there is no such file or folder. Type the path of the weights.", path=str(path))
    wanted = decisions.decision(store, architecture.STEP)
    if wanted is None or wanted.settings["model.library"] != "transformers":
        _check_file(path)
        return
    description = files.read_json(path / "config.json")
    if description is None:
        raise NotFound("{path}: no folder of transformers weights: it has no config.json.", path=str(path))
    for part in sorted(path.glob("*.safetensors")):
        _check_file(part)
    kind = description.get("model_type")
    if kind != wanted.settings["model.name"]:
        raise Invalid(
            "{path}: the weights are of a {kind} model, the chosen architecture is {name}. Choose other weights, or "
            "another architecture first.",
            path=str(path),
            kind=kind,
            name=wanted.settings["model.name"],
        )


def _sizes(path: Path) -> tuple[int, int] | None:
    """Layers and hidden size of a folder of transformers weights, by their description; None where it names neither."""
    description = (files.read_json(path / "config.json") if path.is_dir() else None) or {}
    found = tuple(
        next((description[name] for name in names if isinstance(description.get(name), int)), 0) for names in SIZES
    )
    return (found[0], found[1]) if all(found) else None


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise Invalid(
            "{path}: is a folder. Type the path of a file of weights: safetensors or a state dict.", path=str(path)
        )
    try:
        wrong = weights_file.problem(path)
    except OSError as error:
        raise files.refusal(error, path) from None
    if wrong is not None:
        raise Invalid(wrong.id, **wrong.values)


def _evidence(store: Store, entry: Architecture | None) -> Iterator[Message]:
    examples = inspection.examples(store)
    if examples < FEW:
        yield say(
            "{n} training examples are few to learn from scratch: on photographs and natural language, published "
            "weights usually do much better. On drawings, digits or measurements they may not help.",
            n=examples,
        )
    else:
        yield say(
            "With {n} training examples training from scratch can work well; published weights mostly save time.",
            n=examples,
        )
    if entry is not None and entry.library == "timm" and configuration.current(store)["data.image_size"] < 128:
        yield say(
            "Published weights were trained on large photographs; on images of {size} pixels they lose much of their "
            "worth.",
            size=configuration.current(store)["data.image_size"],
        )
    if entry is not None and _other_language(store, entry):
        yield say(
            "Most of the texts are in Chinese or Japanese, and {weights} was made with English ones: it knows next to "
            "nothing of their characters. In the catalogue {other} has learnt from such texts (choose it as the "
            "architecture), or type the path of weights for that language.",
            weights=entry.pretrained,
            other=MANY_LANGUAGES,
        )
    yield say("Fine-tuning wants a learning rate 10 to 100 times smaller; the search ranges follow this decision.")


def _other_language(store: Store, entry: Architecture) -> bool:
    """Whether most texts are in a language that the published weights have not learnt; a team knows of its own."""
    english = entry.library == "transformers" and entry.pretrained and entry.family != MANY_LANGUAGES
    texts = inspection.known(store).get("texts", {})
    return bool(english and not entry.source and texts.get("unspaced", 0.0) > 0.5)
