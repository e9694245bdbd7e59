"""Labelled texts: the files that are read, rows that are left out, what is refused, and the tokens."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer as Backend
from transformers import AutoTokenizer, BertTokenizer

from training import tokenizer
from training.config import Config, check
from training.data import open_dataset
from training.dataset import Dataset, Split
from training.splits import DataError

HAM = [
    "Ok lar... Joking wif u oni...",
    "I'm gonna be home soon and i don't want to talk about this stuff anymore tonight, k?",
    "Even my brother is not like to speak with me. They treat me like aids patent.",
    'He said "see you at 8", then left',
    "Is that seriously how you spell his name?\nI forgot.",
    "Nah I don't think he goes to usf, he lives around here though",
    "今晚一起吃饭吗？我在老地方等你。",
    "I HAVE A DATE ON SUNDAY WITH WILL!! 😀",
]
SPAM = [
    "WINNER!! As a valued network customer you have been selected to receivea £900 prize reward!",
    "SIX chances to win CASH! From 100 to 20,000 pounds txt> CSH11 and send to 87575. Cost 150p/day",
    "URGENT! You have won a 1 week FREE membership in our £100,000 Prize Jackpot!",
    "恭喜您中奖！请点击链接领取奖金。",
    "Thanks for your subscription to Ringtone UK your mobile will be charged £5/month",
]


def rows() -> list[tuple[str, str]]:
    return [("ham", text) for text in HAM] + [("spam", text) for text in SPAM]


def quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def csv(examples: list[tuple[str, str]], delimiter: str = ",") -> str:
    lines = [delimiter.join(("label", "text"))]
    return "\n".join([*lines, *(delimiter.join((label, quoted(text))) for label, text in examples)]) + "\n"


def write(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
    return path


def config(path: Path, pretrained: str = "", *, vocabulary_size: int = 400, **data: Any) -> Config:
    return check(
        {
            "model": {
                "library": "transformers",
                "name": "bert",
                "pretrained": pretrained,
                "vocabulary_size": vocabulary_size,
            },
            "data": {"task": "text-classification", "path": str(path), **data},
            "optimizer": {"name": "sgd", "learning_rate": 0.1},
            "training": {"steps": 1, "batch_size": 1, "evaluate_every": 1},
        }
    )


def inputs(split: Split, indices: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    found = split.inputs(torch.arange(len(split)) if indices is None else indices)
    assert isinstance(found, dict)
    return found


def words(dataset: Dataset, split: Split) -> set[str]:
    """The texts that the tokens of a split stand for."""
    assert dataset.tokenizer
    backend = Backend.from_str(dataset.tokenizer.document)
    return {text.strip() for text in backend.decode_batch(inputs(split)["input_ids"].tolist())}


def encoded(marks: tokenizer.Tokenizer, texts: list[str], max_length: int) -> list[list[int]]:
    return [ids.tolist() for ids in marks.encode(texts, max_length)]


@pytest.mark.parametrize("name", ["sms.csv", "SMS.TSV", "sms.jsonl", "sms.ndjson"])
def test_each_format_gives_the_same_examples(tmp_path: Path, name: str) -> None:
    if name.lower().endswith("sv"):
        content = csv(rows(), "," if name.endswith("csv") else "\t")
    else:
        content = "\n".join(json.dumps({"id": 1, "text": text, "label": label}) for label, text in rows())
    dataset = open_dataset(config(write(tmp_path / name, content)))
    assert dataset.classes == ("ham", "spam")
    assert dataset.skipped == ()
    # What NFKC changes in these texts: the full-width marks.
    wanted = {text.replace("？", "?").replace("！", "!") for text in HAM + SPAM}
    assert words(dataset, dataset.train) | words(dataset, dataset.validation) == wanted
    assert [len(dataset.train), len(dataset.validation)] == [10, 3]
    assert (dataset.train.labels.tolist().count(0), dataset.validation.labels.tolist().count(0)) == (6, 2)


def test_batches_are_padded_to_their_longest_text_and_masked(tmp_path: Path) -> None:
    dataset = open_dataset(config(write(tmp_path / "a.csv", csv(rows())), max_length=12))
    batch = inputs(dataset.train, torch.tensor([3, 0]))
    ids, mask = batch["input_ids"], batch["attention_mask"]
    assert ids.dtype == mask.dtype == torch.int64
    lengths = mask.sum(dim=1)
    assert ids.shape == mask.shape == (2, int(lengths.max()))
    assert dataset.tokenizer
    assert (ids[mask == 0] == dataset.tokenizer.pad_id).all()
    assert (ids[mask == 1] != dataset.tokenizer.pad_id).all()
    whole = inputs(dataset.train)
    assert whole["input_ids"].shape[1] == 12
    assert torch.equal(whole["input_ids"][3][: int(lengths[0])], ids[0][: int(lengths[0])])


def test_a_byte_order_mark_old_line_ends_and_a_missing_last_line_end_are_fine(tmp_path: Path) -> None:
    for name, content in {
        "bom.csv": "\ufeff" + csv(rows()),
        "windows.csv": csv(rows()).replace("\n", "\r\n").removesuffix("\r\n"),
        "mac.csv": csv(rows()).replace("\n", "\r"),
    }.items():
        dataset = open_dataset(config(write(tmp_path / name, content)))
        assert len(dataset.train) + len(dataset.validation) == len(HAM + SPAM)
        assert dataset.skipped == ()
    dataset = open_dataset(config(write(tmp_path / "16.csv", csv(rows()), "utf-16"), encoding="utf-16"))
    assert dataset.skipped == ()


def test_rows_that_cannot_be_used_are_left_out_with_their_line(tmp_path: Path) -> None:
    content = csv(rows()) + 'ham,\n,"no label"\nspam,  \n\nham\nspam,free, prize\n'
    dataset = open_dataset(config(write(tmp_path / "a.csv", content)))
    assert len(dataset.train) + len(dataset.validation) == 13
    # One text has a line end in it, so the fourteen records before these take fifteen lines.
    assert [(skip.path, str(skip.reason)) for skip in dataset.skipped] == [
        ("a.csv:16", "no text"),
        ("a.csv:17", "no label"),
        ("a.csv:18", "no text"),
        ("a.csv:20", "fields: 1, where the header has 2"),
        ("a.csv:21", "fields: 3, where the header has 2"),
    ]


def test_json_lines_that_cannot_be_used_are_left_out_with_their_line(tmp_path: Path) -> None:
    good = [json.dumps({"text": text, "label": label == "spam"}) for label, text in rows()]
    bad = ['{"text": "cut', '["a", "b"]', '{"text": null, "label": 1}', '{"text": ["a"], "label": 1}', '{"text": "x"}']
    path = write(tmp_path / "a.jsonl", "\n".join([*good, "", *bad, "[" * 100_000]))
    dataset = open_dataset(config(path))
    assert dataset.classes == ("false", "true")
    assert [(skip.path, str(skip.reason)) for skip in dataset.skipped] == [
        ("a.jsonl:15", "not valid JSON"),
        ("a.jsonl:16", "not a JSON object"),
        ("a.jsonl:17", "no text"),
        ("a.jsonl:18", "text is not text but a list"),
        ("a.jsonl:19", "no label"),
        ("a.jsonl:20", "not valid JSON"),
    ]


def test_half_an_emoji_does_not_stop_the_tokenizer(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"{text} \ud83d", "label": label}) for label, text in rows()]
    dataset = open_dataset(config(write(tmp_path / "a.jsonl", "\n".join(lines))))
    assert any("\ufffd" in text for text in words(dataset, dataset.train))


def test_missing_and_doubled_columns_are_refused_naming_those_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "v1,v2,,\nham,hello,,\nspam,win,,\n")
    with pytest.raises(DataError, match=r"a\.csv: there is no column 'text'; the columns are 'v1', 'v2', '', ''\. "):
        open_dataset(config(path))
    with pytest.raises(DataError, match="there are 2 columns ''"):
        open_dataset(config(path, text_column="v2", label_column=""))
    with pytest.raises(DataError, match=r"data\.label_column: 'v1' is data\.text_column too"):
        open_dataset(config(path, text_column="v1", label_column="v1"))
    semicolons = write(tmp_path / "b.csv", "text;label\nhello;ham\nwin;spam\n")
    with pytest.raises(DataError, match="delimited by ';'"):
        open_dataset(config(semicolons))
    # Quotes that hold commas, or lines, are told of as little as the rest: they are well as they are.
    quoted = write(tmp_path / "c.csv", 'text;label\n"hello,\nyou";ham\n"win ""it""";spam\n')
    with pytest.raises(DataError, match="delimited by ';'"):
        open_dataset(config(quoted))
    lines = write(tmp_path / "a.jsonl", '{"body": "a", "label": 1}\n{"body": "b", "label": 2}\n')
    with pytest.raises(DataError, match="no column 'text'; the columns are 'body', 'label'"):
        open_dataset(config(lines))


