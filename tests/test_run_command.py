"""A command run as a trial: however it ends, the folder says what became of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from presets.language import told
from state import provenance, run_command, runs
from state.outcome import last_words
from tests.small_project import lives, wait_for
from training import record

GOOD = """\
import json
with open("{out}/metrics.jsonl", "w") as file:
    file.write(json.dumps({"step": 3, "score": 0.5}) + "\\n")
"""


def ask(folder: Path, code: str, **changes: Any) -> Path:
    """A trial folder whose command is this Python code; {out} in it is where it writes."""
    output = folder / run_command.OUTPUT
    output.mkdir(parents=True)
    script = folder / "script.py"
    script.write_text(code.replace("{out}", str(output)), encoding="utf-8")
    asked = {
        "command": [sys.executable, str(script)],
        "named": [str(script)],
        "program": sys.executable,
        "directory": str(folder),
        "metric": "score",
        "direction": "max",
        "device": "cpu",
        **changes,
    }
    (folder / run_command.COMMAND).write_text(json.dumps(asked), encoding="utf-8")
    return folder


def start(folder: Path) -> int:
    return runs.start([sys.executable, "-P", "-m", "state.run_command", str(folder)], folder)


def run(folder: Path) -> tuple[int, dict[str, Any]]:
    """Run it to its end as the supervisor does; the exit code as a shell gives it, and the result."""
    _pid, status = os.waitpid(start(folder), 0)
    return os.waitstatus_to_exitcode(status), runs.result(folder) or {}


def command_of(pid: int) -> psutil.Process:
    """The command that a runner runs; the asking for versions is a child, too, and one that has ended has no words."""
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):
            if "script.py" in "".join(child.cmdline()[-1:]):
                return child
    raise AssertionError("the command does not run")


@pytest.mark.parametrize(
    ("code", "exit_code", "status", "reason", "said"),
    [
        (GOOD, 0, "complete", "", ""),
        ("pass", 0, "failed", "no metric", "wrote none of summary.csv, trainer_state.json"),
        ("pass", 0, "failed", "no metric", "into its folder, and nothing else either."),
        # Which files there are was not said.
        ("open('{out}/log.csv', 'w')", 0, "failed", "no metric", "There is: log.csv. Have it append one JSON object"),
        (
            GOOD.replace("score", "points"),
            0,
            "failed",
            "no metric",
            "score into metrics.jsonl; there is: points",
        ),
        (GOOD.replace("0.5", 'float("nan")'), 0, "infeasible", "diverged", "score is not a number from step 3 on"),
        ("import sys; print('first'); sys.exit('no data [/red]')", 1, "failed", "error", "first | no data [/red]"),
        ("raise SystemExit(7)", 7, "failed", "error", "exit code 7. It printed last: (nothing)"),
        (GOOD + "raise MemoryError('CUDA out of memory')", 1, "infeasible", "out_of_memory", "Memory ran out"),
        (GOOD.replace("0.5", 'float("inf")') + "assert False", 1, "infeasible", "diverged", "not a number"),
    ],
)
def test_every_end_is_told_with_its_reason(
    tmp_path: Path, code: str, exit_code: int, status: str, reason: str, said: str
) -> None:
    code_found, result = run(ask(tmp_path / "t", code))
    assert (code_found, result["status"], result["reason"]) == (exit_code, status, reason)
    assert said in result["message"]
    assert not runs.alive(tmp_path / "t")


@pytest.mark.parametrize(
    ("device", "line", "reason"),
    [
        ("cuda", "RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable", "device"),
        ("cuda", "RuntimeError: No CUDA GPUs are available", "device"),
        # A mistake in a kernel or in the labels is the script's own, wherever it runs.
        ("cuda", "torch.AcceleratorError: CUDA error: device-side assert triggered", "error"),
        # It was to have none.
        ("cpu", "RuntimeError: No CUDA GPUs are available", "error"),
    ],
)
def test_a_gpu_that_failed_is_told_from_a_mistake_of_the_command(
    tmp_path: Path, device: str, line: str, reason: str
) -> None:
    """A trial that met a broken GPU was taken for a bug of the script."""
    _code, result = run(ask(tmp_path / "t", f"import sys; sys.exit({line!r})", device=device))
    assert (result["status"], result["reason"]) == ("failed", reason)
    assert line in result["message"]


def test_a_complete_trial_says_its_best_and_last_value_and_what_ran(tmp_path: Path) -> None:
    lines = "".join(f'{{"step": {step}, "score": {score}}}\\n' for step, score in ((1, 0.2), (2, 0.9), (3, 0.4)))
    _code, result = run(ask(tmp_path / "t", "open('{out}/metrics.jsonl', 'w').write('" + lines + "')"))
    assert (result["best"], result["final"]) == ({"step": 2, "val/score": 0.9}, {"step": 3, "val/score": 0.4})
    assert result["steps_done"] == 3
    assert result["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "numpy" in result["versions"]
    assert len(result["code"]) == 64
    assert result["program"] == sys.executable
    lines = (tmp_path / "t" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[1]) == {"step": 2, "val/score": 0.9}


# A start of 1.5 s, an evaluation before any step, and ten steps of 0.15 s.
STEADY = """\
import json, time
def write(step):
    with open("{out}/metrics.jsonl", "a") as file:
        file.write(json.dumps({NAME: step, "score": 0.5}) + "\\n")
