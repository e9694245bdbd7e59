"""The supervisor: trials run, stop, go on and end as people want, whichever process is killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from presets.language import say
from rounds import attending, room, sharing, starting, supervisor, trial_folder, wishes
from rounds.attending import Supervisor
from rounds.slots import Machine, Slot
from rounds.warm import ForkServer
from state import files, gpus, measurements, metrics, runs, trial_progress, trials
from state.database import Store
from state.project import Project
from state.store import open_store
from state.trials import Trial
from tests import small_project
from tests.small_project import wait_for

# Long enough to be caught in the middle, with one evaluation on the way that best and final can differ by.
MIDDLE = {"training.steps": 120, "training.evaluate_every": 40}


@pytest.fixture
def project(tmp_path: Path, digits: Path) -> Iterator[Project]:
    with small_project.alone(tmp_path / "项目 [red]", digits) as made:
        yield made


@pytest.fixture
def store(project: Project) -> Iterator[Store]:
    with open_store(project) as opened:
        yield opened


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, digits: Path, fork_server: ForkServer) -> dict[int, Any]:
    """Seed to what a trial that nobody disturbed comes to."""
    with open_store(small_project.project(tmp_path_factory.mktemp("undisturbed"), digits)) as opened:
        fill(opened, digits, seeds=(1, 2))
        drive(Supervisor(opened, Machine(2), fork_server), lambda: ended(opened))
        return outcomes(opened)


def fill(store: Store, digits: Path, seeds: tuple[int, ...], **how: Any) -> str:
    """Queue a trial of 120 steps for each seed, and return the name of their batch."""
    overrides = [{"training.seed": seed, **MIDDLE} for seed in seeds]
    return small_project.batch(store, small_project.settings(digits), overrides, **how).name


def drive(driven: Supervisor, until: Callable[[], object], message: str = "the trials did not get there") -> None:
    """Let a supervisor work in this process until a condition holds."""

    def condition() -> object:
        driven.tick()
        return until()

    wait_for(condition, message)


def ended(store: Store) -> bool:
    return all(entry.status in trials.ENDED for entry in trials.trials(store))


def outcomes(store: Store) -> dict[int, Any]:
    """Seed to what training came to, without what depends on the clock."""
    found: dict[int, Any] = {}
    for entry in trials.trials(store):
        assert (entry.status, entry.message) == ("complete", "")
        names = ("train/loss", "val/loss", "val/error_rate", "grad_norm")
        curves = {name: metrics.curve(store, entry.id, name) for name in names}
        assert all(curves.values())
        found[entry.overrides["training.seed"]] = (entry.best, entry.best_step, entry.final, entry.steps_done, curves)
    return found


def in_training(store: Store, id: str) -> bool:
    """Whether a trial has begun to train; it is frozen then, and must be thawed or killed."""
    folder = store.project.trial_folder(id)
    process = runs.process(folder)
    if process is None or not (folder / "metrics.jsonl").exists():
        return False
    process.suspend()
    if (folder / "metrics.jsonl").stat().st_size:
        return True
    process.resume()
    return False


def kill(store: Store, id: str) -> None:
    process = runs.process(store.project.trial_folder(id))
    assert process is not None
    process.kill()


def test_a_trial_that_is_killed_runs_again_and_comes_to_the_same(
    store: Store, digits: Path, fork_server: ForkServer, undisturbed: dict[int, Any]
) -> None:
    fill(store, digits, seeds=(1, 2))
    driven = Supervisor(store, Machine(2), fork_server)
    drive(driven, lambda: in_training(store, "round-1-001"))
    kill(store, "round-1-001")
    drive(driven, lambda: ended(store))
    assert outcomes(store) == undisturbed
    assert [entry.restarts for entry in trials.trials(store)] == [1, 0]


def test_a_trial_that_is_killed_twice_is_given_up_with_the_cause(
    store: Store, digits: Path, fork_server: ForkServer
) -> None:
    fill(store, digits, seeds=(1,))
    driven = Supervisor(store, Machine(2), fork_server)
    for _ in range(2):
        drive(driven, lambda: in_training(store, "round-1-001"))
        kill(store, "round-1-001")
        drive(driven, lambda: trials.trial(store, "round-1-001").status != "running")
        if (entry := trials.trial(store, "round-1-001")).status == "queued":
            assert entry.message.startswith("It was lost: The process was killed by SIGKILL. It ")
    drive(driven, lambda: ended(store))
    entry = trials.trial(store, "round-1-001")
    assert (entry.status, entry.reason) == ("failed", "killed")
    assert "killed by SIGKILL" in entry.message
    # The folder says the same, so that a store that is built anew does not run it once more.
    assert runs.result(store.project.trial_folder(entry.id)) == entry.result
    assert not driven.tick()


def test_a_lost_trial_says_from_which_step_it_goes_on(store: Store, digits: Path) -> None:
    fill(store, digits, seeds=(1,))
    folder = files.make_folder(store.project.trial_folder("round-1-001"))
    cause = say("The machine was restarted.")
    again = trial_folder.goes_on(store, folder, cause)
    assert again.text() == "It was lost: The machine was restarted. It begins again at its next turn."
    files.write_atomically(files.make_folder(folder / "checkpoints") / "last.json", '{"step": 40}')
    again = trial_folder.goes_on(store, folder, cause)
    assert again.text() == "It was lost: The machine was restarted. It goes on from its checkpoint at step 40."


def test_a_fork_server_that_is_killed_takes_no_trial_with_it(
    store: Store, digits: Path, fork_server: ForkServer, undisturbed: dict[int, Any]
) -> None:
    fill(store, digits, seeds=(1, 2), slots=1)
    driven = Supervisor(store, Machine(2), fork_server)
    drive(driven, lambda: in_training(store, "round-1-001"))
    assert fork_server.process is not None
    fork_server.process.kill()
    process = runs.process(store.project.trial_folder("round-1-001"))
    assert process is not None
    process.resume()
    drive(driven, lambda: ended(store))
    assert outcomes(store) == undisturbed
    assert [entry.restarts for entry in trials.trials(store)] == [0, 0]


def test_supervisors_that_are_killed_are_replaced_and_the_trials_never_notice(
    project: Project, digits: Path, undisturbed: dict[int, Any]
) -> None:
    assert not supervisor.ensure(project)
    with open_store(project) as store:
        fill(store, digits, seeds=(1, 2), slots=1)
        # Two at once: one of them leaves quietly.
        command = [sys.executable, "-m", "rounds.supervisor", "--project", str(project.root)]
        both = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
        try:
            wait_for(lambda: any(one.poll() == 0 for one in both), "two supervisors were at work")
            wait_for(lambda: in_training(store, "round-1-001"), "the first trial never began")
            (first,) = [one for one in both if one.poll() is None]
            assert supervisor.alive(project)
            assert supervisor.ensure(project)
            resident = psutil.Process(first.pid).memory_info().rss
            assert resident < 150 * 2**20
            (server,) = psutil.Process(first.pid).children()
        finally:
            for one in both:
                one.kill()
                one.wait()
        wait_for(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, "the server stayed behind")
        folder = project.trial_folder("round-1-001")
        assert runs.alive(folder)
        assert not supervisor.alive(project)

        # The next one adopts the trial; asked to leave, it leaves it alone as well.
        assert supervisor.ensure(project)
        wait_for(lambda: holder(project) not in (None, first.pid), "no supervisor came")
        os.kill(holder(project) or 0, signal.SIGTERM)
        wait_for(lambda: not supervisor.alive(project), "it did not leave")
        process = runs.process(folder)
        assert process is not None
        process.resume()

        assert supervisor.ensure(project)
        wait_for(lambda: ended(store), "the trials did not end")
        assert outcomes(store) == undisturbed
        assert [entry.restarts for entry in trials.trials(store)] == [0, 0]

        # What is asked for soon after is done by the same one, which is still warm.
        third = holder(project)
        fill(store, digits, seeds=(1,))
        assert supervisor.ensure(project)
        wait_for(lambda: ended(store), "the last trial did not end")
        assert holder(project) == third
        assert (project.folder / supervisor.LOG).read_text().count(f"process {third} is at work") == 1
        wait_for(lambda: not supervisor.alive(project), "it did not leave when all was done")
        assert not list(project.folder.glob("*.sock"))


def holder(project: Project) -> int | None:
    """The process that the supervisor's lock names; None in the instant before it has written itself in."""
    return (files.read_json(project.folder / supervisor.LOCK) or {}).get("pid")