@pytest.mark.parametrize(
    ("content", "encoding", "advice"),
    [
        (
            "label,text\nham,café au lait\nspam,un été à Noël\nham,à bientôt\n",
            "cp1252",
            'latin-1" (or "cp1252")',
        ),
        # In Latin-1 the apostrophe would be read as a character that nobody sees.
        ("label,text\nham,café au lait\nspam,l’été à Noël\nham,à bientôt\n", "cp1252", "cp1252"),
        ("label,text\nham,今晚一起吃饭吗？\nspam,恭喜您中奖！\nham,老地方见\n", "gb18030", "gb18030"),
        ("label,text\nham,hello\nspam,win\nham,bye\n", "utf-16", "utf-16"),
    ],
)
def test_a_wrong_encoding_is_located_and_the_right_one_suggested(
    tmp_path: Path, content: str, encoding: str, advice: str
) -> None:
    path = write(tmp_path / "a.csv", content, encoding)
    with pytest.raises(DataError) as caught:
        open_dataset(config(path))
    assert f'data.encoding = "{advice}' in str(caught.value)
    assert f"--encoding {advice.partition(chr(34))[0]}" in str(caught.value)
    assert f"(line {1 if encoding == 'utf-16' else 2}) is not UTF-8" in str(caught.value)
    assert open_dataset(config(path, encoding=encoding)).skipped == ()


