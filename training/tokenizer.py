"""From text to numbers: the tokenizer of a pretrained checkpoint, or one trained on the training split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from training.config import Model
from training.splits import DataError, printable

# In this order they get the numbers 0, 1 and 2.
PAD, START, END = "[PAD]", "[CLS]", "[SEP]"
# What a saved one is called, as transformers calls it.
SAVED = "tokenizer.json"
# Characters that are tokenized at a time: meanwhile each takes some 50 bytes, also those that are cut off.
TOGETHER = 2**20


@dataclass(frozen=True)
class Tokenizer:
    """`document` is the content of tokenizer.json, which `tokenizers` and transformers read."""

    document: str
    vocabulary_size: int
    pad_id: int

    def save(self, folder: Path) -> None:
        """Write tokenizer.json into a folder, which is made if need be."""
        folder.mkdir(exist_ok=True)
        (folder / SAVED).write_text(self.document, encoding="utf-8")

    def encode(self, texts: Iterable[str], max_length: int) -> Iterator[np.ndarray]:
        """The token ids of each text, int32, with the marks of its start and end, cut to `max_length`, not padded."""
        backend = Backend.from_str(self.document)
        backend.no_padding()
        backend.enable_truncation(max_length)
        for few in _together(texts):
            for encoding in backend.encode_batch_fast(few):
                yield np.array(encoding.ids, np.int32)


def _together(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts, as many at a time as make up TOGETHER characters."""
    few: list[str] = []
    characters = 0
    for text in texts:
        few.append(text)
        characters += len(text)
        if characters >= TOGETHER:
            yield few
            few, characters = [], 0
    if few:
        yield few


def train(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """A tokenizer of at most `vocabulary_size` tokens learnt from `texts`; the same texts give the same one.

    Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019): whatever the language, nothing is unknown to it.
    Unicode is normalised (NFKC), so full-width and half-width letters are one.
    """
    backend = Backend(models.BPE())
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        min_frequency=2,
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    backend.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, 1), (END, 2)]
    )
    return Tokenizer(backend.to_str(), backend.get_vocab_size(), pad_id=0)


def pretrained(model: Model) -> Tokenizer:
    """The tokenizer of the checkpoint that the configuration names. Raises DataError where it has no usable one."""
    # Takes seconds to import, and not every run needs it.
    from transformers import AutoTokenizer

    hub = model.pretrained == "hub"
    if not hub and not Path(model.pretrained).is_dir():
        raise DataError("model.pretrained: {path} is not a folder with a checkpoint.", path=printable(model.pretrained))
    source = model.name if hub else model.pretrained
    try:
        loaded = AutoTokenizer.from_pretrained(source, local_files_only=not hub, trust_remote_code=False, use_fast=True)
    # The readers of tokenizer files raise errors of every type, a bare Exception included; each is reported.
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise DataError(
            "model.pretrained: no tokenizer can be loaded from {source}: {reason}",
            source=printable(source),
            reason=reason[0] if reason else type(error).__name__,
        ) from error
    if not loaded.is_fast:
        raise DataError(
            "model.pretrained: {source} has no tokenizer.json, nor one that can be made of it.",
            source=printable(source),
        )
    pad = next((mark for mark in (loaded.pad_token_id, loaded.eos_token_id) if mark is not None), 0)
    return Tokenizer(loaded.backend_tokenizer.to_str(), len(loaded), pad)


def identity(model: Model) -> tuple[object, ...]:
    """What tells one tokenizer from another before it is loaded or trained, the training texts aside."""
    if not model.pretrained:
        return ("trained", model.vocabulary_size)
    if model.pretrained == "hub":
        return ("hub", model.name)
    files = [path for path in sorted(Path(model.pretrained).glob("*")) if path.is_file()]
    return ("local", *((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files))
