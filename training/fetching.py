"""How much of published weights has come while the hub's library fetches them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from huggingface_hub import constants

LOOK_SECONDS = 1.0


@contextlib.contextmanager
def watched(tell: Callable[[int], object]) -> Iterator[None]:
    """Tell every second, from a thread, how many bytes have come of files that are not whole yet, where it changed.

    The library lets nobody follow a download that timm or transformers begins; its unfinished files show it.
    """
    done, before, told = threading.Event(), _unfinished(), 0

    def watch() -> None:
        nonlocal told
        while not done.wait(LOOK_SECONDS):
            come = _unfinished() - before
            if come > told:
                told = come
                tell(come)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _unfinished() -> int:
    """Bytes of the files that are under way, or were left by a download that was cut off."""
    total = 0
    for file in Path(constants.HF_HUB_CACHE).glob("models--*/blobs/*.incomplete"):
        # It is renamed when it is whole.
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total
