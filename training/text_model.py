"""Text classifiers of transformers, from scratch, from a local checkpoint folder, or from the hub."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForSequenceClassification,
)
from transformers.utils import logging

from training import device as devices
from training.config import Config, ConfigError, Problem
from training.sentence import brief, phrase

if TYPE_CHECKING:
    from training.dataset import Facts

# The settings of ours that size a network from scratch, by the names that transformers' configurations share.
SIZES = {"layers": "num_hidden_layers", "hidden_size": "hidden_size", "heads": "num_attention_heads"}
# The width of the feed-forward layers, which has no one name; four times the hidden size, as in the papers.
FEED_FORWARD = ("intermediate_size", "hidden_dim", "d_inner")


def network(config: Config, facts: Facts, *, saved: bool = False) -> nn.Module:
    """The transformers model for sequence classification. `saved`, and what is raised: as `model.build` says; what a
    checkpoint of the run has not are the settings beside pretrained weights, which are read in any case."""
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    with _of_a_type_that_works(config):
        settings = _checkpoint_settings(config) if config.model.pretrained else _fresh_settings(config, facts)
        settings.num_labels = facts.classes
        settings.pad_token_id = facts.pad_id
        _set_dropout(settings, config)
        _check(settings, config, facts)
    if config.model.pretrained and not saved:
        model = _from_checkpoint(settings, config)
    else:
        with _of_a_type_that_works(config):
            model = AutoModelForSequenceClassification.from_config(settings, dtype=torch.float32)
    with _of_a_type_that_works(config):
        _classify_blanks(model, config, facts)
    return model


@contextmanager
def _of_a_type_that_works(config: Config) -> Iterator[None]:
    """Say of the type of model what goes wrong in here: transformers has many, and not all do with a tokenizer that
    knows no more than padding, or can be sized by these settings."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        if devices.is_out_of_memory(error):
            raise
        reason = f"{type(error).__name__}: {brief(error)}"
        allowed = phrase(
            "a model type that classifies texts with these settings, such as bert ({reason})", reason=reason
        )
        raise ConfigError((Problem("model.name", config.model.name, allowed),)) from None


def _classify_blanks(model: nn.Module, config: Config, facts: Facts) -> None:
    """Put a text of the greatest length and a shorter one through the model, so that what it cannot do is said before
    the run."""
    mask = torch.ones(2, config.data.max_length, dtype=torch.int64)
    mask[1, 1:] = 0
    word = 0 if facts.pad_id else 1
    model.eval()
    with torch.inference_mode():
        model(input_ids=torch.where(mask.bool(), word, facts.pad_id), attention_mask=mask)
    model.train()


def _fresh_settings(config: Config, facts: Facts) -> Any:
    name = config.model.name
    if name not in CONFIG_MAPPING:
        similar = difflib.get_close_matches(name, list(CONFIG_MAPPING), n=3)
        allowed = phrase("a model type of transformers, such as {names}", names=", ".join(similar or ["bert"]))
        raise ConfigError((Problem("model.name", name, allowed),))
    _check_classifies(CONFIG_MAPPING[name], name)
    usual = AutoConfig.for_model(name)
    chosen: dict[str, Any] = {"vocab_size": facts.vocabulary_size, "pad_token_id": facts.pad_id}
    # RoBERTa and its kin begin to count positions after the id of the padding token.
    chosen["max_position_embeddings"] = config.data.max_length + facts.pad_id + 1
    # The usual ids belong to the published vocabulary, not to the tokenizer that was trained here.
    chosen |= {key: None for key in ("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")}
    for key, theirs in SIZES.items():
        if size := getattr(config.model, key):
            if not hasattr(usual, theirs):
                allowed = phrase("0: {name} has no such setting", name=name)
                raise ConfigError((Problem(f"model.{key}", size, allowed),))
            chosen[theirs] = size
    if config.model.hidden_size:
        chosen |= {key: 4 * config.model.hidden_size for key in FEED_FORWARD if hasattr(usual, key)}
    return AutoConfig.for_model(name, **{key: value for key, value in chosen.items() if hasattr(usual, key)})


