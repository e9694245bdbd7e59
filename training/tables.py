"""Tables of texts as files: CSV, TSV and JSON Lines, read row by row with the line that each row begins on."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from training.sentence import Sentence, phrase
from training.splits import DataError, brief, printable

# What a table is delimited by that is not read.
MARKS = ";|\t"
DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
# Columns that are named.
NAMED = 10
JSON_LINES = (".jsonl", ".ndjson")
ENDINGS = (*DELIMITERS, *JSON_LINES)


class Row(NamedTuple):
    """A row: the line it begins on, and either the values of the asked columns or the reason why it has none."""

    line: int
    values: tuple[str, ...]
    reason: Sentence | None = None


def read(path: Path, encoding: str, columns: Sequence[str]) -> list[Row]:
    """The rows of a file; blank lines do not count. Raises DataError for a file that cannot be understood.

    Values that are not text (JSON numbers, true, false) become text as JSON writes them, null becomes "".
    """
    content = _decoded(path, encoding)
    if path.suffix.lower() in JSON_LINES:
        return _json_rows(path, content, columns)
    return _delimited_rows(path, content, columns)


def _decoded(path: Path, encoding: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError("{path}: cannot be read: {reason}.", path=printable(path), reason=str(error.strerror)) from None
    try:
        return content.decode(encoding or "utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        place = {"path": printable(path), "byte": error.start, "line": line, "encoding": encoding or "UTF-8"}
        raise _undecodable(content, place) from None
    except (LookupError, ValueError):
        raise DataError(
            'data.encoding: {encoding!r} is not a known encoding; set "latin-1", say, or leave it empty for UTF-8.',
            encoding=encoding,
        ) from None


def _undecodable(content: bytes, place: Mapping[str, str | int]) -> DataError:
    """What to set instead, judged by the bytes."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _other(place, "utf-16")
    if b"\0" in content:
        return DataError(
            "{path}: byte {byte} (line {line}) is not {encoding}; it holds zero bytes, so it is no text file; save a "
            "spreadsheet or an archive as CSV first.",
            **place,
        )
    if _reads_as(content, "utf-8"):
        return _other(place, "utf-8")
    # Chinese in GB 18030 has its high bytes side by side; Western European texts have accents one by one.
    high = re.findall(rb"[\x80-\xff]+", content)
    if sum(len(run) == 1 for run in high) * 5 < len(high) and _reads_as(content, "gb18030"):
        return _other(place, "gb18030")
    if _reads_as(content, "cp1252") and re.search(rb"[\x80-\x9f]", content):
        # The quotation marks and the euro of Windows; in Latin-1 they are characters that nobody sees.
        return _other(place, "cp1252")
    if _reads_as(content, "cp1252"):
        return DataError(
            '{path}: byte {byte} (line {line}) is not {encoding}; set data.encoding = "{option}" (or "{other}"), with '
            "`tunebook new`: --encoding {option}.",
            **place,
            option="latin-1",
            other="cp1252",
        )
    return _other(place, "latin-1")


def _other(place: Mapping[str, str | int], wanted: str) -> DataError:
    return DataError(
        '{path}: byte {byte} (line {line}) is not {encoding}; set data.encoding = "{option}", with `tunebook new`: '
        "--encoding {option}.",
        **place,
        option=wanted,
    )