def test_a_text_in_utf_8_is_known_as_such(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "label,text\nham,café\n", "utf-8")
    with pytest.raises(DataError, match=r'is not ascii; set data\.encoding = "utf-8"'):
        open_dataset(config(path, encoding="ascii"))


def test_what_is_no_text_file_or_no_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="save a spreadsheet"):
        open_dataset(config(write(tmp_path / "sheet.csv", b"PK\x03\x04\x00\x00\xff\xd0")))
    with pytest.raises(DataError, match=r"data\.encoding: 'utf9'"):
        open_dataset(config(write(tmp_path / "a.csv", csv(rows())), encoding="utf9"))
    with pytest.raises(DataError, match=r"data\.encoding: 'base64'"):
        open_dataset(config(tmp_path / "a.csv", encoding="base64"))


def test_a_quote_that_is_never_closed_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv(rows()) + 'ham,"he said\nspam,win\nham,hello\n')
    with pytest.raises(DataError, match=r"a\.csv:16: a quote .* never closed"):
        open_dataset(config(path))


def test_a_quote_that_swallows_the_rows_up_to_the_next_is_refused_with_both_lines(tmp_path: Path) -> None:
    opened = ("", '"')
    lines = [f"{opened[number % 10 == 5]}message {number},{'ab'[number % 2]}" for number in range(40)]
    path = write(tmp_path / "a.csv", "\n".join(["text,label", *lines]))
    with pytest.raises(DataError, match=r"a\.csv:7: a quote .* takes in all rows up to line 17, .* remove it"):
        open_dataset(config(path))
    # With the first of four closed, the last has none to end at.
    path.write_text(path.read_text().replace('"message 5,', '"message 5",'))
    with pytest.raises(DataError, match=r"a\.csv:37: a quote .* never closed"):
        open_dataset(config(path))