def test_a_batch_that_is_stopped_saves_itself_and_goes_on_where_it_was(
    store: Store, digits: Path, fork_server: ForkServer, undisturbed: dict[int, Any]
) -> None:
    name = fill(store, digits, seeds=(1, 2), slots=1)
    driven = Supervisor(store, Machine(2), fork_server)
    drive(driven, lambda: in_training(store, "round-1-001"))
    trials.ask(store, name, "stop")
    drive(driven, lambda: driven.asked)
    process = runs.process(store.project.trial_folder("round-1-001"))
    assert process is not None
    process.resume()
    drive(driven, lambda: not driven.slots)
    assert [entry.status for entry in trials.trials(store)] == ["stopped", "queued"]
    assert trials.trials(store)[0].steps_done < MIDDLE["training.steps"]
    assert not driven.tick()
    assert not runs.alive(store.project.trial_folder("round-1-001"))

    trials.ask(store, name, "run")
    drive(driven, lambda: ended(store))
    assert outcomes(store) == undisturbed
    first = trials.trial(store, "round-1-001")
    assert first.restarts == 0
    assert first.result is not None
    assert first.result["resumed"] == 1


def test_a_paused_batch_finishes_what_runs_and_starts_nothing(
    store: Store, digits: Path, fork_server: ForkServer
) -> None:
    name = fill(store, digits, seeds=(1, 2), slots=1)
    driven = Supervisor(store, Machine(2), fork_server)
    drive(driven, lambda: in_training(store, "round-1-001"))
    trials.ask(store, name, "pause")
    assert driven.tick()
    process = runs.process(store.project.trial_folder("round-1-001"))
    assert process is not None
    process.resume()
    drive(driven, lambda: not driven.tick())
    assert [entry.status for entry in trials.trials(store)] == ["complete", "queued"]


