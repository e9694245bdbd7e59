"""What becomes of memory that is freed: kept for the next step, given back where a new peak begins."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")

# A tensor of 40 MiB is made and freed 20 times; how many pages the system had to clear for it, and what the watch says.
CODE = """
import resource, torch
from training import memory

memory.Watch().restart()
{prepare}
# Until it has found its places: an aligned piece needs a little more room than it left.
for _ in range(40):
    torch.ones(10 * 2**20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(10 * 2**20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
watch = memory.Watch()
watch.restart()
held = torch.ones(5 * 2**20)
print(watch.peak())
"""
PAGES = 40 * 2**20 // 4096


def run(prepare: str) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(prepare=prepare)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    faults, peak = map(int, done.stdout.split())
    return faults, peak


def test_what_a_step_frees_is_kept_for_the_next() -> None:
    """Otherwise its pages are cleared for each step anew."""
    faults, _peak = run("")
    assert faults > 10 * PAGES
    faults, _peak = run("memory.keep_what_is_freed()")
    assert faults < PAGES


def test_what_is_kept_does_not_count_as_taken() -> None:
    _faults, peak = run("memory.keep_what_is_freed()")
    assert 0 <= peak < 40 * 2**20
