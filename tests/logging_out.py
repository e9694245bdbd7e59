"""What logging out ends, seen with a real systemd: `make test-logout`.

A copy of this machine's files is booted in a container (systemd-nspawn on an overlay that is gone afterwards; the
network is its own), a user logs in there by SSH as over a real line, starts something, and logs out. Needs root, the
packages systemd-container and openssh-server, and a kernel that lets containers be: skipped where one is missing.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.small_project import wait_for

LACKING = [
    name for name in ("systemd-nspawn", "unshare", "nsenter", "ssh-keygen", "sshd") if shutil.which(name) is None
]
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may boot a container"),
    pytest.mark.skipif(bool(LACKING), reason=f"programs are not installed: {', '.join(LACKING)}"),
]

CHECKOUT = Path(__file__).resolve().parent.parent
USER, HOME, KEY = "tuner", "/home/tuner", "/home/key"
CONF = "/etc/systemd/logind.conf.d/logout.conf"
# A training that takes half a minute and says every second how far it is.
SCRIPT = """\
import argparse, json, pathlib, time
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--batch-size", type=int)
parser.add_argument("--out", type=pathlib.Path)
args = parser.parse_args()
for second in range(1, 31):
    time.sleep(1)
    with open(args.out / "metrics.jsonl", "a") as file:
        file.write(json.dumps({"step": 10 * second, "accuracy": second / 40}) + "\\n")
"""


class Machine:
    """The container: what is run inside it, as root or by a user who logs in for it."""

    def __init__(self, leader: int) -> None:
        self._enter = ["nsenter", "--target", str(leader), "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"]

    def run(self, *command: str, check: bool = True) -> str:
        """What a command of root's prints; with `check` it has to end well."""
        done = subprocess.run([*self._enter, "--", *command], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 or not check, (command, done.stdout, done.stderr)
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && printf %s "$2" > "$1"', "sh", path, text)

    def login(self, script: str, user: str = USER) -> str:
        """What a script prints that is the whole of a session: the user is logged out when it ends."""
        known = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        return self.run("ssh", *known, "-i", KEY, f"{user}@127.0.0.1", f"cd {HOME}; {script}", check=False)

    def tunebook(self, words: str) -> str:
        """A command of ours, for the script of a session."""
        return f"PYTHONPATH={shlex.quote(str(CHECKOUT))} {shlex.quote(sys.executable)} -P -m tui.main {words}"

    def logged_in(self) -> bool:
        """Whether a line of the user's is open still. A session that was left counts until its processes have ended."""
        return "sshd: " in self.processes()

    def processes(self) -> str:
        """The commands of the user's that run."""
        return self.run("ps", "-ww", "-u", USER, "-o", "args=", check=False)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    # In a mount namespace of its own, so that nothing is left mounted, whatever becomes of us.
    script = """\
        set -e
        mount -t tmpfs -o size=2g tmpfs "$1"
        mkdir "$1/upper" "$1/work" "$1/root"
        mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
        exec systemd-nspawn --directory="$1/root" --boot --register=no --keep-unit --link-journal=no \\
            --machine=logout --private-network --console=pipe --bind-ro="$2"
    """
    command = ["unshare", "--mount", "sh", "-c", textwrap.dedent(script), "sh", str(folder), str(CHECKOUT)]
    log = folder.parent / "machine.log"
    with open(log, "wb") as output:
        nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        wait_for(lambda: nspawn.poll() is not None or _leader(nspawn.pid) is not None, "no container", seconds=30)
        leader = _leader(nspawn.pid)
        if leader is None:
            pytest.skip(f"no container can be booted here: {log.read_text(errors='replace')[-500:]}")
        found = Machine(leader)
        wait_for(
            lambda: found.run("systemctl", "is-active", "ssh", "dbus", check=False) == "active\nactive",
            "no sshd",
            seconds=60,
        )
        _furnish(found)
        yield found
    finally:
        nspawn.kill()
        nspawn.wait()


def _leader(pid: int) -> int | None:
    """The first process of the container: the child of systemd-nspawn that is its systemd."""
    with contextlib.suppress(psutil.Error):
        return next((child.pid for child in psutil.Process(pid).children() if child.name() == "systemd"), None)
    return None


def _furnish(machine: Machine) -> None:
    machine.run("ip", "link", "set", "lo", "up")
    machine.run("useradd", "--create-home", "--home-dir", HOME, "--shell", "/bin/sh", USER)
    machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KEY)
    for home in (HOME, "/root"):
        machine.run("sh", "-c", f"mkdir -p {home}/.ssh && cat {KEY}.pub >> {home}/.ssh/authorized_keys")
    machine.run("chown", "-R", f"{USER}:", HOME)
    # Whose Python lies in the home of root must let others in; it is a copy of that home.
    machine.run("chmod", "a+rx", "/root")
    machine.write("/srv/train.py", SCRIPT)