def test_one_trial_is_stopped_while_the_others_go_on_until_it_is_tried_again(
    store: Store, digits: Path, fork_server: ForkServer, undisturbed: dict[int, Any]
) -> None:
    name = fill(store, digits, seeds=(1, 2), wanted="")
    # Before it began, and without a process.
    trials.ask(store, "round-1-001", "stop")
    trials.ask(store, name, "run")
    driven = Supervisor(store, Machine(2), fork_server)
    drive(driven, lambda: not driven.tick())
    assert [entry.status for entry in trials.trials(store)] == ["stopped", "complete"]

    trials.ask(store, "round-1-001", "retry")
    drive(driven, lambda: ended(store))
    assert outcomes(store) == undisturbed


def test_an_ended_trial_that_is_tried_again_begins_anew_and_keeps_the_first_try(
    store: Store, digits: Path, fork_server: ForkServer, undisturbed: dict[int, Any]
) -> None:
    fill(store, digits, seeds=(1,))
    folder = store.project.trial_folder("round-1-001")
    driven = Supervisor(store, Machine(2), fork_server)
    for number in (1, 2):
        drive(driven, lambda: ended(store))
        before = (folder / "metrics.jsonl").read_bytes()
        trials.ask(store, "round-1-001", "retry")
        drive(driven, lambda: ended(store))
        assert outcomes(store)[1] == undisturbed[1]
        assert (folder.with_name(f"round-1-001.{number}") / "metrics.jsonl").read_bytes() == before