def _checkpoint_settings(config: Config) -> Any:
    source, local = _source(config)
    if local and not Path(source).is_dir():
        allowed = phrase(
            "empty, hub, or a folder with a checkpoint. Take other weights, or none: "
            "`tunebook new DIR --weights scratch`"
        )
        raise ConfigError((Problem("model.pretrained", source, allowed),))
    try:
        settings = AutoConfig.from_pretrained(source, local_files_only=local, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        reason = brief(error)
        allowed = phrase("a checkpoint that transformers can read without code of its own ({reason})", reason=reason)
        raise ConfigError((Problem("model.pretrained", config.model.pretrained, allowed),)) from None
    _check_classifies(type(settings), settings.model_type)
    if config.model.name in CONFIG_MAPPING and config.model.name != settings.model_type:
        allowed = phrase("{wanted}, as in {source}", wanted=settings.model_type, source=source)
        raise ConfigError((Problem("model.name", config.model.name, allowed),))
    if config.model.layers > settings.num_hidden_layers:
        allowed = phrase("at most {n}, as {source} has no more", n=settings.num_hidden_layers, source=source)
        raise ConfigError((Problem("model.layers", config.model.layers, allowed),))
    # Fewer layers than the checkpoint has: its first ones.
    settings.num_hidden_layers = config.model.layers or settings.num_hidden_layers
    for key in ("hidden_size", "heads"):
        size, own = getattr(config.model, key), getattr(settings, SIZES[key])
        if size not in (0, own):
            allowed = phrase("0 or {own}, as in {source}", own=own, source=source)
            raise ConfigError((Problem(f"model.{key}", size, allowed),))
    return settings


def _set_dropout(settings: Any, config: Config) -> None:
    """Give every dropout of the network the configured rate, that of its classifier included."""
    rate, path_rate = config.regularization.dropout, config.regularization.drop_path
    # GPT-2 and its kin call theirs resid_pdrop and the like; ESM's token_dropout is a switch.
    keys = [
        key
        for key, value in settings.to_dict().items()
        if ("dropout" in key or key.endswith("pdrop"))
        and isinstance(value, int | float)
        and not isinstance(value, bool)
    ]
    if rate and not keys:
        allowed = phrase("0: {name} has no {what}", name=settings.model_type, what=phrase("dropout"))
        raise ConfigError((Problem("regularization.dropout", rate, allowed),))
    if path_rate:
        allowed = phrase("0: {name} has no {what}", name=settings.model_type, what=phrase("stochastic depth"))
        raise ConfigError((Problem("regularization.drop_path", path_rate, allowed),))
    for key in keys:
        setattr(settings, key, rate)


def _check(settings: Any, config: Config, facts: Facts) -> None:
    if settings.hidden_size % settings.num_attention_heads:
        allowed = phrase("a divisor of the hidden size, {size}", size=settings.hidden_size)
        raise ConfigError((Problem("model.heads", settings.num_attention_heads, allowed),))
    if positions := getattr(settings, "max_position_embeddings", None):
        _check_length(positions, config)
    if facts.vocabulary_size > settings.vocab_size:
        allowed = phrase(
            "a checkpoint for the tokenizer's {wanted} tokens; it has {n}",
            wanted=facts.vocabulary_size,
            n=settings.vocab_size,
        )
        raise ConfigError((Problem("model.pretrained", config.model.pretrained, allowed),))


def _check_length(positions: int, config: Config) -> None:
    if config.data.max_length > positions:
        allowed = phrase("at most {n}, the positions of {name}", n=positions, name=config.model.name)
        raise ConfigError((Problem("data.max_length", config.data.max_length, allowed),))


def _check_classifies(kind: type, name: str) -> None:
    if kind not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        allowed = phrase("a model type that transformers has a sequence classifier for")
        raise ConfigError((Problem("model.name", name, allowed),))


def _from_checkpoint(settings: Any, config: Config) -> nn.Module:
    source, local = _source(config)
    try:
        model, report = AutoModelForSequenceClassification.from_pretrained(
            source,
            config=settings,
            dtype=torch.float32,
            local_files_only=local,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except Exception as error:
        # A connection that breaks off raises errors of the HTTP library's own.
        if local and not isinstance(error, OSError):
            raise
        reason = brief(error)
        allowed = phrase(
            "a checkpoint with weights in safetensors ({reason}). Take other weights, or none: "
            "`tunebook new DIR --weights scratch`",
            reason=reason,
        )
        raise ConfigError((Problem("model.pretrained", config.model.pretrained, allowed),)) from None
    afresh = sorted({*report["missing_keys"], *(mismatch[0] for mismatch in report["mismatched_keys"])})
    # Language models are published without the pooler that classification puts on top; the rest must be there.
    encoder = [key for key in afresh if key.startswith(f"{model.base_model_prefix}.") and ".pooler." not in key]
    if encoder:
        allowed = phrase(
            "weights of {name} ({n} missing or of another shape, such as {first}). Take other weights, or none: "
            "`tunebook new DIR --weights scratch`",
            name=settings.model_type,
            n=len(encoder),
            first=encoder[0],
        )
        raise ConfigError((Problem("model.pretrained", config.model.pretrained, allowed),))
    for name, part in model.named_modules():
        # RoBERTa and its kin begin to count positions after the id of the padding token.
        if name.endswith("position_embeddings") and (padding := getattr(part, "padding_idx", None)) is not None:
            _check_length(len(part.weight) - padding - 1, config)
    if afresh:
        print(f"Starts afresh: {', '.join(afresh)}; the other weights come from {source}.")
    return model


def _source(config: Config) -> tuple[str, bool]:
    """What to load from, and whether it must be on this machine."""
    hub = config.model.pretrained == "hub"
    return (config.model.name if hub else config.model.pretrained), not hub