time.sleep(0.5)
write(0)
time.sleep(1.0)
for step in range(1, 11):
    time.sleep(0.15)
    write(step)
"""


@pytest.mark.parametrize(
    ("code", "known"),
    [
        (STEADY.replace("NAME", '"step"'), True),
        (STEADY.replace("NAME", '"epoch"'), True),
        # All lines at the end, two at once, and such as are counted by one thing and by another.
        (STEADY.replace("NAME", '"step"').replace("time.sleep(0.15)", "pass"), False),
        (STEADY.replace("NAME", '"step" if step % 2 else "epoch"'), False),
    ],
)
def test_what_a_command_takes_before_its_first_step_is_told_by_its_lines(
    tmp_path: Path, code: str, known: bool
) -> None:
    """Trials of another number of steps were expected to take as many times longer, start and all."""
    _code, result = run(ask(tmp_path / "t", code))
    if known:
        assert result["start_seconds"] == pytest.approx(1.5, abs=0.5)
        assert result["seconds"] > 2.9
    else:
        assert "start_seconds" not in result


def written(*rows: str) -> str:
    """A command that writes these lines."""
    return f"open('{{out}}/metrics.jsonl', 'w').write({chr(10).join(rows) + chr(10)!r})"


def test_it_is_told_from_which_step_on_the_metric_is_not_a_number(tmp_path: Path) -> None:
    rows = [f'{{"step": {step}, "score": {value}}}' for step, value in ((1, "NaN"), (2, 0.5), (20, "NaN"), (40, "NaN"))]
    _code, result = run(ask(tmp_path / "t", written(*rows)))
    assert result["message"] == "score is not a number from step 20 on."


SWALLOWED = """
import traceback
try:
    raise RuntimeError("device-side assert")
except RuntimeError:
    traceback.print_exc()
"""
AT_THE_END = """
class Loader:
    def __del__(self):
        raise RuntimeError("workers are gone")
