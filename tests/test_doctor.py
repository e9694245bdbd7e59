"""What the doctor finds wrong with the records of a project, and what it mends of it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from state import files, repair, runs
from state.database import Store
from state.errors import Refusal
from state.project import Project
from state.store import open_store
from tests import small_project
from training import cache
from tui import doctor
from tui.losses import lost


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project.project(tmp_path / "项目 [red]", tmp_path / "data")


def learn(project: Project) -> None:
    with open_store(project) as store:
        store.record("insight", text={"id": "learnt", "values": {}}, batch=None, evidence={})


def learnt(store: Store) -> int:
    return store.rows("SELECT count(*) AS n FROM insights")[0]["n"]


def check(project: Project, name: str) -> tuple[str, bool, str]:
    """The verdict on one of the things that are looked at, whether it can be repaired, and what is said."""
    (found,) = [entry for entry in doctor.checks(project.root) if entry.name == name]
    return found.verdict, found.repair, found.message.text()


def test_a_torn_last_line_of_the_journal_is_set_aside(project: Project) -> None:
    learn(project)
    with project.journal_path.open("ab") as journal:
        journal.write('{"kind": "半'.encode()[:-1])
    verdict, repair, message = check(project, "journal")
    assert (verdict, repair) == ("warn", True)
    assert "journal.jsonl: line 2 cannot be read" in message
    assert doctor.mend(project.root) == ["journal"]
    assert check(project, "journal")[0] == "ok"
    assert doctor.mend(project.root) == []
    assert (project.folder / "journal.torn").read_bytes() == b'{"kind": "\xe5\x8d\n'
    learn(project)
    with open_store(project) as store:
        assert learnt(store) == len(files.read_lines(project.journal_path)[0]) == 2


def test_a_lost_journal_is_told_and_written_anew(project: Project) -> None:
    learn(project)
    whole = project.journal_path.read_bytes()
    project.journal_path.unlink()
    verdict, repair, message = check(project, "journal")
    assert (verdict, repair) == ("fail", True)
    assert "journal.jsonl is missing" in message
    assert doctor.mend(project.root) == ["journal"]
    assert check(project, "journal")[0] == "ok"
    assert project.journal_path.read_bytes() == whole


def test_what_a_killed_process_left_in_the_cache_is_removed_once_nobody_is_at_work(project: Project) -> None:
    code = (
        "import sys; from pathlib import Path; from training import cache\n"
        "cache.fill(Path(sys.argv[1]), 'pixels-1f', 'pixels', (64, 3, 8, 8), lambda _: (print(1, flush=True), input()))"
    )
    command = [sys.executable, "-c", code, str(project.cache)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        assert writer.stdout.readline()
        (half,) = project.cache.iterdir()
        assert repair.leftovers(project) == []
        writer.kill()
    (project.cache / ".notes").write_text("somebody's own")
    runs.remember_process(files.make_folder(project.trial_folder("round-1-001")), os.getpid())
    assert repair.leftovers(project) == []
    (project.trial_folder("round-1-001") / runs.PROCESS).unlink()
    assert repair.leftovers(project) == [half]
    assert doctor.mend(project.root) == ["leftovers"]
    assert [path.name for path in project.cache.iterdir()] == [".notes"]


def test_what_nobody_has_opened_for_long_leaves_the_cache(project: Project) -> None:
    long_ago = time.time() - (repair.UNUSED_DAYS + 1) * 86400
    for name in ("images-1f", "images-2a"):
        cache.save(project.cache, name, {}, {"kept": np.arange(1000), "sums": np.arange(10)})
    for path in project.cache.iterdir():
        os.utime(path, (long_ago, long_ago))
    # What is opened is in use again.
    assert cache.load(project.cache, "images-2a")
    verdict, repairable, message = check(project, "cache")
    assert (verdict, repairable) == ("ok", True)
    assert message.startswith("8.2 KiB of prepared data that nothing has opened for 30 days")
    folder = files.make_folder(project.measurement_folder("probe-1"))
    runs.remember_process(folder, os.getpid())
    assert doctor.mend(project.root) == []
    (folder / runs.PROCESS).unlink()
    assert doctor.mend(project.root) == ["cache"]
    assert sorted(path.name for path in project.cache.iterdir()) == [
        "images-2a.json",
        "images-2a.kept.npy",
        "images-2a.sums.npy",
    ]


def test_a_damaged_store_stays_where_the_journal_cannot_build_another(project: Project) -> None:
    learn(project)
    lines = project.journal_path.read_bytes()
    project.store_path.write_bytes(b"not a database at all, " * 100)
    project.journal_path.unlink()
    with pytest.raises(Refusal, match="from a backup"):
        doctor.mend(project.root)
    project.journal_path.write_bytes(b'{"kind": "trials", "at": "", "by": "", "batch": "round-1", "trials": []}\n')
    with open(project.journal_path, "ab") as journal:
        journal.write(
            b'{"kind": "launch", "at": "", "by": "", "batch": "round-1", "candidate": "c", "previous": null, '
            b'"decision": "adopt", "reason": {}, "evidence": {}}\n'
        )
    with pytest.raises(Refusal, match="no earlier entry made"):
        doctor.mend(project.root)
    assert project.store_path.read_bytes().startswith(b"not a database")
    project.journal_path.write_bytes(lines)
    assert doctor.mend(project.root) == ["store"]
    assert not list(project.folder.glob("tunebook.db.*"))


def test_a_store_that_cannot_be_read_now_is_not_taken_for_a_damaged_one(project: Project) -> None:
    learn(project)
    aside = project.store_path.rename(project.folder / "elsewhere")
    project.store_path.mkdir()
    verdict, repair, _message = check(project, "store")
    assert (verdict, repair) == ("fail", False)
    with pytest.raises(Refusal, match=r"tunebook\.db"):
        doctor.mend(project.root)
    assert project.store_path.is_dir()
    assert not list(project.folder.glob("tunebook.db.*"))
    project.store_path.rmdir()
    aside.rename(project.store_path)
    assert check(project, "store")[0] == "ok"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_store_that_may_not_be_read_is_left_as_it_is(project: Project) -> None:
    learn(project)
    project.store_path.chmod(0)
    assert check(project, "store")[:2] == ("fail", False)
    with pytest.raises(Refusal, match=r"tunebook\.db"):
        doctor.mend(project.root)
    project.store_path.chmod(0o600)
    with open_store(project) as store:
        assert learnt(store) == 1


@pytest.mark.parametrize("left", [0, 2, 3])
def test_what_only_a_damaged_store_knows_goes_into_the_journal_before_it_is_built_again(
    project: Project, left: int
) -> None:
    """A power cut may damage both."""
    for _ in range(3):
        learn(project)
    whole = project.journal_path.read_bytes()
    project.journal_path.write_bytes(b"".join(whole.splitlines(keepends=True)[:left]))
    if not left:
        project.journal_path.unlink()
    damage(project.store_path, "decisions")
    assert repair.damage(project)
    assert doctor.mend(project.root) == ["store"]
    assert project.journal_path.read_bytes() == whole
    assert not list(project.folder.glob("tunebook.db.*"))
    with open_store(project) as store:
        assert learnt(store) == 3


@pytest.mark.parametrize("error", [Refusal("the disk is full"), OSError("no room"), KeyboardInterrupt()])
def test_a_damaged_store_stays_as_it_was_whatever_prevents_another(
    project: Project, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    learn(project)
    damage(project.store_path, "decisions")
    before = project.store_path.read_bytes()

    def prevented(_store: Store) -> None:
        raise error

    monkeypatch.setattr("state.store.reconciling.reconcile", prevented)
    with pytest.raises(type(error)):
        repair.rebuild(project)
    assert project.store_path.read_bytes() == before
    # Nor is there anything of another beside it, which SQLite would take for its own.
    left = {path.name: path.stat().st_size for path in project.folder.glob("tunebook.db*")}
    assert left.pop("tunebook.db-wal", 0) == 0
    assert set(left) <= {"tunebook.db", "tunebook.db-shm"}


def test_a_damaged_store_that_knows_more_than_can_be_read_of_it_is_kept(project: Project) -> None:
    learn(project)
    learn(project)
    damage(project.store_path, "events")
    whole = project.journal_path.read_bytes()
    project.journal_path.write_bytes(whole.splitlines(keepends=True)[0])
    with pytest.raises(Refusal, match=r"has lost lines, so that tunebook\.db cannot be built again"):
        repair.rebuild(project)
    project.journal_path.write_bytes(whole)
    # Where it cannot even say what it knows, it is put aside.
    damage(project.store_path, "meta")
    repair.rebuild(project)
    assert (project.folder / "tunebook.db.damaged").exists()
    with open_store(project) as store:
        assert learnt(store) == 2


def damage(path: Path, table: str) -> None:
    """Overwrite the page on which a table begins."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [table]).fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with open(path, "r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


