"""Text data sets: tokenized once, padded batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tokenizers
import torch
from torch import Tensor

from training import cache, splits, tables, texts, tokenizer
from training.config import Config
from training.dataset import Dataset, Split
from training.sentence import unpacked
from training.splits import Part, Skipped


@dataclass(frozen=True, eq=False)
class Texts:
    """Tokenized texts: text i is `ids[offsets[i]:offsets[i + 1]]`; those numbered `rows` belong to this split."""

    ids: Tensor
    offsets: Tensor
    pad_id: int
    rows: Tensor
    labels: Tensor

    def inputs(self, indices: Tensor) -> dict[str, Tensor]:
        rows = self.rows[indices]
        starts, ends = self.offsets[rows], self.offsets[rows + 1]
        lengths = ends - starts
        columns = torch.arange(int(lengths.max()) if len(rows) else 0)
        mask = columns < lengths[:, None]
        places = torch.where(mask, starts[:, None] + columns, 0)
        return {
            "input_ids": torch.where(mask, self.ids[places].long(), self.pad_id),
            "attention_mask": mask.long(),
        }

    def __len__(self) -> int:
        return len(self.labels)


def open_texts(config: Config, folder: Path | None) -> Dataset:
    """The labelled texts, split and tokenized. Raises DataError."""
    data = config.data
    found = texts.listing(data.path)
    code = (cache.code(tables, texts, splits, tokenizer), tokenizers.__version__)
    settings = (data.text_column, data.label_column, data.encoding, data.max_length)
    split_by = (data.validation_fraction, data.split_seed)
    key = "texts-" + cache.key((*code, *settings, *split_by, *tokenizer.identity(config.model), *found.files))
    entry = cache.load(folder, key) if folder else None
    if entry is None:
        entry = _tokenized(config, found)
        if folder:
            cache.save(folder, key, entry.facts, entry.arrays)
    facts, arrays = entry.facts, {name: torch.from_numpy(values) for name, values in entry.arrays.items()}
    marks = tokenizer.Tokenizer(**facts["tokenizer"])

    def split(part: Part) -> Split:
        rows = (arrays["roles"] == part).nonzero()[:, 0]
        return Texts(arrays["ids"], arrays["offsets"], marks.pad_id, rows, arrays["labels"][rows])

    return Dataset(
        tuple(facts["classes"]),
        split(Part.TRAIN),
        split(Part.VALIDATION),
        split(Part.TEST) if (arrays["roles"] == Part.TEST).any() else None,
        (*found.skipped, *(Skipped(path, unpacked(reason)) for path, reason in facts["skipped"])),
        facts["identity"],
        dict(zip(Part, facts["independent"], strict=True)),
        tokenizer=marks,
    )


def _tokenized(config: Config, found: texts.Listing) -> cache.Entry:
    data = config.data
    table = texts.read(found, data)
    share = (data.validation_fraction, data.split_seed) if found.held_out else None
    digests = table.digests()
    roles = splits.assign(table.classes, table.labels, table.parts, digests, share, data.path)
    if config.model.pretrained:
        marks = tokenizer.pretrained(config.model)
    else:
        own = (text for text, role in zip(table.texts, roles, strict=True) if role == Part.TRAIN)
        marks = tokenizer.train(own, config.model.vocabulary_size)
    ids = list(marks.encode(table.texts, data.max_length))
    facts = {
        "classes": table.classes,
        "skipped": [[skip.path, skip.reason.packed()] for skip in table.skipped],
        "identity": splits.identity(table.classes, table.labels, roles, digests),
        "independent": [splits.independent(digests[roles == part]) for part in Part],
        "tokenizer": {"document": marks.document, "vocabulary_size": marks.vocabulary_size, "pad_id": marks.pad_id},
    }
    arrays = {
        "ids": np.concatenate(ids),
        "offsets": np.cumsum([0, *map(len, ids)], dtype=np.int64),
        "labels": table.labels,
        "roles": roles,
    }
    return cache.Entry(facts, arrays)