Loader()
"""


@pytest.mark.parametrize(("more", "said"), [(SWALLOWED, True), (AT_THE_END, False), (AT_THE_END + SWALLOWED, True)])
def test_an_error_after_which_all_is_said_to_have_gone_well_is_told(tmp_path: Path, more: str, said: bool) -> None:
    """A script that prints what went wrong and exits with 0 had trained to its end, for all that was said."""
    code, result = run(ask(tmp_path, GOOD + more))
    assert (code, result["status"]) == (0, "complete")
    assert ("as if all had gone well, and printed an error" in result["message"]) is said


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_metric_that_is_no_number_a_single_time_is_left_out_wherever_that_is(tmp_path: Path, place: int) -> None:
    """At the end alone it made the trial infeasible, with its best value of before lost."""
    scores = [0.9, 0.9, 0.9]
    scores[place] = float("nan")
    rows = [f'{{"step": {step}, "score": {json.dumps(scores[step - 1])}, "loss": 0.3}}' for step in (1, 2, 3)]
    _code, result = run(ask(tmp_path / "t", written(*rows), steps=3))
    assert (result["status"], result["best"]["val/score"]) == ("complete", 0.9)
    assert f"score is not a number at 1 of 3 evaluations, first at step {place + 1}" in result["message"]


@pytest.mark.parametrize(
    ("last", "steps", "after"),
    [
        ('{"step": 3, "score": NaN, "loss": NaN}', 3, ""),  # what it learns by is lost, too
        ('{"step": 3, "score": NaN, "loss": 0.1}', 9, ""),  # it gave up there
        ('{"step": 3, "score": NaN, "loss": 0.1}', 3, "\nraise SystemExit(1)"),
        ('{"step": 3, "score": NaN, "loss": 0.1}\n{"step": 4, "score": NaN}', 3, ""),  # it never came back
    ],
)
def test_a_metric_that_is_no_number_at_the_end_diverged_where_more_says_so(
    tmp_path: Path, last: str, steps: int, after: str
) -> None:
    rows = ('{"step": 1, "score": 0.9, "loss": 0.3}', '{"step": 2, "score": 0.9, "loss": 0.3}', last)
    _code, result = run(ask(tmp_path / "t", written(*rows) + after, steps=steps))
    assert (result["status"], result["reason"]) == ("infeasible", "diverged")
    assert result["message"] == "score is not a number from step 3 on."


def test_a_loss_that_is_tuned_and_no_number_at_the_end_diverged(tmp_path: Path) -> None:
    rows = ('{"step": 1, "val_loss": 0.9}', '{"step": 2, "val_loss": NaN}')
    _code, result = run(ask(tmp_path / "t", written(*rows), metric="val_loss", direction="min"))
    assert (result["status"], result["reason"]) == ("infeasible", "diverged")


def test_lines_that_were_not_understood_are_told_with_the_result_and_in_the_log(tmp_path: Path) -> None:
    code = written('{"step": 10, "score": 0.2}', '{"step": "five", "score": "0.99"}', "epoch 2")
    _code, result = run(folder := ask(tmp_path / "t", code))
    assert (result["status"], result["best"]) == ("complete", {"step": 10, "val/score": 0.2})
    assert "Lines of metrics.jsonl that were not understood, and are left out: 2" in result["message"]
    assert '{"step": "five"' in told(result["message"], result["said"]).text()
    assert "left out: 2" in "".join(runs.log_tail(folder))
    _code, result = run(ask(tmp_path / "u", written('{"step": 1, "loss": 1}', '{"score": 0.9}')))
    assert result["reason"] == "no metric"
    assert "there is: loss" in result["message"]
    assert '{"score": 0.9}' in told(result["message"], result["said"]).text()


def record_of(directory: Path, folder: Path) -> tuple[dict[str, Any], bytes | None]:
    """What is recorded of a command's folder, and the patch; the built-in training's are the same."""
    folder.mkdir(exist_ok=True)
    found = provenance.differences(directory)
    provenance.write_patch(directory, folder, changed=found["changed"])
    patch = (folder / "changes.patch").read_bytes() if (folder / "changes.patch").exists() else None
    with contextlib.chdir(directory):
        assert record.differences() == found
        record.write_patch(folder, changed=found["changed"])
    assert ((folder / "changes.patch").read_bytes() if (folder / "changes.patch").exists() else None) == patch
    return found, patch


def own_git(folder: Path, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Have a git of these words in a shell before any other, started in `folder`."""
    script = folder / "bin" / "git"
    script.parent.mkdir(parents=True)
    script.write_text(f"#!/bin/sh\n{words}\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")


def git_in(repository: Path, *words: str) -> str:
    """What git prints in a repository."""
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout


def committed(repository: Path, *names: str) -> None:
    """A repository with a commit of these files, of a few lines each."""
    for name in names:
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text("".join(f"{number}\n" for number in range(9)))
    git_in(repository, "init", "-q")
    git_in(repository, "add", ".")
    git_in(repository, "commit", "-qm", "first")