def test_torn_lines_between_others_are_set_aside_and_no_event_is_lost_or_counted_twice(project: Project) -> None:
    """Also where a store is open meanwhile, which has its place in the journal, and where it is built anew."""
    with open_store(project) as opened:
        learn(project)
        for torn in (b'{"kind": "deci', b"[1, 2]\r\n\n" + b"[" * 100_000, b'{"half"'):
            with project.journal_path.open("ab") as journal:
                journal.write(torn)
            learn(project)
        assert "lines 2, 4, 6, 8 cannot be read" in check(project, "journal")[2]
        assert doctor.mend(project.root) == ["journal"]
        learn(project)
        opened.catch_up()
        assert learnt(opened) == 5
    with project.journal_path.open("ab") as journal:
        journal.write(b"{")
    assert doctor.mend(project.root) == ["journal"]
    kept = (project.folder / "journal.torn").read_bytes().splitlines()
    assert [line[:8] for line in kept] == [b'{"kind":', b"[1, 2]", b"[[[[[[[[", b'{"half"', b"{"]
    project.store_path.unlink()
    with open_store(project) as store:
        assert learnt(store) == 5


def test_folders_that_are_gone_and_folders_of_no_trial_are_told(project: Project, tmp_path: Path) -> None:
    with open_store(project) as store:
        small_project.batch(store, small_project.settings(tmp_path / "data"), [{}] * 4)
        for number in (1, 2, 3):
            small_project.end(store, f"round-1-00{number}", 0.5)
    # An earlier try, and a file that somebody left there.
    (project.trial_folder("round-1-001.1")).mkdir()
    project.trial_folder("notes.txt").touch()
    with open_store(project) as store:
        assert lost(store) is None
    assert check(project, "trials") == ("ok", False, "each that ended has its folder")

    shutil.rmtree(project.trial_folder("round-1-002"))
    for name in ("round-9-001", "round-9-001.1"):
        project.trial_folder(name).mkdir()
    gone, stray = (entry for entry in doctor.checks(project.root) if entry.name == "trials")
    assert (gone.verdict, stray.verdict) == ("warn", "warn")
    assert "gone: 1, such as round-1-002." in gone.message.text()
    assert f"no known trial: 2, such as {project.trial_folder('round-9-001')}." in stray.message.text()
    # The project says so wherever it is opened. Nothing of it is repaired: somebody's results may be in there.
    with open_store(project) as store:
        told = lost(store)
    assert told is not None
    assert "round-9-001. If it was lost" in told.text()
    assert "kept as round-9-001.other-1 when" in told.text()
    doctor.mend(project.root)
    assert project.trial_folder("round-9-001").is_dir()
