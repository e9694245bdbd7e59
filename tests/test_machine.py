"""What the machine leaves to a process, read from files as Linux writes them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from state import machine as granted
from state.machine import memory_limit
from training.machine import Neighbours, available_memory, cores, has_bfloat16, waited

GIB = 2**30


def machine(root: Path, groups: str, files: dict[str, str]) -> Path:
    """A root with 16 GiB available, the process in these groups, and these files under /sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable:   {16 * 2**20} kB\nBuffers: 1 kB\n")
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_limits_it_is_what_the_machine_has_free(tmp_path: Path) -> None:
    files = {"memory.max": "max\n", "memory.current": f"{GIB}\n", "memory.stat": "inactive_file 0\n"}
    assert available_memory(machine(tmp_path, "0::/\n", files)) == 16 * GIB


def test_a_group_above_the_own_one_limits_too_and_unused_file_pages_count_as_free(tmp_path: Path) -> None:
    files = {
        "job/memory.max": f"{4 * GIB}\n",
        "job/memory.current": f"{3 * GIB}\n",
        "job/memory.stat": f"anon 1\ninactive_file {GIB // 2}\n",
        "job/step/memory.max": "max\n",
        "job/step/memory.current": "5\n",
        "job/step/memory.stat": "inactive_file 0\n",
    }
    assert available_memory(machine(tmp_path, "0::/job/step\n", files)) == GIB + GIB // 2


def test_a_container_that_sees_only_the_topmost_folder_of_version_one(tmp_path: Path) -> None:
    files = {
        "memory/memory.limit_in_bytes": f"{2 * GIB}\n",
        "memory/memory.usage_in_bytes": f"{GIB}\n",
        "memory/memory.stat": f"total_inactive_file {GIB // 4}\n",
    }
    groups = "12:cpu,cpuacct:/docker/3f\n7:memory:/docker/3f\n"
    assert available_memory(machine(tmp_path, groups, files)) == GIB + GIB // 4


def test_a_group_over_its_limit_leaves_nothing(tmp_path: Path) -> None:
    files = {"memory.max": "5\n", "memory.current": "9\n", "memory.stat": "inactive_file 0\n"}
    assert available_memory(machine(tmp_path, "0::/\n", files)) == 0


def test_this_machine_has_memory_and_cores() -> None:
    assert available_memory() > 2**26
    assert cores() >= 1


def test_a_system_without_proc_counts_half_of_its_memory(tmp_path: Path) -> None:
    assert available_memory(tmp_path) > 2**26


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/a/b\n", {}, None),
        ("0::/a/b\n", {"a/b/memory.max": "max\n"}, None),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": f"{GIB}\n"}, GIB),
        ("0::/a/b\n", {"a/b/memory.max": f"{2 * GIB}\n", "a/memory.max": f"{3 * GIB}\n"}, 2 * GIB),
        ("4:memory:/c/d\n", {"memory/c/d/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        (
            "4:memory:/c/d\n",
            {
                "memory/c/d/memory.limit_in_bytes": "9223372036854771712\n",
                "memory/c/memory.limit_in_bytes": f"{GIB}\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            GIB,
        ),
        # A container sees its own group as the topmost folder, whatever path its processes have outside.
        ("4:memory:/docker/3f\n", {"memory/memory.limit_in_bytes": f"{GIB}\n"}, GIB),
        ("4:cpu,cpuacct:/c\n", {"memory.max": f"{GIB}\n", "memory/memory.limit_in_bytes": f"{GIB}\n"}, None),
    ],
)
def test_the_smallest_limit_on_the_way_up_is_the_memory_that_there_is(
    tmp_path: Path, groups: str, files: dict[str, str], expected: int | None
) -> None:
    assert memory_limit(machine(tmp_path, groups, files)) == expected