def test_the_record_says_from_which_commit_and_what_differed_as_the_built_in_training_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, kept = tmp_path / "repository", tmp_path / "kept"
    repository.mkdir()

    git = partial(git_in, repository)
    nothing: dict[str, Any] = {"commit": None, "changed": None, "untracked": None}
    assert record_of(repository, kept) == (nothing, None)
    git("init", "-q")
    assert record_of(repository, kept) == (nothing, None)
    (repository / "train.py").write_text("first\n")
    git("add", ".")
    git("commit", "-qm", "first")
    commit = git("rev-parse", "HEAD").strip()
    clean: dict[str, Any] = {"commit": commit, "changed": False, "untracked": {"count": 0, "first": []}}
    assert record_of(repository, kept) == (clean, None)
    # Names as odd as names can be, one of them in no encoding.
    for name in (*(f"{number}.txt".encode() for number in range(8)), "名 x".encode(), b"\xff"):
        Path(os.fsdecode(os.fsencode(repository) + b"/" + name)).touch()
    found, patch = record_of(repository, kept)
    assert (found["changed"], found["untracked"]["count"], patch) == (False, 10, None)
    assert found["untracked"]["first"] == ["0.txt", "1.txt", "2.txt", "3.txt", "4.txt"]
    for number in range(8):
        (repository / f"{number}.txt").unlink()
    assert record_of(repository, kept)[0]["untracked"]["first"] == ['"名 x"', "\ufffd"]

    (repository / "train.py").write_text("second\n")
    found, patch = record_of(repository, kept)
    assert (found["commit"], found["changed"]) == (commit, True)
    git("checkout", "-q", "train.py")
    git("apply", str(kept / "changes.patch"))
    assert (repository / "train.py").read_text() == "second\n"
    # Data under version control are no change of the code; and no earlier patch is left in their place.
    (repository / "train.py").write_text("".join(f"{number}\n" for number in range(1_000_000)))
    found, patch = record_of(repository, kept)
    assert (found["changed"], patch) == (True, None)
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert record_of(repository, kept) == (nothing, None)


@pytest.mark.parametrize(
    "setting",
    [
        "color.ui=always",
        "diff.noprefix=true",
        "diff.mnemonicPrefix=true",
        "diff.context=0",
        "diff.relative=true",
        "diff.external=true",
        "diff.some.textconv=sed s/four/five/",
        "diff.some.command=true",
        "status.showUntrackedFiles=no",
        "status.showUntrackedFiles=all",
    ],
)
def test_what_a_person_has_git_show_changes_nothing_of_the_record(tmp_path: Path, setting: str) -> None:
    repository, kept = tmp_path / "repository", tmp_path / "kept"
    committed(repository, "train.py", "sub/data.txt")
    git_in(repository, "config", *setting.split("="))
    (repository / ".git" / "info" / "attributes").write_text("*.txt diff=some\n")
    for name in ("train.py", "sub/data.txt"):
        lines = (repository / name).read_text().replace("4\n", "four\n").replace("8\n", "")
        (repository / name).write_text(lines)
    for name in ("new/a.py", "new/b.py"):
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).touch()
    found, patch = record_of(repository / "sub", kept)
    assert (found["changed"], found["untracked"]) == (True, {"count": 1, "first": ["new/"]})
    assert patch is not None
    git_in(repository, "checkout", "-q", ".")
    git_in(repository, "apply", str(kept / "changes.patch"))
    assert [(repository / name).read_text().count("four") for name in ("train.py", "sub/data.txt")] == [1, 1]


def test_a_patch_of_files_with_the_line_ends_of_another_system_applies(tmp_path: Path) -> None:
    committed(tmp_path / "repository", "train.py")
    script = tmp_path / "repository" / "train.py"
    for text in (b"first\r\nsecond\r\n", b"first\r\nthird\r\n"):
        git_in(script.parent, "commit", "-qam", "another", "--allow-empty")
        script.write_bytes(text)
    record_of(script.parent, tmp_path / "kept")
    git_in(script.parent, "checkout", "-q", ".")
    git_in(script.parent, "apply", str(tmp_path / "kept" / "changes.patch"))
    assert script.read_bytes() == b"first\r\nthird\r\n"


