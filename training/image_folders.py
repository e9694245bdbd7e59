"""Image files in class folders, or in train, validation and test folders of class folders: which there are.

No torch here: the inspection of the data starts without it.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from training.sentence import phrase
from training.splits import PART_NAMES, DataError, Part, Skipped, brief, printable, refuse_class, sorted_classes

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
# Files beside images that may have their labels, and files of texts.
LABELS = (".csv", ".tsv", ".json", ".jsonl", ".xlsx")
TEXTS = (".txt", ".md", ".html", ".eml")
# Folders that are named in one sentence.
NAMED = 5


class File(NamedTuple):
    """An image file: its path under the root, its class and split, and what tells a changed file from the same one."""

    path: str
    label: int
    part: Part
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Listing:
    """All image files, by split, class and name. `held_out`: no validation folder, so some of train must serve.
    `empty`: folders of classes that hold no file at all, and are no classes therefore."""

    root: Path
    classes: tuple[str, ...]
    files: tuple[File, ...]
    skipped: tuple[Skipped, ...]
    held_out: bool
    empty: tuple[str, ...] = ()


def listing(path: str) -> Listing:
    """The image files under `path`: class folders, or train, validation and test folders of class folders.

    Hidden files are ignored, other types and hidden class folders recorded as skipped. Raises DataError where that is
    not what `path` holds, and for a class of which there are other files alone: they may be its images, and without
    them it would be lost.
    """
    root = Path(path)
    if not os.path.exists(root):
        raise DataError("data.path: {path} does not exist.", path=printable(root))
    if not root.is_dir():
        raise DataError(
            "data.path: {path} is a file; images are expected in a folder of class folders.", path=printable(root)
        )
    skipped: list[Skipped] = []
    folders = _part_folders(root, skipped)
    by_class: dict[str, list[tuple[Part, str]]] = {}
    for part, folder in folders.items():
        names, files = _entries(root / folder)
        for name in names:
            by_class.setdefault(printable(name), []).append((part, os.path.join(folder, name)))
        skipped += [Skipped(printable(os.path.join(folder, name)), phrase("not in a class folder")) for name in files]
        skipped += [
            Skipped(printable(os.path.join(folder, name)), phrase("a folder of images whose name begins with a dot"))
            for name in _hidden(root / folder)
        ]
        if not folder and len(names) < 2:
            _refuse_one(root, names, files)
    if not by_class:
        raise DataError(
            "data.path: {path} holds no class folders; put each class in a folder of its own.", path=printable(root)
        )
    trained = {name for name, places in by_class.items() if any(part is Part.TRAIN for part, _ in places)}
    classes: list[str] = []
    empty: list[str] = []
    found: list[File] = []
    for name in (*sorted_classes(trained), *sorted_classes(set(by_class) - trained)):
        own, left = [], len(skipped)
        for part, folder in by_class[name]:
            _collect(root, folder, len(classes) if name in trained else -1, part, own, skipped)
        if any(file.part is Part.TRAIN for file in own):
            classes.append(name)
            found += own
        elif own:
            place = printable(root / next(folder for part, folder in by_class[name] if part is own[0].part))
            refuse_class(place, name, trained)
        elif name in trained and len(skipped) > left:
            _refuse_others(root, name, skipped[left:])
        elif name in trained:
            empty += [printable(folder) for part, folder in by_class[name] if part is Part.TRAIN]
    if not classes:
        raise DataError(
            "data.path: {path} holds no image ({endings}); put those of each class into its folder.",
            path=printable(root),
            endings=_endings(),
        )
    found.sort(key=attrgetter("part", "label"))
    held_out = Part.VALIDATION not in folders
    return Listing(root, tuple(classes), tuple(found), tuple(skipped), held_out, tuple(empty))


def _part_folders(root: Path, skipped: list[Skipped]) -> dict[Part, str]:
    """The folder of each split under `root`; {TRAIN: ""} where the class folders lie in `root` itself.

    "train" may also be a class, beside "car" and "bus": it is a split only if it holds folders, and if another
    split or nothing else stands beside it. Raises DataError for folders that look like splits of which one alone is
    named so.
    """
    names, files = _entries(root)
    named: dict[Part, list[str]] = {}
    for name in names:
        if name.lower() in PART_NAMES:
            named.setdefault(PART_NAMES[name.lower()], []).append(name)
    others = [name for name in names if name.lower() not in PART_NAMES]
    train = named.get(Part.TRAIN, [])
    inside, loose = _entries(root / train[0]) if train else ([], [])
    if not named or (others and (not inside or len(named) == 1)):
        # "train_images" beside "val_images" is as telling as "train" alone.
        words = {word for name in names for word in re.findall("[a-z]+", name.lower())}
        if named or len({PART_NAMES[word] for word in words & PART_NAMES.keys()}) > 1:
            _refuse_alike(root, names)
        return {Part.TRAIN: ""}
    if not train:
        raise DataError(
            "data.path: {path} has a {name} folder but no train folder.",
            path=printable(root),
            name=next(iter(named.values()))[0],
        )
    if loose and not inside:
        raise DataError(
            "{path}: files lie here directly; put each class in a folder of its own.", path=printable(root / train[0])
        )
    for folders in named.values():
        if len(folders) > 1:
            raise DataError(
                "data.path: {path} has both {one} and {other}; keep one of them.",
                path=printable(root),
                one=folders[0],
                other=folders[1],
            )
    skipped += [Skipped(printable(name), phrase("beside the train folder, not a split")) for name in (*others, *files)]
    return {part: folders[0] for part, folders in named.items()}


def _refuse_one(root: Path, names: Sequence[str], files: Sequence[str]) -> None:
    """Refuse a folder in which no classes are told apart by folders: by a table, or in the one folder in it."""
    if table := next((name for name in files if name.lower().endswith(LABELS)), ""):
        raise DataError(
            "data.path: {path} holds no class folders. Where {table} has the labels of its images: it is not read; "
            "put each image into a folder that is named after its class.",
            path=printable(root),
            table=printable(table),
        )
    inside = _entries(root / names[0])[0] if names else []
    if len(inside) > 1:
        raise DataError(
            "data.path: {path} holds a single folder, {name!r}, and in it are others ({inside}). Where these are the "
            "classes or the splits, set data.path to {wanted}.",
            path=printable(root),
            name=brief(printable(names[0])),
            inside=_some(inside),
            wanted=printable(root / names[0]),
        )


def _refuse_alike(root: Path, names: Sequence[str]) -> None:
    """Refuse folders of which each holds the same folders, several of them, and nothing else."""
    inside, loose = _entries(root / names[0])
    if len(inside) > 1 and not loose and all(_entries(root / name) == (inside, []) for name in names[1:]):
        raise DataError(
            "data.path: {path}: {names} hold the same folders each, so they seem to be splits; name them train, val "
            "and test. If they are classes, none of them may be named like a split.",
            path=printable(root),
            names=_some(names),
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(brief(printable(name)) for name in names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the visible folders, and of the visible files, sorted."""
    folders: list[str] = []
    files: list[str] = []
    for entry in _scan(folder):
        (folders if _holds(entry.is_dir) else files).append(entry.name)
    return folders, files


