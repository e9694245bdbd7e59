"""The store: an index that can be deleted, that several processes share, and that never loses what was recorded."""

import datetime
import json
import math
import multiprocessing
import os
import re
import sqlite3
import sys
from collections import UserDict
from collections.abc import KeysView
from pathlib import Path

import pytest

from rounds import trial_folder
from state import (
    configurations,
    decisions,
    files,
    launches,
    measurements,
    metrics,
    reconciling,
    runs,
    trial_progress,
    trials,
)
from state.errors import Refusal
from state.project import Project, Settings, create
from state.store import open_store

TABLES = ("decisions", "measurements", "configurations", "batches", "findings", "launches", "insights")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return create(tmp_path / "project", Settings(name="p", task="image-classification", data="data"))


def decide(store, step="optimizer", chosen="sgd", **settings) -> None:
    decisions.decide(
        store,
        step,
        question={"id": "Which?"},
        options=["sgd", "adam"],
        recommended="sgd",
        chosen=chosen,
        reason={"id": "because of {thing}", "values": {"thing": "[/red] 数字\n"}},
        evidence=[{"id": "seen"}],
        settings=settings,
    )


def fill(store) -> trials.Batch:
    """A bit of everything that can be recorded."""
    decide(store, **{"optimizer.name": "sgd"})
    decide(store, chosen="adam", **{"optimizer.name": "adam", "optimizer.learning_rate": 0.001})
    measurements.record(store, "probe-1", "probe", {"device": "cpu"}, {"recommended": 64})
    name = configurations.save(store, {"optimizer.name": "adam", "training.steps": 3}, {})
    new = [
        trials.NewTrial(
            "adam", index, {"adam.learning_rate": 0.5}, {"adam.learning_rate": 0.01}, {"training.seed": index}
        )
        for index in range(3)
    ]
    batch = trials.add_batch(store, "round", goal="understand", configuration=name, plan={"seed": 1}, trials=new[:2])
    trials.add_trials(store, batch.name, new[2:])
    trials.ask(store, batch.name, "run", slots=2)
    trials.review(store, batch.name, [{"check": "boundary", "verdict": "pass"}])
    launches.launch(
        store,
        batch=batch.name,
        candidate=name,
        previous=None,
        decision="adopt",
        reason={"id": "good"},
        evidence={"n": 3},
    )
    launches.learn(store, {"id": "learnt"}, batch=batch.name, evidence={})
    return batch