def test_a_trial_that_ignores_the_request_to_stop_is_killed(
    store: Store, digits: Path, fork_server: ForkServer
) -> None:
    """A process in the trial's place that does not end on SIGTERM, nor does its child."""
    name = fill(store, digits, seeds=(1,))
    folder = store.project.trial_folder("round-1-001")
    deaf = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.fork(), flush=True)\n"
        "time.sleep(600)\n"
    )
    pid = runs.start([sys.executable, "-c", deaf], folder)
    wait_for(lambda: len(runs.log_tail(folder)) == 2, "it never began")
    child = psutil.Process(max(int(line) for line in runs.log_tail(folder)))
    driven = Supervisor(store, Machine(2), fork_server, grace=0.5)
    driven.children[pid] = folder
    driven.tick()
    assert trials.trial(store, "round-1-001").status == "running"
    trials.ask(store, name, "stop")
    drive(driven, lambda: not driven.slots)
    entry = trials.trial(store, "round-1-001")
    assert (entry.status, entry.reason) == ("stopped", "stopped")
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "its child lives")


@pytest.mark.parametrize("status", ["stopped", "infeasible"])
def test_a_second_try_that_is_stopped_before_it_begins_leaves_what_the_first_came_to(
    store: Store, digits: Path, fork_server: ForkServer, status: str
) -> None:
    fill(store, digits, seeds=(1,), wanted="pause")
    folder = files.make_folder(store.project.trial_folder("round-1-001"))
    best = {"step": 40, "val/error_rate": 0.25}
    result = {"status": status, "reason": "r", "best": best, "final": best, "steps_done": 60, "seconds": 7.0}
    files.write_atomically(folder / "result.json", json.dumps(result))
    trial_progress.mark_ended(store, "round-1-001", result)
    before = trials.trial(store, "round-1-001")
    trials.ask(store, "round-1-001", "retry")
    trials.ask(store, "round-1-001", "stop")
    Supervisor(store, Machine(2), fork_server).tick()
    entry = trials.trial(store, "round-1-001")
    names = ("status", "reason", "best", "best_step", "final", "steps_done", "result")
    assert [getattr(entry, name) for name in names] == [getattr(before, name) for name in names]
    assert (entry.best, runs.result(folder)) == (0.25, result)


@pytest.mark.parametrize(("status", "best"), [("stopped", 0.25), ("infeasible", None)])
def test_one_that_dies_before_it_could_save_keeps_the_best_of_what_it_goes_on_with(
    store: Store, digits: Path, fork_server: ForkServer, status: str, best: float | None
) -> None:
    """One that was stopped goes on, with the best so far; one that ended begins anew, with nothing."""
    name = fill(store, digits, seeds=(1,), wanted="run")
    folder = files.make_folder(store.project.trial_folder("round-1-001"))
    result = {"status": status, "best": {"step": 40, "val/error_rate": 0.25}, "steps_done": 60}
    files.write_atomically(folder / "result.json", json.dumps(result))
    trial_progress.mark_ended(store, "round-1-001", result)
    trials.ask(store, "round-1-001", "retry")
    driven = Supervisor(store, Machine(2), fork_server)
    drive(driven, lambda: trials.trial(store, "round-1-001").status == "running")
    kill(store, "round-1-001")
    trials.ask(store, name, "stop")
    drive(driven, lambda: trials.trial(store, "round-1-001").status != "running")
    entry = trials.trial(store, "round-1-001")
    assert (entry.message, entry.best) == ("Stopped before it could save.", best)
    assert runs.result(folder) == entry.result


def test_a_process_that_ends_without_a_result_fails_with_what_it_said(store: Store, digits: Path) -> None:
    """A crash of its own would repeat itself, so it is not tried again."""
    fill(store, digits, seeds=(1,))
    folder = store.project.trial_folder("round-1-001")
    driven = Supervisor(store, Machine(2), ForkServer(store.project.folder, ["false"]))
    pid = runs.start([sys.executable, "-c", "import sys; sys.exit('no [/x] module {y}')"], folder)
    driven.children[pid] = folder
    trial_progress.mark_running(store, "round-1-001", restart=False)
    drive(driven, lambda: ended(store))
    entry = trials.trial(store, "round-1-001")
    assert (entry.status, entry.reason, entry.restarts) == ("failed", "error", 0)
    assert "exit code 1" in entry.message
    assert entry.message.endswith("no [/x] module {y}")