@pytest.mark.parametrize("kind", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_a_limit_of_the_process_itself_counts_too(tmp_path: Path, kind: str) -> None:
    """In a process of its own, which gives itself 3 GiB below a group of 4; for all of them together there are 4."""
    root = machine(tmp_path, "0::/a\n", {"a/memory.max": f"{4 * GIB}\n"})
    script = f"""
import resource, sys, types
from pathlib import Path
import psutil
from state.machine import memory, memory_limit
from wizard.machine import at_hand
resource.setrlimit(resource.{kind}, ({3 * GIB}, resource.getrlimit(resource.{kind})[1]))
print(memory_limit(Path(sys.argv[1])), at_hand("cpu").memory <= {3 * GIB})
psutil.virtual_memory = lambda: types.SimpleNamespace(total={8 * GIB})
print(memory(Path(sys.argv[1])))
"""
    done = subprocess.run([sys.executable, "-c", script, str(root)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(3 * GIB), "True", str(4 * GIB)]


def test_what_a_thread_has_waited_for_a_processor_is_read(tmp_path: Path) -> None:
    assert waited(tmp_path) is None
    (tmp_path / "proc/thread-self").mkdir(parents=True)
    (tmp_path / "proc/thread-self/schedstat").write_text("1 2500000000 3\n")
    assert waited(tmp_path) == 2.5


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/a/b\n", {"a/cpu.max": "150000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1.5),
        ("0::/a\n", {"cpu.max": "250000 100000\n", "a/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/\n", {"cpu.max": "torn"}, sys.maxsize),
        ("0::/elsewhere\n", {"cpu.max": "100000 100000\n"}, 1.0),
        ("3:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "250000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, 2.5),
        ("3:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, sys.maxsize),
        ("3:cpuset:/a\n", {"cpu/a/cpu.cfs_quota_us": "100000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, sys.maxsize),
    ],
)
def test_the_smallest_quota_on_the_way_up_limits_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, files: dict[str, str], quota: float
) -> None:
    root = machine(tmp_path, groups, files)
    assert granted.quota(root) == quota
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert granted.cores(root) == cores(root) == max(1, min(8, int(quota)))


@pytest.mark.parametrize(
    ("features", "there"),
    [
        ("flags : fpu avx512f avx512bw", False),
        ("flags : fpu avx512f avx512_bf16", True),
        ("flags : amx_bf16 amx_tile", True),
        ("Features : fp asimd bf16", True),
    ],
)
def test_only_instructions_of_its_own_count_as_bfloat16(tmp_path: Path, features: str, there: bool) -> None:
    """AVX-512 alone can only imitate it."""
    assert not has_bfloat16(tmp_path)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"processor : 0\n{features}\n")
    assert has_bfloat16(tmp_path) == there


def test_the_cores_that_others_keep_busy_are_counted_without_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On eight cores that it may use, whatever its quota; what runs on a ninth takes nothing from it."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    root = machine(tmp_path, "0::/\n", {"cpu.max": "200000 100000\n"})
    stat, ticks = root / "proc/stat", os.sysconf("SC_CLK_TCK")

    def worked(others: float) -> None:
        """So many core seconds by everybody; idle time, and that of guests, which is in the first, count for none."""
        first = int((others / 2 + time.process_time()) * ticks)
        cores = [first, int(others / 2 * ticks), *[0] * 6, int(9 * others * ticks)]
        lines = [f"cpu{number} {core} 0 0 999 9 0 0 0 7 7\n" for number, core in enumerate(cores)]
        stat.write_text(f"cpu  {sum(cores)} 0 0 999 9 0 0 0 7 7\n{''.join(lines)}intr 7 1\n")

    assert Neighbours(tmp_path / "none").cores() is None
    assert not Neighbours(tmp_path / "none").busy()
    for others, busy in ((0.0, False), (1.0, False), (3.0, True)):
        worked(5.0)
        neighbours = Neighbours(root)
        neighbours.began -= 1.0
        worked(5.0 + others)
        assert neighbours.cores() == pytest.approx(others, abs=0.15)
        assert neighbours.busy() == busy