def dump(store) -> dict:
    return {table: store.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


def test_a_later_decision_supersedes_and_keeps_the_earlier_one(project: Project) -> None:
    with open_store(project) as store:
        decide(store, **{"optimizer.name": "sgd", "optimizer.momentum": 0.9})
        decide(store, chosen="adam", **{"optimizer.name": "adam"})
        assert [entry.chosen for entry in decisions.decisions(store)] == ["adam"]
        assert [entry.chosen for entry in decisions.decisions(store, all=True)] == ["sgd", "adam"]
        # The values of a superseded decision are gone from the draft, not mixed into the new one's.
        assert {key: value for key, (value, _) in decisions.draft(store).items()} == {"optimizer.name": "adam"}


def test_a_deleted_store_is_rebuilt_from_journal_and_trial_folders(project: Project) -> None:
    with open_store(project) as store:
        batch = fill(store)
        folder = project.trial_folder(f"{batch.name}-001")
        folder.mkdir(parents=True)
        (folder / "metrics.jsonl").write_text(
            '{"step": 1, "val/error_rate": 0.5}\n{"step": 2, "val/error_rate": "nan"}\n'
        )
        result = {"status": "complete", "steps_done": 2, "best": {"step": 1, "val/error_rate": 0.5}, "final": {}}
        (folder / "result.json").write_text(json.dumps(result))
        reconciling.reconcile(store)
        before, trial_before = dump(store), trials.trial(store, f"{batch.name}-001")
    for path in project.folder.glob("tunebook.db*"):
        path.unlink()
    with open_store(project) as store:
        assert dump(store) == before
        trial = trials.trial(store, f"{batch.name}-001")
        assert (trial.status, trial.best, trial.best_step) == (trial_before.status, 0.5, 1)
        assert [step for step, _ in metrics.curve(store, trial.id, "val/error_rate")] == [1, 2]


def test_a_crash_between_journal_and_store_is_mended_at_the_next_opening(project: Project) -> None:
    with open_store(project) as store:
        decide(store)
    # What a process leaves that died after the journal line and before the commit.
    event = json.loads(project.journal_path.read_text().splitlines()[-1])
    with project.journal_path.open("a") as journal:
        journal.write(json.dumps({**event, "chosen": "adam"}) + "\n")
    with open_store(project) as store:
        assert [entry.chosen for entry in decisions.decisions(store, all=True)] == ["sgd", "adam"]


def test_numbers_that_are_not_finite_are_kept_as_null(project: Project) -> None:
    """JSON has no word for them, and SQLite's functions refuse Python's."""
    with open_store(project) as store:
        batch = fill(store)
        measurements.record(store, "probe-2", "probe", {}, {"seconds": 2.0, "sizes": [{"spread": math.nan}]})
        trials.review(store, batch.name, [{"figures": (math.inf, -math.inf, 0.5)}])
        files.make_folder(project.trial_folder(f"{batch.name}-001"))
        trial_progress.mark_ended(store, f"{batch.name}-001", {"status": "complete", "worst": math.inf})
        assert list(trials.asked(store)) == [batch.name]
        assert measurements.device_seconds(store) == 2.0
        assert trials.findings(store, batch.name) == [{"figures": [None, None, 0.5]}]
        assert trials.trial(store, f"{batch.name}-001").result == {"status": "complete", "worst": None}
        before = dump(store)
    assert not {"NaN", "Infinity"} & set(re.findall(r"\w+", project.journal_path.read_text()))
    delete_store(project)
    with open_store(project) as store:
        assert dump(store) == before


def test_a_journal_of_an_earlier_version_with_numbers_that_are_not_finite_is_read(project: Project) -> None:
    with open_store(project) as store:
        batch = fill(store)
        event = {**store.record("measurement", id="probe-2", type="probe", subject={}, result={}), "id": "probe-3"}
        line = json.dumps({**event, "result": {"seconds": 2.0, "spread": math.nan}})
        # As the store and the folder of an earlier version have them.
        store.database.conn.execute("INSERT INTO events (event) VALUES (?)", [line])
        store.database.conn.execute("UPDATE measurements SET result = ? WHERE id = 'probe-2'", ['{"spread": NaN}'])
        store.database.conn.commit()
        folder = files.make_folder(project.measurement_folder("probe-2"))
        (folder / "result.json").write_text('{"seconds": 3.0, "spread": NaN}')
        assert list(trials.asked(store)) == [batch.name]
        assert measurements.device_seconds(store) == 3.0
    with project.journal_path.open("a") as journal:
        journal.write(line + "\n")
    delete_store(project)
    with open_store(project) as store:
        assert list(trials.asked(store)) == [batch.name]
        assert measurements.device_seconds(store) == 2.0


def test_text_that_is_not_utf8_is_refused_where_people_wrote_it_and_legible_where_programs_did(
    project: Project,
) -> None:
    odd = os.fsdecode(b"caf\xe9")
    with open_store(project) as store:
        batch = fill(store)
        before = project.journal_path.read_bytes()
        with pytest.raises(Refusal, match="What comes after 'of a caf' is not UTF-8"):
            launches.learn(store, {"id": f"of a {odd}"}, batch=batch.name, evidence={})
        assert project.journal_path.read_bytes() == before
        said = {"id": "{path} is broken", "values": {"path": odd}}
        result = {"status": "failed", "reason": odd, "message": f"{odd} is broken", "said": said}
        trial_progress.mark_ended(store, f"{batch.name}-001", result)
        entry = trials.trial(store, f"{batch.name}-001")
        assert (entry.reason, entry.message) == ("caf?", "caf? is broken")
        assert entry.said == {"id": "{path} is broken", "values": {"path": "caf?"}}


@pytest.mark.parametrize(
    ("begun", "result_after", "status", "wanted"),
    [
        # Nothing has begun it yet: what lies there is what the first try came to.
        (False, None, "queued", "retry"),
        # It was begun and lost, and goes on from its checkpoint, if it has one.
        (True, None, "queued", ""),
        (True, 1.0, "complete", ""),
    ],
)
def test_a_wish_to_try_again_outlasts_the_store_until_it_is_fulfilled(
    project: Project, begun: bool, result_after: float | None, status: str, wanted: str
) -> None:
    def end(ending: str) -> Path:
        path = files.make_folder(folder) / "result.json"
        files.write_atomically(path, json.dumps({"status": ending}))
        return path

    with open_store(project) as store:
        id = f"{fill(store).name}-001"
        folder = project.trial_folder(id)
        end("failed")
        trial_progress.mark_ended(store, id, {"status": "failed"})
        trials.ask(store, id, "retry")
        asked_at = datetime.datetime.fromisoformat(trials.trial(store, id).queued_at).timestamp()
    if begun:
        trial_folder.set_aside(folder)
        files.make_folder(folder)
    if result_after is not None:
        written_at = asked_at + result_after
        os.utime(end("complete"), (written_at, written_at))
    delete_store(project)
    with open_store(project) as store:
        entry = trials.trial(store, id)
        assert (entry.status, entry.wanted) == (status, wanted)


@pytest.mark.parametrize(("ending", "status"), [("complete", "complete"), ("stopped", "running"), ("", "running")])
def test_a_process_that_has_written_its_result_and_is_about_to_end_has_ended(
    project: Project, ending: str, status: str
) -> None:
    """One that was stopped goes on with the result of that beside it."""
    with open_store(project) as store:
        id = f"{fill(store).name}-001"
    folder = files.make_folder(project.trial_folder(id))
    runs.start([sys.executable, "-c", "import time; time.sleep(600)"], folder)
    if ending:
        files.write_atomically(folder / "result.json", json.dumps({"status": ending}))
    delete_store(project)
    try:
        with open_store(project) as store:
            assert trials.trial(store, id).status == status
    finally:
        runs.stop(folder, hard=True)


def test_a_trial_that_is_given_up_is_not_wished_to_be_tried_again(project: Project) -> None:
    with open_store(project) as store:
        id = f"{fill(store).name}-001"
        trials.ask(store, id, "retry")
        trial_progress.mark_ended(store, id, {"status": "failed"})
        assert trials.trial(store, id).wanted == ""
        trials.ask(store, id, "stop")
        trial_progress.mark_ended(store, id, {"status": "stopped"})
        assert trials.trial(store, id).wanted == "stop"


def delete_store(project: Project) -> None:
    for path in project.folder.glob("tunebook.db*"):
        path.unlink()


def test_a_lost_journal_is_noticed_not_written_into_and_written_anew_from_the_store(project: Project) -> None:
    with open_store(project) as store:
        fill(store)
        whole, before = project.journal_path.read_text(), dump(store)
    for left in (None, "".join(whole.splitlines(keepends=True)[:2])):
        project.journal_path.unlink()
        if left is not None:
            project.journal_path.write_text(left)
        with open_store(project) as store:
            assert store.journal_lost()
            with pytest.raises(Refusal, match="tunebook doctor --repair"):
                decide(store)
            assert dump(store) == before
            assert store.restore_journal()
            assert project.journal_path.read_text() == whole
            assert not store.restore_journal()
    assert (project.folder / "journal.lost").read_text() == left
    with open_store(project) as store:
        decide(store, chosen="sgd")
        before = dump(store)
    delete_store(project)
    with open_store(project) as store:
        assert dump(store) == before


def test_a_store_of_a_version_that_kept_no_events_takes_them_from_the_journal(project: Project) -> None:
    with open_store(project) as store:
        fill(store)
        with store.transaction():
            store.database.execute("DELETE FROM events")
            store.database.execute("UPDATE meta SET value = '0' WHERE key = 'journal_kept'")
    whole = project.journal_path.read_text()
    aside = project.journal_path.rename(project.folder / "aside")
    with open_store(project) as store:
        assert not store.restore_journal()
        with pytest.raises(Refusal, match="from a backup"):
            decide(store)
    aside.rename(project.journal_path)
    open_store(project).close()
    project.journal_path.unlink()
    with open_store(project) as store:
        assert store.restore_journal()
    assert project.journal_path.read_text() == whole


def test_a_journal_without_its_beginning_is_refused_in_words_and_leaves_no_half_store(project: Project) -> None:
    with open_store(project) as store:
        fill(store)
    lines = project.journal_path.read_text().splitlines(keepends=True)
    project.journal_path.write_text("".join(lines[4:]))
    delete_store(project)
    for _ in range(2):
        with pytest.raises(Refusal, match=r"journal.jsonl: the entry of .* \(batch|trials\) .* from a backup"):
            open_store(project)
        assert not list(project.folder.glob("tunebook.db*"))


def test_trials_agree_with_their_folders_also_where_building_the_store_was_interrupted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(project) as store:
        id = f"{fill(store).name}-001"
    folder = project.trial_folder(id)
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text('{"step": 1, "val/error_rate": 0.5}\n')
    result = {"status": "complete", "steps_done": 1, "best": {"step": 1, "val/error_rate": 0.5}, "final": {}}
    (folder / "result.json").write_text(json.dumps(result))
    delete_store(project)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(reconciling, "index_metrics", interrupted)
        with pytest.raises(KeyboardInterrupt):
            open_store(project)
    with open_store(project) as store:
        assert trials.trial(store, id).status == "complete"
        assert metrics.curve(store, id, "val/error_rate") == [(1, 0.5)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_journal_that_may_not_be_written_is_refused_in_words(project: Project) -> None:
    with open_store(project) as store:
        decide(store)
        project.journal_path.chmod(0o400)
        with pytest.raises(Refusal, match=r"journal\.jsonl"):
            decide(store)


def test_a_torn_journal_line_is_passed_over_and_the_next_one_kept(project: Project) -> None:
    with open_store(project) as store:
        decide(store)
    with project.journal_path.open("a") as journal:
        journal.write('{"kind": "decision", "chos')
    with open_store(project) as store:
        decide(store, chosen="adam")
    for path in project.folder.glob("tunebook.db*"):
        path.unlink()
    with open_store(project) as store:
        assert [entry.chosen for entry in decisions.decisions(store, all=True)] == ["sgd", "adam"]


def test_what_the_tables_refuse_does_not_reach_the_journal(project: Project) -> None:
    with open_store(project) as store:
        with pytest.raises(sqlite3.IntegrityError):
            launches.launch(
                store, batch="round-9", candidate="none", previous=None, decision="adopt", reason={}, evidence={}
            )
        assert not project.journal_path.exists()


def test_a_batch_that_another_session_has_just_begun_is_refused_in_words(project: Project) -> None:
    """Its name was chosen before, by what there was then."""
    with open_store(project) as one, open_store(project) as other:
        name = configurations.save(one, {"training.steps": 3}, {})
        new = trials.NewTrial("", 0, {}, {}, {})

        class Plan(UserDict[str, int]):
            """A plan that is read after the name was chosen, and just then another session is quicker."""

            def keys(self) -> KeysView[str]:
                trials.add_batch(other, "round", goal="", configuration=name, plan={}, trials=[new])
                files.make_folder(project.trial_folder("round-1-001"))
                return super().keys()

        with pytest.raises(Refusal, match="Another session did the same at this moment"):
            trials.add_batch(one, "round", goal="", configuration=name, plan=Plan(seed=1), trials=[new])
        assert [entry.name for entry in trials.batches(one)] == ["round-1"]
        # Nor is the folder taken away that the other's trial may have by now.
        assert project.trial_folder("round-1-001").exists()
        assert trials.add_batch(one, "round", goal="", configuration=name, plan={}, trials=[new]).name == "round-2"


def test_a_store_of_a_newer_version_is_refused_and_left_alone(project: Project) -> None:
    with open_store(project) as store, store.transaction():
        store.database.conn.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('tunebook', 'm999_later', 'x')"
        )
    with pytest.raises(Refusal, match="newer version"):
        open_store(project)


def test_a_damaged_store_is_refused_with_the_way_out(project: Project) -> None:
    project.store_path.write_bytes(b"not a database at all, " * 100)
    with pytest.raises(Refusal, match="tunebook doctor --repair"):
        open_store(project)


def test_a_journal_of_a_newer_version_is_refused(project: Project) -> None:
    project.journal_path.write_text('{"kind": "telepathy", "at": "", "by": ""}\n')
    with pytest.raises(Refusal, match="newer version"):
        open_store(project)


def _write_many(root: str, who: int) -> None:
    from state.project import open_project

    with open_store(open_project(Path(root))) as store:
        for number in range(20):
            decide(store, step=f"step-{who}-{number}")


def test_many_processes_write_at_once_and_nothing_is_lost(project: Project) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(str(project.root), who)) for who in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    with open_store(project) as store:
        assert len(decisions.decisions(store)) == 80
    assert len(project.journal_path.read_text().splitlines()) == 80


def test_a_continued_trials_rewritten_metrics_replace_the_old_ones(project: Project) -> None:
    with open_store(project) as store:
        batch = fill(store)
        path = project.trial_folder(f"{batch.name}-001") / "metrics.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text("".join(f'{{"step": {step}, "train/loss": {step}}}\n' for step in range(1, 6)))
        metrics.index_metrics(store, [path.parent.name])
        # A continued trial drops the lines after its checkpoint by writing the file beside and renaming it.
        beside = path.with_suffix(".new")
        beside.write_text("".join(f'{{"step": {step}, "train/loss": {step * 10}}}\n' for step in range(1, 3)))
        beside.rename(path)
        metrics.index_metrics(store, [path.parent.name])
        assert metrics.curve(store, path.parent.name, "train/loss") == [(1, 10.0), (2, 20.0)]


def test_unknown_names_are_refused_with_the_known_ones(project: Project) -> None:
    with open_store(project) as store:
        fill(store)
        with pytest.raises(Refusal, match="There are: round-1"):
            trials.batch(store, "round-7")
        with pytest.raises(Refusal, match="no trial"):
            trials.trial(store, "x")
        with pytest.raises(Refusal, match="no configuration"):
            configurations.configuration(store, "x")