def test_without_a_fork_server_trials_start_all_the_same(
    store: Store, digits: Path, undisturbed: dict[int, Any]
) -> None:
    fill(store, digits, seeds=(1,))
    server = ForkServer(store.project.folder, ["false"])
    driven = Supervisor(store, Machine(2), server)
    drive(driven, lambda: ended(store))
    assert server.poll() == "unavailable"
    assert outcomes(store)[1] == undisturbed[1]


def test_a_configuration_that_training_would_refuse_fails_its_own_trial_alone(
    store: Store, digits: Path, fork_server: ForkServer
) -> None:
    wrong = {"training.seed": -1, "optimizer.momentum": 2.0}
    small_project.batch(store, small_project.settings(digits, training__steps=10), [wrong, {"training.seed": 1}])
    driven = Supervisor(store, Machine(2), fork_server)
    drive(driven, lambda: ended(store))
    first, second = trials.trials(store)
    assert (first.status, first.reason) == ("failed", "config")
    assert "training.seed: -1" in first.message
    assert "optimizer.momentum: 2.0" in first.message
    assert second.status == "complete"


def test_a_trial_that_cannot_be_started_is_given_up_and_keeps_no_other_waiting(
    store: Store, digits: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "LONGEST_PAUSE", 0.1)
    fill(store, digits, seeds=(1, 2), slots=1)
    # A folder where a file should be.
    files.make_folder(store.project.trial_folder("round-1-001") / "config.toml")
    driven = Supervisor(store, Machine(2), fork_server)
    drive(driven, lambda: ended(store))
    first, second = trials.trials(store)
    assert (first.status, first.reason) == ("failed", "error")
    assert "config.toml" in first.message
    assert second.status == "complete"


def test_while_the_disk_is_full_trials_wait_and_say_so(
    store: Store, digits: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, digits, seeds=(1,))
    driven = Supervisor(store, Machine(2), fork_server)
    with monkeypatch.context() as patch:
        patch.setattr(room, "LEAST_DISK", 2**62)
        assert driven.tick()
        entry = trials.trial(store, "round-1-001")
        assert entry.status == "queued"
        assert entry.message.startswith("Waiting: only ")
    drive(driven, lambda: ended(store))
    assert trials.trial(store, "round-1-001").message == ""


