"""Image files: reading each one once, decoding it to a square uint8 array.

No torch here: the inspection of the data starts without it, and so does a thread that decodes.
"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from training.image_folders import NAMED, File, Listing
from training.sentence import Sentence, Spoken, phrase
from training.splits import DataError, Part, Progress, Skipped, brief, printable

# Pillow is told what may come, whatever the file calls itself: some of its other readers start programs.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
# Pillow's own bound against decompression bombs (a quarter of a gigabyte of 24-bit pixels).
LARGEST_PIXELS = 89_478_485
LARGEST_BYTES = 2**28
# Why a file is left out that this process may not read.
CLOSED = phrase("no permission to read it")
# Below this size a file is decoded faster than threads can take turns.
SMALL_FILE = 2**14
# Files that a thread examines before it reports.
CHUNK = 64

Piece = TypeVar("Piece")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Decoded:
    """`pixels` uint8 (C, size, size); width, height and Pillow's mode are those of the file, as it is looked at.
    `several`: it has more images than this first one (an animation, pages, a stack)."""

    pixels: np.ndarray
    width: int
    height: int
    mode: str
    several: bool


@dataclass(frozen=True)
class Examined:
    """What one pass over the files found; row i of each array belongs to `files[kept[i]]`.

    `digests` uint8 (N, 32): SHA-256 of the file. `sums` int64 (N, C, 2): sum and sum of squares of the pixels.
    `sizes` int64 (N, 2): width and height. `several` bool (N,): as of `Decoded`. `brightest` uint8 (N,): its highest
    value.
    """

    kept: np.ndarray
    digests: np.ndarray
    sums: np.ndarray
    sizes: np.ndarray
    several: np.ndarray
    brightest: np.ndarray
    modes: tuple[str, ...]
    skipped: tuple[Skipped, ...]


class Unreadable(Spoken):
    """One file that is no usable image; the sentence is the reason, for `Skipped`."""


def examine(
    listing: Listing,
    size: int,
    channels: int,
    threads: int,
    *,
    pixels: np.ndarray | None = None,
    look: Callable[[int, np.ndarray], object] | None = None,
    progress: Progress | None = None,
) -> Examined:
    """Read and decode every listed file once. Raises DataError if a file vanishes or its disk fails meanwhile.

    `pixels` uint8 (files, C, size, size): where given, row i becomes the image of `listing.files[i]`; that of a file
    without one is left as it is. `look` is shown the number and the pixels of each.
    """
    total = len(listing.files)
    digests = np.zeros((total, 32), np.uint8)
    sums = np.zeros((total, channels, 2), np.int64)
    sizes = np.zeros((total, 2), np.int64)
    several, brightest = np.zeros(total, bool), np.zeros(total, np.uint8)
    modes = [""] * total
    reasons: dict[int, Sentence] = {}
    levels = np.arange(256)
    powers = np.stack((levels, levels**2), axis=1)

    def run(numbers: range) -> range:
        for number in numbers:
            try:
                content = read(listing.root, listing.files[number])
                decoded = decode(content, size, channels)
            except Unreadable as error:
                reasons[number] = error.sentence
                continue
            except MemoryError:
                path = printable(listing.root / listing.files[number].path)
                raise DataError(
                    "{path}: takes more memory to decode than there is; make it smaller.", path=path
                ) from None
            digests[number] = np.frombuffer(hashlib.sha256(content).digest(), np.uint8)
            sizes[number] = decoded.width, decoded.height
            modes[number] = decoded.mode
            several[number], brightest[number] = decoded.several, decoded.pixels.max()
            for channel in range(channels):
                sums[number, channel] = np.bincount(decoded.pixels[channel].ravel(), minlength=256) @ powers
            if pixels is not None:
                pixels[number] = decoded.pixels
            if look is not None:
                look(number, decoded.pixels)
        return numbers

    with warnings.catch_warnings():
        # Pillow warns about oddities in metadata, which do not touch the pixels.
        warnings.simplefilter("ignore")
        pieces = [range(start, min(start + CHUNK, total)) for start in range(0, total, CHUNK)]
        for numbers in in_threads(run, pieces, listing.files, threads):
            if progress:
                progress(numbers.stop, total)
    kept = np.array([number for number in range(total) if number not in reasons], np.int64)
    if reasons:
        digests, sums, sizes, several, brightest = (
            values[kept] for values in (digests, sums, sizes, several, brightest)
        )
        modes = [modes[number] for number in kept]
    skipped = tuple(Skipped(printable(listing.files[number].path), reasons[number]) for number in sorted(reasons))
    return Examined(kept, digests, sums, sizes, several, brightest, tuple(modes), skipped)


def every_class(listing: Listing, kept: np.ndarray, unreadable: Sequence[Skipped]) -> None:
    """Raise DataError for a class of which no image to learn from can be read. A folder with nothing in it is no class;
    what holds images is meant to be one, and left out unasked it would be missed by nobody until it is needed.

    `kept`: numbers of the files that can be read; `unreadable`: the others, in their order."""
    labels = np.array([file.label if file.part is Part.TRAIN else -1 for file in listing.files], np.int64)
    read_ones = np.zeros(len(labels), bool)
    read_ones[kept] = True
    lost = sorted(set(labels[labels >= 0].tolist()) - set(labels[read_ones].tolist()))
    if not lost:
        return
    first = unreadable[int(np.count_nonzero(~read_ones[: np.flatnonzero(labels == lost[0])[0]]))]
    names = [f"{brief(listing.classes[label])!r} (0/{np.count_nonzero(labels == label)})" for label in lost[:NAMED]]
    raise DataError(
        "{path}: no training image can be read of {names}; the first is {first} ({reason}). Mend or replace "
        "them; where there is to be no such class, take its folder elsewhere.",
        path=printable(listing.root),
        names=", ".join(names) + (", .." if len(lost) > NAMED else ""),
        first=first.path,
        reason=first.reason,
    )


def in_threads(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], files: Sequence[File], threads: int
) -> Iterator[Result]:
    """`work` on each piece, in order, by as many threads as are worth it: tiny files only wait for each other."""
    if threads < 2 or sum(file.size for file in files) < SMALL_FILE * len(files):
        yield from map(work, pieces)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield from pool.map(work, pieces)
    finally:
        pool.shutdown(cancel_futures=True)


def read(root: Path, file: File) -> bytes:
    """The content of a file. Raises Unreadable, or DataError where the disk and not the file is at fault."""
    if file.size == 0:
        raise Unreadable("empty file")
    if file.size > LARGEST_BYTES:
        raise Unreadable("{size:,} bytes, more than {largest:,}", size=file.size, largest=LARGEST_BYTES)
    try:
        with open(os.path.join(root, file.path), "rb") as opened:
            return opened.read()
    except PermissionError:
        raise Unreadable(CLOSED.id) from None
    except OSError as error:
        raise DataError(
            "{path}: cannot be read now: {reason}.", path=printable(root / file.path), reason=str(error.strerror)
        ) from None


def decode(content: bytes, size: int, channels: int) -> Decoded:
    """The image turned upright, its short side scaled to `size`, the middle cut out. Raises Unreadable.

    Bicubic with antialiasing (Pillow's resize); grey by ITU-R 601 luma; 16-bit values are scaled to 8 bits.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
            if width * height > LARGEST_PIXELS:
                raise Unreadable(
                    "{width}×{height} pixels, more than {largest:,}",
                    width=width,
                    height=height,
                    largest=LARGEST_PIXELS,
                )
            mode = image.mode
            # JPEG decodes at 1/2, 1/4 or 1/8 for a fraction of the time; twice the final size hides the difference.
            image.draft(mode, (2 * size, 2 * size))
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            if (image.width < image.height) != (width < height):
                width, height = height, width
            square = _square(_eight_bit(image, "L" if channels == 1 else "RGB"), size)
            several = _several(image)
    except Unreadable:
        raise
    except UnidentifiedImageError:
        raise Unreadable("not an image in a format that is read ({formats})", formats=", ".join(FORMATS)) from None
    except MemoryError:
        raise
    # Pillow's readers raise errors of every type on damaged files; each becomes the recorded reason.
    except Exception as error:
        raise Unreadable("{text}", text=str(error) or type(error).__name__) from None
    pixels = np.asarray(square)
    return Decoded(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1), width, height, mode, several)


def _several(image: Image.Image) -> bool:
    """Whether the file holds more than its first image. The others that cameras put into a JPEG, small ones or maps of
    depth, are no examples."""
    try:
        return image.format in FORMATS and bool(getattr(image, "is_animated", False))
    # What comes behind the first image may be damaged in any way.
    except Exception:
        return False


def _eight_bit(image: Image.Image, mode: str) -> Image.Image:
    """The image in mode L or RGB."""
    if image.mode == "F":
        raise Unreadable("floating-point pixels have no fixed range; convert the file to 8 or 16 bits")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise Unreadable("pixels beyond 16 bits; convert the file to 8 or 16 bits")
        image = Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    elif image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        # Over white, as a page shows it: what lies under transparent pixels is arbitrary, mostly black, and would turn
        # dark drawings on a transparent ground into black squares.
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def _square(image: Image.Image, size: int) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