def _hidden(folder: Path) -> list[str]:
    """Names of the hidden folders that hold images, as those of classes do; others are a program's own."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name[0] == "." and _holds(entry.is_dir))
    inside = {name: next(os.walk(folder / name), ("", [], []))[2] for name in names}
    return [name for name, files in inside.items() if any(file.lower().endswith(ENDINGS) for file in files)]


def _holds(asked: Callable[[], bool]) -> bool:
    """What an entry answers; no where it is a link that goes in a circle, or to a place that may not be looked at."""
    try:
        return asked()
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EACCES):
            return False
        raise


def _scan(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if entry.name[0] != "."), key=attrgetter("name"))
    except OSError as error:
        raise DataError(
            "{path}: the folder cannot be read: {reason}.", path=printable(folder), reason=str(error.strerror)
        ) from None


def _collect(root: Path, folder: str, label: int, part: Part, found: list[File], skipped: list[Skipped]) -> None:
    """Append the image files anywhere below a class folder, depth first."""

    def walk(relative: str, above: frozenset[tuple[int, int]]) -> None:
        own = os.stat(os.path.join(root, relative))
        if (own.st_dev, own.st_ino) in above:
            skipped.append(Skipped(printable(relative), phrase("a link back to a folder above")))
            return
        for entry in _scan(os.path.join(root, relative)):
            name = entry.name
            path = f"{relative}/{name}"
            if _holds(entry.is_dir):
                walk(path, above | {(own.st_dev, own.st_ino)})
            elif not name.lower().endswith(ENDINGS):
                ending = printable(os.path.splitext(name)[1]) or phrase("no ending")
                skipped.append(
                    Skipped(printable(path), phrase("not an image type that is read: {ending}", ending=ending))
                )
            elif not _holds(entry.is_file):
                skipped.append(Skipped(printable(path), phrase("a broken link or no regular file")))
            else:
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    continue
                found.append(File(path, label, part, status.st_size, status.st_mtime_ns))

    walk(folder, frozenset())


def _refuse_others(root: Path, name: str, skipped: Sequence[Skipped]) -> None:
    if all(skip.path.lower().endswith(TEXTS) for skip in skipped):
        raise DataError(
            "{path}: class {name!r} has no image, but {others} texts, such as {first}. Texts are read from a table: "
            "write them into one file, CSV or JSON Lines, with a column for the text and one for the class.",
            path=printable(root),
            name=name,
            others=len(skipped),
            first=skipped[0].path,
        )
    raise DataError(
        "{path}: class {name!r} has no image ({endings}); it holds {others} other files, such as {first}. Convert them "
        "to one of these types where they are its images, or move its folder elsewhere where it is no class.",
        path=printable(root),
        name=name,
        endings=_endings(),
        others=len(skipped),
        first=skipped[0].path,
    )


def _endings() -> str:
    return ", ".join(ending[1:] for ending in ENDINGS)