def test_quotes_that_harm_nobody_are_read_as_they_are(tmp_path: Path) -> None:
    texts = ['"two\nlines"', '"with ""quotes"" on\r\nboth, and a comma"', '"ends in ""\none"""', 'a 5" disk', '"x" ']
    content = "\n\n".join(["text,label", *(f"{text},{'ab'[place % 2]}" for place, text in enumerate(texts))])
    dataset = open_dataset(config(write(tmp_path / "a.csv", content + "\n\n"), validation_fraction=0.4))
    assert dataset.skipped == ()
    wanted = {"two\nlines", 'with "quotes" on\r\nboth, and a comma', 'ends in "\none"', 'a 5" disk', "x"}
    assert words(dataset, dataset.train) | words(dataset, dataset.validation) == wanted


def test_quotes_in_tab_separated_files_may_be_meant_literally(tmp_path: Path) -> None:
    lines = ["text\tlabel", '" the film is\tgood', "very dull\tbad", 'said "great" "\tgood', '"no\tbad', "fine\tgood"]
    dataset = open_dataset(config(write(tmp_path / "a.tsv", "\n".join(lines))))
    assert dataset.skipped == ()
    everything = words(dataset, dataset.train) | words(dataset, dataset.validation)
    assert everything == {'" the film is', "very dull", 'said "great" "', '"no', "fine"}


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", "", "the file is empty"),
        ("a.csv", "label,text\n", "at least two classes"),
        ("a.csv", "label,text\nham,a\nham,b\n", "at least two classes are needed; there is only one, 'ham'"),
        ("a.csv", "label,text\nham,a\nspam,b\n", "nothing can be held out"),
        ("a.csv", "label,text\nham,a\nspam\nspam\n", r"2 of 3 cannot be used, the first being a\.csv:3 \(fields: 1"),
        ("a.jsonl", "", "the file is empty"),
        ("a.jsonl", '[{"text": "a", "label": "b"}]', "JSON array"),
        ("a.xlsx", "", r"none of \.csv"),
    ],
)
def test_unusable_files_are_refused(tmp_path: Path, name: str, content: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        open_dataset(config(write(tmp_path / name, content)))


def test_a_folder_has_a_file_per_split(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", csv(rows()))
    write(tmp_path / "test.jsonl", '{"text": "a test", "label": "spam"}\n')
    held_out = open_dataset(config(tmp_path))
    assert [len(held_out.train), len(held_out.validation), len(held_out.test or ())] == [10, 3, 1]
    assert held_out.skipped == ()
    write(tmp_path / "unlabelled.csv", "text\nwhat is it\n")
    assert [(skip.path, str(skip.reason)) for skip in open_dataset(config(tmp_path)).skipped] == [
        ("unlabelled.csv", "beside the train file, not a split")
    ]
    write(tmp_path / "valid.tsv", csv([("ham", "a validation text"), ("spam", "and another")], "\t"))
    ready_made = open_dataset(config(tmp_path))
    assert [len(ready_made.train), len(ready_made.validation), len(ready_made.test or ())] == [13, 2, 1]
    assert words(ready_made, ready_made.validation) == {"a validation text", "and another"}
    write(tmp_path / "val.csv", csv(rows()))
    with pytest.raises(DataError, match=r"both val\.csv and valid\.tsv"):
        open_dataset(config(tmp_path))
    (tmp_path / "val.csv").unlink()
    write(tmp_path / "valid.tsv", csv([("eggs", "x")], "\t"))
    with pytest.raises(DataError, match=r"valid\.tsv:2: the training split has no class 'eggs'"):
        open_dataset(config(tmp_path))
    (tmp_path / "train.csv").rename(tmp_path / "messages.csv")
    with pytest.raises(DataError, match=r"no train file.*It holds messages\.csv"):
        open_dataset(config(tmp_path))
    with pytest.raises(DataError, match="does not exist"):
        open_dataset(config(tmp_path / "missing"))


@pytest.mark.parametrize(("train", "validation"), [("training.csv", "dev.csv"), ("Train.csv", "eval.csv")])
def test_the_files_of_the_splits_may_have_other_names(tmp_path: Path, train: str, validation: str) -> None:
    write(tmp_path / train, csv(rows()))
    write(tmp_path / validation, csv([("ham", "a validation text"), ("spam", "and another")]))
    write(tmp_path / "testing.csv", csv([("ham", "a test")]))
    dataset = open_dataset(config(tmp_path))
    assert [len(dataset.train), len(dataset.validation), len(dataset.test or ())] == [13, 2, 1]


def test_equal_texts_fall_on_the_same_side(tmp_path: Path) -> None:
    examples = [(("ham", "spam")[number % 2], f"message {number // 3}") for number in range(60)]
    dataset = open_dataset(config(write(tmp_path / "a.csv", csv(examples))))
    assert not words(dataset, dataset.train) & words(dataset, dataset.validation)
    assert len(dataset.validation)


def test_labels_may_be_anything_and_numbers_sort_as_numbers(tmp_path: Path) -> None:
    names = ["10", "9", "[/red]", "two\nlines", "垃圾", 'a "quoted" one']
    content = "label,text\n" + "".join(f"{quoted(name)},{name[0]} {n}\n" for name in names for n in range(2))
    dataset = open_dataset(config(write(tmp_path / "文本 [x].csv", content)))
    assert dataset.classes[:2] == ("9", "10")
    assert set(dataset.classes) == set(names)


def test_the_tokenizer_learns_from_the_training_split_alone(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", csv([("a", "banana banana banana"), ("b", "cherry cherry cherry")] * 3))
    write(tmp_path / "val.csv", csv([("a", "xylophone xylophone"), ("b", "xylophone")] * 5))
    dataset = open_dataset(config(tmp_path))
    assert dataset.tokenizer
    vocabulary = Backend.from_str(dataset.tokenizer.document).get_vocab()
    assert "Ġbanana" in vocabulary
    assert not [token for token in vocabulary if "xy" in token]
    assert dataset.tokenizer.vocabulary_size == len(vocabulary) < 400


def test_the_vocabulary_has_the_size_asked_for_and_the_saved_file_gives_the_same_tokens(tmp_path: Path) -> None:
    texts = [f"{first}{second} {second}{first}" for first in "abcdefghijk" for second in "lmnopqrstuv"] + HAM + HAM
    trained = tokenizer.train(texts, 350)
    assert trained.vocabulary_size == 350
    trained.save(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert loaded(HAM)["input_ids"] == encoded(trained, HAM, 512)


def test_texts_are_tokenized_a_few_at_a_time_as_if_all_at_once() -> None:
    trained = tokenizer.train(HAM + SPAM, 400)
    taken: list[int] = []

    def many() -> Iterator[str]:
        for number in range(20):
            taken.append(number)
            yield f"{number} {HAM[number % len(HAM)]} " * 2000

    found = trained.encode(many(), 16)
    assert next(found).dtype == np.int32
    assert len(taken) < 20
    backend = Backend.from_str(trained.document)
    backend.enable_truncation(16)
    assert encoded(trained, list(many()), 16) == [one.ids for one in backend.encode_batch(list(many()))]


def test_training_a_tokenizer_in_another_process_gives_the_same_one() -> None:
    code = (
        "import sys, hashlib, json; from training.tokenizer import train\n"
        "print(hashlib.sha256(train(json.loads(sys.argv[1]), 600).document.encode()).hexdigest())"
    )
    texts = [f"{text} 第{number}条 {number * 7919}" for number in range(60) for text in HAM + SPAM]
    command = [sys.executable, "-c", code, json.dumps(texts)]
    results = {subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(3)}
    assert len(results) == 1


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A local BERT tokenizer as checkpoints have it: a WordPiece vocabulary."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "win", "##ner", "you", "have", "won", "!", "中", "奖"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    (folder / "config.json").write_text('{"model_type": "bert"}')
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def test_a_local_checkpoint_brings_its_own_tokenizer(tmp_path: Path, checkpoint: Path) -> None:
    path = write(tmp_path / "a.csv", csv([("a", "WINNER !"), ("b", "you have won"), ("b", "中奖"), ("a", "won")]))
    dataset = open_dataset(config(path, str(checkpoint), validation_fraction=0.5))
    assert dataset.tokenizer
    assert (dataset.tokenizer.vocabulary_size, dataset.tokenizer.pad_id) == (13, 0)
    assert encoded(dataset.tokenizer, ["WINNER !", "you 中奖"], 8) == [[2, 5, 6, 10, 3], [2, 7, 11, 12, 3]]
    assert encoded(dataset.tokenizer, ["you have won"], 4) == [[2, 7, 8, 3]]


def test_a_checkpoint_without_a_usable_tokenizer_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv(rows()))
    with pytest.raises(DataError, match=r"model\.pretrained: .*missing is not a folder"):
        open_dataset(config(path, str(tmp_path / "missing")))
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match=r"model\.pretrained: no tokenizer can be loaded from .*bare"):
        open_dataset(config(path, str(tmp_path / "bare")))
    write(tmp_path / "broken" / "tokenizer.json", "{}")
    write(tmp_path / "broken" / "config.json", '{"model_type": "bert"}')
    with pytest.raises(DataError, match=r"model\.pretrained: no tokenizer can be loaded from .*broken"):
        open_dataset(config(path, str(tmp_path / "broken")))


def test_the_cache_gives_the_same_tokens_and_follows_every_setting(tmp_path: Path) -> None:
    path, cache = write(tmp_path / "a.csv", csv(rows()) + "spam,\n"), tmp_path / "cache"
    first, again = open_dataset(config(path), cache), open_dataset(config(path), cache)
    assert len(list(cache.glob("*.json"))) == 1
    for one, other in ((first.train, again.train), (first.validation, again.validation)):
        assert torch.equal(inputs(one)["input_ids"], inputs(other)["input_ids"])
        assert torch.equal(one.labels, other.labels)
    assert (first.classes, first.skipped, first.tokenizer) == (again.classes, again.skipped, again.tokenizer)
    assert len(first.skipped) == 1
    changes: list[dict[str, Any]] = [
        {"max_length": 5},
        {"split_seed": 3},
        {"vocabulary_size": 300},
        {"validation_fraction": 0.5},
    ]
    for change in changes:
        open_dataset(config(path, **change), cache)
    assert len(list(cache.glob("*.json"))) == 5
    assert inputs(open_dataset(config(path, max_length=5), cache).train)["input_ids"].shape[1] == 5
    write(path, csv(rows()))
    assert open_dataset(config(path), cache).skipped == ()


def test_long_texts_are_no_problem_for_the_reader(tmp_path: Path) -> None:
    long = "word " * 100_000
    path = write(tmp_path / "a.csv", csv([("a", long), ("b", long + "end"), ("a", "short"), ("b", "tiny")]))
    dataset = open_dataset(config(path, validation_fraction=0.5))
    assert inputs(dataset.train)["input_ids"].shape[1] <= 128


def test_the_same_texts_elsewhere_are_the_same_data_and_others_are_not(tmp_path: Path):
    """Whatever the place, the length they are cut to, and the cache."""
    first = open_dataset(config(write(tmp_path / "one.csv", csv(rows())))).identity
    moved = write(tmp_path / "elsewhere" / "two.csv", csv(rows()))
    for length in (8, 16):
        for _ in range(2):
            assert open_dataset(config(moved, max_length=length), tmp_path / "cache").identity == first
    assert open_dataset(config(write(moved, csv([*rows(), ("ham", "One more.")])))).identity != first