def test_a_folder_whose_untracked_files_take_too_long_to_look_through_has_its_patch_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(tmp_path / "repository", "train.py")
    (tmp_path / "repository" / "train.py").write_text("second\n")
    real = shutil.which("git")
    words = f'case "$*" in *-files=no|*rev-parse*|*diff*) exec {real} "$@";; esac'
    own_git(tmp_path, monkeypatch, words)
    found, patch = record_of(tmp_path / "repository", tmp_path / "kept")
    assert (found["changed"], found["untracked"]) == (True, None)
    assert b"+second" in (patch or b"")


def test_a_command_that_ran_from_changed_files_leaves_a_patch_of_them(tmp_path: Path) -> None:
    """As they were when it began."""
    folder = ask(tmp_path / "t", GOOD + "open(__file__, 'a').write('# later')")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], cwd=folder, check=True)
    subprocess.run([*git, "add", "script.py"], cwd=folder, check=True)
    subprocess.run([*git, "commit", "-qm", "first"], cwd=folder, check=True)
    with (folder / "script.py").open("a") as script:
        script.write("\n# edited\n")
    code = run_command.code_of(folder, [str(folder / "script.py")])
    _code, result = run(folder)
    assert (result["status"], result["changed"], result["code"]) == ("complete", True, code)
    patch = (folder / "changes.patch").read_text()
    assert "+# edited" in patch
    assert "+# later" not in patch


def test_the_time_that_git_takes_is_none_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_git(tmp_path, monkeypatch, "sleep 3")
    _code, result = run(ask(tmp_path / "t", "", command=["/bin/true"]))
    assert result["reason"] == "no metric"
    assert result["seconds"] < 3