def _reads_as(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _delimited_rows(path: Path, content: str, columns: Sequence[str]) -> list[Row]:
    delimiter = DELIMITERS[path.suffix.lower()]
    # Not str.splitlines, which also splits at separators that belong to a text, such as U+2028.
    lines = list(io.StringIO(content, newline=""))
    records = _records(lines, delimiter)
    if not records:
        raise DataError("{path}: the file is empty; its first row must name the columns.", path=printable(path))
    first = records[0][1]
    if len(first) == 1 and any(mark in first[0] for mark in MARKS):
        # By other marks nothing of it is as it seems, and a quote least of all.
        _check_columns(path, first, columns)
    last = records[-1][0]
    if literal := _literal(lines, records) if delimiter == "\t" else []:
        records = literal
    elif len(_records([*lines[last - 1 :], "another row"], delimiter)) == 1:
        raise DataError(
            "{path}:{line}: a quote that opens in this row is never closed; close it.", path=printable(path), line=last
        )
    else:
        _refuse_swallowed(path, lines, records, delimiter)
    header = records[0][1]
    _check_columns(path, header, columns)
    places = [header.index(column) for column in columns]
    rows = []
    for line, fields in records[1:]:
        if len(fields) == len(header):
            rows.append(Row(line, tuple(fields[place] for place in places)))
        else:
            rows.append(
                Row(line, (), phrase("fields: {n}, where the header has {wanted}", n=len(fields), wanted=len(header)))
            )
    return rows


def _refuse_swallowed(
    path: Path, lines: Sequence[str], records: Sequence[tuple[int, list[str]]], delimiter: str
) -> None:
    """Refuse a record whose quote was opened by mistake, so that it took in whole rows up to the next quote.

    A text of several lines that is well quoted ends where its quote does, before a delimiter or the end of a line.
    """
    for (line, fields), (following, _) in pairwise([*records, (len(lines) + 1, [])]):
        if following == line + 1 or not any("\n" in field or "\r" in field for field in fields):
            continue
        reader = csv.reader(lines[line - 1 : following - 1], delimiter=delimiter, strict=True)
        try:
            next(reader)
        except csv.Error:
            raise DataError(
                "{path}:{line}: a quote that opens in this row takes in all rows up to line {end}, where it closes in "
                "the middle of a value; close it in its own row, or remove it.",
                path=printable(path),
                line=line,
                end=line - 1 + reader.line_num,
            ) from None


def _literal(lines: Sequence[str], records: Sequence[object]) -> list[tuple[int, list[str]]]:
    """The records of a TSV file that means its quotes literally, so that they join complete lines; else none."""
    if len(records) == sum(bool(line.strip("\r\n")) for line in lines):
        return []
    literal = _records(lines, "\t", quotes=False)
    return literal if all(len(fields) == len(literal[0][1]) for _, fields in literal) else []


def _records(lines: Sequence[str], delimiter: str, quotes: bool = True) -> list[tuple[int, list[str]]]:
    """First line and fields of each record that is not blank."""
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE)
    records = []
    first = 1
    for fields in reader:
        if fields:
            records.append((first, fields))
        first = reader.line_num + 1
    return records


def _json_rows(path: Path, content: str, columns: Sequence[str]) -> list[Row]:
    if content.lstrip().startswith("["):
        raise DataError("{path}: this is a JSON array; write one object per line instead.", path=printable(path))
    rows: list[Row] = []
    seen: dict[str, None] = {}
    for line, text in enumerate(content.split("\n"), 1):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            rows.append(Row(line, (), phrase("not valid JSON")))
            continue
        if isinstance(record, dict):
            seen |= dict.fromkeys(record)
            rows.append(_json_row(line, record, columns))
        else:
            rows.append(Row(line, (), phrase("not a JSON object")))
    if not rows:
        raise DataError("{path}: the file is empty; it needs one JSON object per line.", path=printable(path))
    if seen:
        _check_columns(path, list(seen), columns)
    return rows


def _json_row(line: int, record: dict[str, Any], columns: Sequence[str]) -> Row:
    values = []
    for column in columns:
        value = record.get(column)
        if isinstance(value, (dict, list)):
            if isinstance(value, list):
                return Row(line, (), phrase("{column} is not text but a list", column=column))
            return Row(line, (), phrase("{column} is not text but a table", column=column))
        if value is None:
            values.append("")
        elif isinstance(value, str):
            # Half an escaped surrogate pair (a text cut within an emoji) is no character and cannot be encoded.
            values.append(value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        else:
            values.append(json.dumps(value))
    return Row(line, tuple(values))


def _check_columns(path: Path, found: Sequence[str], wanted: Sequence[str]) -> None:
    for column in wanted:
        if column not in found:
            names = ", ".join(repr(brief(name)) for name in found[:NAMED]) + (", …" if len(found) > NAMED else "")
            mark = next((mark for mark in MARKS if len(found) == 1 and mark in found[0]), "")
            if mark:
                raise DataError(
                    "{path}: there is no column {column!r}; the columns are {names}. It seems to be delimited by "
                    "{mark!r}; save it as CSV or TSV.",
                    path=printable(path),
                    column=column,
                    names=names,
                    mark=mark,
                )
            raise DataError(
                "{path}: there is no column {column!r}; the columns are {names}. Set data.text_column and "
                "data.label_column to two of them, with `tunebook new`: --text-column NAME --label-column NAME.",
                path=printable(path),
                column=column,
                names=names,
            )
        if found.count(column) > 1:
            raise DataError(
                "{path}: there are {count} columns {column!r}; rename all but one.",
                path=printable(path),
                count=found.count(column),
                column=column,
            )