def test_why_a_lost_trial_waits_is_said_once_it_could_go_on(
    store: Store, digits: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started: a trial that was said to hang is found dead, and the disk has no room for it to go on."""
    fill(store, digits, seeds=(1,))
    name = "round-1-001"
    trial_progress.mark_running(store, name, restart=False)
    trial_progress.note(store, name, "No new step for 5 minutes.")
    monkeypatch.setattr(room, "LEAST_DISK", 2**62)
    monkeypatch.setattr(attending, "ENDING_SECONDS", 0.0)
    said: list[str] = []

    def waits() -> bool:
        said.append(trials.trial(store, name).message.partition(":")[0])
        return said[-1] == "Waiting"

    driven = Supervisor(store, Machine(2), fork_server)
    drive(driven, waits)
    assert trials.trial(store, name).status == "queued"
    assert set(said[:-1]) <= {"No new step for 5 minutes.", "It was lost"}
    # Said once: the figures change with every look.
    before = trials.trial(store, name).message
    monkeypatch.setattr(room, "LEAST_DISK", 2**61)
    driven.tick()
    assert trials.trial(store, name).message == before
    # What it had to say while it ran is past where nobody has to say why it waits.
    trial_progress.note(store, name, "No new step for 5 minutes.")
    trial_progress.mark_queued(store, name)
    assert (trials.trial(store, name).message, trials.trial(store, name).said) == ("", None)


def test_trials_are_started_in_the_order_that_people_wish(store: Store, digits: Path, fork_server: ForkServer) -> None:
    fill(store, digits, seeds=(1, 2, 3), slots=1, wanted="")
    wishes.put_first(store, ["round-1-003"])
    wishes.put_first(store, ["round-1-002"])
    trials.ask(store, "round-1", "run")
    driven = Supervisor(store, Machine(2), fork_server)
    begun: list[str] = []

    def look() -> bool:
        begun.extend(id for id in driven.slots if id not in begun)
        return len(begun) == 3 or ended(store)

    drive(driven, look)
    assert begun == ["round-1-002", "round-1-003", "round-1-001"]
    # By whichever order they ran, they are listed by their numbers; so also in a store that is built anew.
    assert [entry.id for entry in trials.trials(store)] == [f"round-1-00{number}" for number in (1, 2, 3)]
    assert [entry.priority for entry in trials.trials(store)] == [0, 2, 1]
    trials.ask(store, "round-1", "stop")
    drive(driven, lambda: not driven.slots)


def test_a_trial_that_makes_no_steps_any_more_says_so_until_it_does(
    store: Store, digits: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rounds.stalling.LEAST_SECONDS", 1.0)
    monkeypatch.setattr("rounds.stalling.TIMES", 0.0)
    fill(store, digits, seeds=(1,))
    driven = Supervisor(store, Machine(2), fork_server)
    drive(driven, lambda: in_training(store, "round-1-001"))
    drive(driven, lambda: trials.trial(store, "round-1-001").message)
    entry = trials.trial(store, "round-1-001")
    assert entry.status == "running"
    assert entry.message.startswith("No new step for ")
    process = runs.process(store.project.trial_folder("round-1-001"))
    assert process is not None
    process.resume()
    drive(driven, lambda: ended(store))
    assert trials.trial(store, "round-1-001").message == ""


def test_a_trial_that_another_has_ended_keeps_no_slot_and_no_supervisor(
    store: Store, digits: Path, fork_server: ForkServer
) -> None:
    """It was looked at no more, so that its slot was taken for good, and the supervisor waited for it for ever."""
    fill(store, digits, seeds=(1,))
    driven, other = (Supervisor(store, Machine(2), fork_server) for _ in range(2))
    drive(driven, lambda: in_training(store, "round-1-001"))
    process = runs.process(store.project.trial_folder("round-1-001"))
    assert process is not None
    process.resume()
    drive(other, lambda: ended(store))
    assert driven.slots
    assert not driven.tick()
    assert driven.slots == {}


def test_the_configuration_of_a_trial_says_why_each_value_is_what_it_is(store: Store, digits: Path) -> None:
    from presets.language import say
    from state import configurations

    values = small_project.settings(digits)
    reason = json.loads(say("Because {why}.", why="[/red]\nof this").json())
    name = configurations.save(store, values, {"optimizer.learning_rate": reason})
    switched = {"optimizer.name": "adam", "optimizer.momentum": None, "optimizer.nesterov": None}
    new = trials.NewTrial("adam", 0, {}, {}, switched)
    trials.add_batch(store, "round", goal="", configuration=name, plan={}, trials=[new])
    text = trial_folder.configuration(store, trials.trial(store, "round-1-001"))
    assert "# Because [/red]\n# of this.\nlearning_rate = 0.05" in text
    assert '# Chosen for round-1-001.\nname = "adam"' in text
    assert "momentum" not in text
    assert "beta1 = 0.9" in text


def test_a_supervisor_loads_nothing_heavy() -> None:
    code = (
        "import sys, rounds.supervisor\n"
        "print([name for name in ('torch', 'numpy', 'scipy', 'pandas', 'textual', 'rich') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_a_slot_is_remembered_in_the_folder(store: Store, digits: Path) -> None:
    fill(store, digits, seeds=(1,))
    entry: Trial = trials.trial(store, "round-1-001")
    slot = Slot("cuda", "GPU-a", 3)
    assert not trial_folder.prepare(store, entry, slot)
    folder = store.project.trial_folder(entry.id)
    assert trial_folder.slot(folder) == slot
    assert trial_folder.slot(folder / "no such") == Slot("cpu")


TWO_CARDS = Machine(2, ("GPU-a", "GPU-b"))


def test_a_gpu_that_others_have_filled_keeps_no_trial_from_the_next(
    store: Store, digits: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GPUs that are made up, so nothing is started: what a trial leaves when it is complete is written in its place."""
    values = small_project.settings(digits, runtime__device="auto", training__steps=5, training__evaluate_every=5)
    small_project.batch(store, values, [{}])
    result = {"sizes": [{"batch_size": 8, "peak_memory": 2**30}], "device_type": "cuda"}
    measurements.record(store, "probe-1", "probe", {"model.name": "test_resnet"}, result)
    free = {"GPU-a": 0, "GPU-b": 0}
    monkeypatch.setattr(gpus, "memory", lambda _kind: free)
    monkeypatch.setattr(room, "SHORT_SECONDS", 0.0)
    driven = Supervisor(store, TWO_CARDS, fork_server)

    def complete(_project: object, _server: object, folder: Path, _slot: Slot) -> tuple[int, bool]:
        result = {"status": "complete", "best": {"step": 5, "val/error_rate": 0.5}, "steps_done": 5}
        files.write_atomically(folder / runs.RESULT, json.dumps(result))
        return 2**22 + 1, False

    monkeypatch.setattr(starting, "start", complete)
    drive(driven, lambda: trials.trial(store, "round-1-001").message.startswith("Waiting: GPU-a has 0 MiB free"))
    assert not driven.slots
    free["GPU-b"] = 2**34
    drive(driven, lambda: ended(store))
    assert trials.trial(store, "round-1-001").status == "complete"
    assert trial_folder.slot(store.project.trial_folder("round-1-001")).gpu == "GPU-b"


def test_no_more_trials_run_on_the_cpu_than_memory_holds(
    store: Store, digits: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the cores there is room for eight, by what the probe has seen and what a process takes besides for two."""
    fill(store, digits, seeds=(1, 2, 3))
    result = {"sizes": [{"batch_size": 8, "peak_memory": 2**30}], "device_type": "cpu"}
    measurements.record(store, "probe-1", "probe", {"model.name": "test_resnet"}, result)
    monkeypatch.setattr(sharing, "memory", lambda: 4 * 2**30)
    driven, most = Supervisor(store, Machine(8), fork_server), 0

    def all_ended() -> bool:
        nonlocal most
        most = max(most, len(driven.slots))
        return ended(store)

    drive(driven, all_ended)
    assert most == 2


def test_a_trial_whose_gpu_fails_goes_on_and_the_gpu_gets_no_more(
    store: Store, digits: Path, monkeypatch: pytest.MonkeyPatch, fork_server: ForkServer
) -> None:
    """Nothing is started: what a trial leaves when its GPU fails is written in its place."""
    small_project.batch(store, small_project.settings(digits, runtime__device="auto"), [{}])
    driven = Supervisor(store, TWO_CARDS, fork_server)

    def fail(_project: object, _server: object, folder: Path, _slot: Slot) -> tuple[int, bool]:
        result = {"status": "failed", "reason": "device", "message": "The GPU failed: ...", "steps_done": 1}
        files.write_atomically(folder / runs.RESULT, json.dumps(result))
        return 2**22 + 1, False

    monkeypatch.setattr(starting, "start", fail)
    used: list[str] = []
    while not ended(store):
        driven.tick()
        used += [slot.gpu for slot in driven.slots.values()]
    assert used == ["GPU-a", "GPU-a", "GPU-b"]
    entry = trials.trial(store, "round-1-001")
    assert (entry.status, entry.reason, entry.restarts) == ("failed", "device", attending.GOES_ON["device"])


def test_between_two_looks_a_result_is_seen_at_once(
    store: Store, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is written ends the rest; one that was there before does not, since the look has dealt with it."""
    driven = Supervisor(store, Machine(2), fork_server)
    driven.slots = {"round-1-001": Slot("cpu"), "round-1-002": Slot("cpu")}
    old, new = (files.make_folder(store.project.trial_folder(id)) / runs.RESULT for id in driven.slots)
    old.write_text("{}")
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            new.write_text("{}")
        assert len(naps) < 4

    monkeypatch.setattr("time.sleep", sleep)
    driven.rest(60.0)
    assert naps == [attending.GLANCE_SECONDS] * 3