def test_one_that_is_stopped_while_its_folder_is_looked_at_says_so_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that goes away then changes nothing either."""
    own_git(tmp_path, monkeypatch, "touch asked\nwhile [ ! -e signalled ]; do sleep 0.05; done")
    code = GOOD + "import signal\nprint(signal.getsignal(signal.SIGHUP) == signal.SIG_DFL)"
    for name, signals in (("t", (signal.SIGHUP, signal.SIGTERM)), ("u", (signal.SIGHUP,))):
        pid = start(folder := ask(tmp_path / name, code))
        wait_for((folder / "asked").exists, "git is asked")
        for number in signals:
            os.kill(pid, number)
        (folder / "signalled").touch()
        _pid, ended = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(ended) == 0
        result = runs.result(folder) or {}
        stopped = signal.SIGTERM in signals
        assert (result["status"], result["steps_done"]) == (("stopped", 0) if stopped else ("complete", 3))
        # What the runner makes of its signals, the command does not inherit.
        assert "".join(runs.log_tail(folder)).strip() == ("" if stopped else "True")


def test_what_is_written_beside_the_folder_of_the_trial_is_told(tmp_path: Path) -> None:
    """A checkpoint in one place for all trials, from which the next one goes on, was found by nobody."""
    code, writing = (
        tmp_path / "code",
        "import os\nos.makedirs('{place}', exist_ok=True)\nopen('{place}/last.pt', 'w')\n",
    )
    (code / "data").mkdir(parents=True)
    (code / "data" / "old.csv").touch()
    os.utime(code / "data" / "old.csv", (0, 0))

    def said(name: str, place: str) -> str:
        script = GOOD + writing.replace("{place}", place)
        return str(run(ask(tmp_path / name, script, directory=str(code)))[1]["message"])

    assert f"were written in {code}: weights/last.pt. Where every trial" in said("one", "weights")
    # Another place for each run, by the time that is in its name; and what tools keep for themselves.
    assert said("two", "runs/2026-11-30") == ""
    assert said("three", ".cache") == ""
    assert said("four", str(tmp_path / "four" / "output")) == ""


@pytest.mark.parametrize("behind", ["env", "launcher"])
def test_the_versions_are_those_of_the_python_behind_a_launcher(tmp_path: Path, behind: str) -> None:
    """Of torchrun, accelerate launch and env nothing was known, and an update between two runs was not noticed."""
    launcher = tmp_path / "launcher"
    launcher.write_text(f"#!{sys.executable}\nimport os, sys\nos.execv(sys.executable, sys.argv)\n", encoding="utf-8")
    launcher.chmod(0o755)
    words = ["env", "-i", "A=1", sys.executable] if behind == "env" else [str(launcher)]
    folder = ask(tmp_path / "trial", GOOD)
    script = str(folder / "script.py")
    ask_again = json.loads((folder / run_command.COMMAND).read_text(encoding="utf-8")) | {"command": [*words, script]}
    (folder / run_command.COMMAND).write_text(json.dumps(ask_again), encoding="utf-8")
    _code, result = run(folder)
    assert result["status"] == "complete"
    assert result["versions"]["torch"]


def test_a_program_that_is_gone_is_named(tmp_path: Path) -> None:
    code, result = run(ask(tmp_path / "t", "", command=[str(tmp_path / "gone"), "x"]))
    assert code == 127
    assert result["status"] == "failed"
    assert str(tmp_path / "gone") in result["message"]


def test_two_at_once_in_one_folder_are_not_possible(tmp_path: Path) -> None:
    folder = ask(tmp_path / "t", "import time\nprint('on', flush=True)\ntime.sleep(60)")
    pid = start(folder)
    wait_for(lambda: "on" in "".join(runs.log_tail(folder)), "the command begins")
    second = subprocess.run(
        [sys.executable, "-P", "-m", "state.run_command", str(folder)], capture_output=True, text=True, check=False
    )
    assert second.returncode == 2
    assert "another run is going on" in second.stderr
    runs.stop(folder, hard=True)
    os.waitpid(pid, 0)


def test_one_that_is_stopped_says_so_and_the_command_with_it(tmp_path: Path) -> None:
    code = GOOD + "import time\nprint('on', flush=True)\ntime.sleep(60)"
    folder = ask(tmp_path / "t", code)
    pid = start(folder)
    wait_for(lambda: (folder / "metrics.jsonl").exists(), "the metrics are taken over while it runs")
    child = command_of(pid)
    assert runs.stop(folder)
    os.waitpid(pid, 0)
    result = runs.result(folder)
    assert result is not None
    assert (result["status"], result["best"]["val/score"]) == ("stopped", 0.5)
    wait_for(lambda: not child.is_running(), "the command is gone")


def test_one_that_trains_to_its_last_epoch_although_it_was_asked_to_stop_is_complete(tmp_path: Path) -> None:
    """It traps the signal, as scripts do that save first, and what it has come to was called half done: where a command
    counts epochs, nothing had been asked of it by the number of its steps."""
    for first, epochs, status in ((0, 3, "complete"), (1, 3, "complete"), (0, 4, "stopped"), (1, 2, "stopped")):
        rows = [{"step": 10 * place, "epoch": first + place - 1, "score": 0.5} for place in (1, 2, 3)]
        code = "import json, os, signal, time\nsignal.signal(signal.SIGTERM, lambda *_: open('{out}/asked', 'w'))\n"
        code += "print('on', flush=True)\nwhile not os.path.exists('{out}/asked'):\n    time.sleep(0.01)\n"
        code += f"{rows = }\n"
        code += "for row in rows:\n    open('{out}/metrics.jsonl', 'a').write(json.dumps(row) + chr(10))\n"
        folder = ask(tmp_path / f"t-{first}-{epochs}", code, epochs=epochs)
        pid = start(folder)
        wait_for(lambda folder=folder: "on" in "".join(runs.log_tail(folder)), "the command begins")
        assert runs.stop(folder)
        os.waitpid(pid, 0)
        result = runs.result(folder) or {}
        assert (result["status"], result["steps_done"]) == (status, 30)


@pytest.mark.parametrize(
    ("steps", "exit_code", "status"),
    # Its last step is the third. Where more have come than it was to do, it counts something else.
    [(3, 0, "complete"), (4, 0, "stopped"), (2, 0, "stopped"), (None, 0, "stopped"), (3, 1, "stopped")],
)
def test_one_that_ends_by_itself_at_its_last_step_is_complete_though_it_was_asked_to_stop(
    tmp_path: Path, steps: int | None, exit_code: int, status: str
) -> None:
    code = f"{GOOD}import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit({exit_code}))\n"
    code += "print('on', flush=True)\ntime.sleep(60)"
    folder = ask(tmp_path / "t", code, steps=steps)
    pid = start(folder)
    wait_for(lambda: "on" in "".join(runs.log_tail(folder)), "the command begins")
    assert runs.stop(folder)
    os.waitpid(pid, 0)
    result = runs.result(folder) or {}
    assert (result["status"], result["steps_done"], result["exit_code"]) == (status, 3, exit_code)
    assert result["best"] == {"step": 3, "val/score": 0.5}


@pytest.mark.parametrize("victim", ["command", "runner"])
def test_one_that_is_killed_leaves_no_result_and_no_process(tmp_path: Path, victim: str) -> None:
    folder = ask(tmp_path / "t", "import time\nprint('on', flush=True)\ntime.sleep(60)")
    pid = start(folder)
    wait_for(lambda: "on" in "".join(runs.log_tail(folder)), "the command begins")
    child = command_of(pid)
    (child if victim == "command" else psutil.Process(pid)).kill()
    _pid, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    assert runs.result(folder) is None
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the command is gone")


def test_what_a_killed_command_has_started_is_ended_and_nothing_of_others(tmp_path: Path) -> None:
    """A shell's training is no child of the runner's, nor is what a launcher starts in sessions of their own."""
    folder, other = tmp_path / "t", tmp_path / "t.1"
    train = f"{sys.executable} -c 'import time; print(\"begun\", flush=True); time.sleep(60)'"
    for place in (folder, other):
        ask(place, "", command=["sh", "-c", f"setsid {train} & {train}; echo done"])
    pids = {place: start(place) for place in (folder, other)}
    for place in pids:
        wait_for(lambda place=place: "".join(runs.log_tail(place)).count("begun") == 2, "the training begins")
    training = {place: psutil.Process(pid).children(recursive=True) for place, pid in pids.items()}
    os.kill(pids[folder], signal.SIGKILL)
    os.waitpid(pids[folder], 0)
    assert not runs.alive(folder)
    assert sum(map(lives, training[folder])) >= 2
    runs.end_orphans(folder)
    assert not any(map(lives, training[folder]))
    assert all(map(lives, training[other]))
    assert runs.stop(other, hard=True)
    os.waitpid(pids[other], 0)
    runs.end_orphans(other)
    assert not any(map(lives, training[other]))


@pytest.mark.parametrize("code", ["raise ValueError('too wide')", "raise ValueError('too wide (3 of 2)')"])
def test_the_words_of_an_error_end_before_the_next_sentence(tmp_path: Path, code: str) -> None:
    """ "... too wide While it ran, files beside ..." was one sentence."""
    swallowed = f"import traceback\ntry:\n    {code}\nexcept ValueError:\n    traceback.print_exc()\n"
    write = "import pathlib\npathlib.Path('best.pt').write_text('weights')\n"
    (tmp_path / "code").mkdir()
    folder = ask(tmp_path / "t", GOOD + swallowed + write, directory=str(tmp_path / "code"))
    _code, result = run(folder)
    words = code.partition("'")[2].partition("'")[0]
    assert f"{words}. While it ran, files beside {{folder}} were written" in result["message"]
    assert told(result["message"], result["said"]).text() == result["message"]


def test_a_run_without_its_metric_says_what_it_wrote_beside_its_folder(tmp_path: Path) -> None:
    """Its metrics lie where its script always writes them: nothing said so."""
    (tmp_path / "code").mkdir()
    write = "import pathlib\npathlib.Path('runs').mkdir()\npathlib.Path('runs/metrics.csv').write_text('step,score')\n"
    folder = ask(tmp_path / "t", write, directory=str(tmp_path / "code"))
    _code, result = run(folder)
    assert result["reason"] == "no metric"
    assert "runs/metrics.csv. Where every trial writes them" in result["message"]


def test_what_python_underlines_takes_no_place_of_an_errors_last_words() -> None:
    """Half of what was shown of an error were rows of ^."""
    log = 'File "train.py", line 3, in load\n    fid = open(place)\n          ^^^^^^^^^^^\n    ~~~^^^~~\n'
    log += "FileNotFoundError: a.npz\n"
    assert last_words(log) == 'File "train.py", line 3, in load | fid = open(place) | FileNotFoundError: a.npz'
