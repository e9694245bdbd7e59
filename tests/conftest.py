"""What the tests of several rooms share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from rounds.warm import ForkServer
from state import gpus
from tests import small_project

# What a device has shown that no test can know before: figures to be read.
SHOWN = pytest.StashKey[list[str]]()

# A busy machine must fail no test: neither an example nor making one has a time limit.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", choices=("cpu", "cuda", "mps"), help="where the tests' trials run")


def pytest_configure(config: pytest.Config) -> None:
    small_project.DEVICE = device = config.getoption("--device")
    config.stash[SHOWN] = []
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            pytest.exit("--device cuda: this machine has no NVIDIA GPU that torch can use.", returncode=2)
    if device == "mps":
        import torch

        if not torch.backends.mps.is_available():
            pytest.exit("--device mps: this machine has no GPU of Apple that torch can use.", returncode=2)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """What the tests of a device run on."""
    if config.getoption("--device") != "cuda":
        return []
    import torch

    modes = "--query-gpu=index,name,memory.total,memory.free,driver_version,compute_mode,mig.mode.current"
    built = f"torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}, for {torch.cuda.get_arch_list()}"
    return [built, *gpus.driver("-L").splitlines(), *gpus.driver(modes, "--format=csv").splitlines()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if shown := config.stash[SHOWN]:
        terminalreporter.section("what the device showed")
        for line in shown:
            terminalreporter.line(line)


@pytest.fixture
def show(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Has a line shown at the end of all tests."""
    return pytestconfig.stash[SHOWN].append


@pytest.fixture(scope="session", autouse=True)
def no_preferences(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the person who runs the tests prefers does not count, in this process and in those that it starts."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real data: some handwritten digits."""
    return small_project.digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """One fork server for all supervisors that the tests drive themselves: importing torch takes seconds."""
    shared = ForkServer(tmp_path_factory.mktemp("server"))
    yield shared
    shared.close()


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The screens look twenty times a second whether anything changed, so that the tests need not wait for them."""
    monkeypatch.setattr("tui.app.LOOK_SECONDS", 0.05)