def _set(machine: Machine, *, linger: bool, **settings: str) -> None:
    """logind set up so, and nothing left of the test before."""
    machine.run("loginctl", "terminate-user", USER, check=False)
    machine.run("loginctl", "disable-linger", USER)
    wait_for(lambda: not machine.processes(), "still there", seconds=30)
    machine.write(CONF, "\n".join(["[Login]", *(f"{name}={value}" for name, value in settings.items()), ""]))
    machine.run("systemctl", "restart", "systemd-logind")
    if linger:
        machine.run("loginctl", "enable-linger", USER)
    new = (
        "rm -rf project; "
        + machine.tunebook(
            "new project --metric accuracy --direction max --set lr=0.1 --set batch_size=8 --yes --command "
        )
        + shlex.quote("python3 /srv/train.py --lr {lr} --batch-size {batch_size} --out {folder}")
    )
    assert "tunebook baseline" in machine.login(new)


def _begin(machine: Machine, words: str, then: str = "true") -> str:
    """A session that begins something, waits for its training to run, does `then`, and says what doctor says."""
    ours = machine.tunebook("doctor --project project")
    waits = "for i in $(seq 100); do pgrep -f '^/.*/srv/train.py' > /dev/null && break; sleep 0.2; done"
    begun = machine.tunebook(f"{words} --project project")
    printed = machine.login(f"({begun} > begun.txt 2>&1 &); {waits}; {then}; {ours}")
    wait_for(lambda: not machine.logged_in(), "still logged in", seconds=30)
    return printed


def _trains(machine: Machine) -> bool:
    """Whether what attends to the script is there: between two sizes of a probe the script itself is not."""
    return "-m state." in machine.processes()


def _trains_on(machine: Machine) -> bool:
    """Whether it trains for longer than systemd waits before it ends a user's manager (UserStopDelaySec, 10 s)."""
    count = f"cat {HOME}/project/.tunebook/*/*/output/metrics.jsonl {HOME}/project/.tunebook/*/*/*/output/metrics.jsonl"

    def lines() -> int:
        return len(machine.run("sh", "-c", f"{count} 2> /dev/null", check=False).splitlines())

    due = lines() + 13
    wait_for(lambda: lines() >= due or not _trains(machine), "neither trains nor ends", seconds=60)
    return lines() >= due


@pytest.mark.parametrize("words", ["baseline", "probe"])
def test_logging_out_ends_it_where_it_is_set_so_and_is_told(machine: Machine, words: str) -> None:
    _set(machine, linger=False, KillUserProcesses="yes")
    assert "logging out ends whatever runs" in _begin(machine, words)
    wait_for(lambda: not _trains(machine), "it trains on", seconds=30)


def test_what_was_ended_is_said_not_to_run_and_goes_on(machine: Machine) -> None:
    _set(machine, linger=False, KillUserProcesses="yes")
    _begin(machine, "baseline")
    wait_for(lambda: not _trains(machine), "it trains on", seconds=30)
    said = machine.login(machine.tunebook("status --project project"))
    assert "baseline-1 does not run: its process is gone" in said
    assert "Go on: tunebook baseline" in said
    _begin(machine, "baseline", then="loginctl enable-linger")
    assert _trains_on(machine)


@pytest.mark.parametrize("words", ["baseline", "probe"])
def test_it_goes_on_where_the_user_lingers(machine: Machine, words: str) -> None:
    _set(machine, linger=True, KillUserProcesses="yes")
    assert "what was started goes on, in a scope of systemd" in _begin(machine, words)
    assert _trains_on(machine)


@pytest.mark.parametrize("words", ["baseline", "probe"])
def test_who_may_linger_only_after_it_began_keeps_it_all_the_same(machine: Machine, words: str) -> None:
    """The way out that is offered is taken when something runs already."""
    _set(machine, linger=False, KillUserProcesses="yes")
    assert "what was started goes on" in _begin(machine, words, then="loginctl enable-linger")
    assert _trains_on(machine)


def test_without_such_a_setting_it_goes_on(machine: Machine) -> None:
    _set(machine, linger=False, KillUserProcesses="no")
    assert "what was started goes on\n" in _begin(machine, "baseline")
    assert _trains_on(machine)


def test_only_those_who_are_listed_lose_it(machine: Machine) -> None:
    _set(machine, linger=False, KillUserProcesses="no", KillOnlyUsers=USER)
    assert "logging out ends whatever runs" in _begin(machine, "baseline")
    wait_for(lambda: not _trains(machine), "it trains on", seconds=30)
    _set(machine, linger=False, KillUserProcesses="yes", KillOnlyUsers="root")
    assert "what was started goes on\n" in _begin(machine, "baseline")
    assert _trains_on(machine)


def test_root_keeps_it_unless_the_list_of_exceptions_is_set(machine: Machine) -> None:
    doctor = machine.tunebook(f"doctor --project {HOME}/project")
    _set(machine, linger=False, KillUserProcesses="yes")
    assert "what was started goes on\n" in machine.login(doctor, user="root")
    _set(machine, linger=False, KillUserProcesses="yes", KillExcludeUsers="nobody")
    assert "logging out ends whatever runs" in machine.login(doctor, user="root")
