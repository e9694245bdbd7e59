"""What the machine leaves to a process, read from files as Linux writes them."""

from pathlib import Path

from training.machine import available_memory, cores

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
