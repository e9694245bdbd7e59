"""What this machine offers for training, and what is wrong with a project."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import psutil

from presets.language import Message, _, error_text, say
from rounds import own_code, queue, sharing, slots, supervisor, sweep
from state import gpus, launches, logout, pipeline, repair, strays, trials
from state.database import Store
from state.errors import AtWork, Refusal
from state.machine import cores, memory_limit
from state.project import Project, open_project
from state.store import open_store
from tui.watch import come_up
from wizard.quantity import memory

PACKAGES = (
    "tunebook",
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "tokenizers",
    "textual",
    "sqlite-utils",
    "tomlkit",
    "scikit-learn",
)
# What is looked at, as people read it.
NAMES = {
    "settings": say("settings"),
    "folder": say("folder"),
    "disk": say("disk"),
    "data": say("data"),
    "command": say("command"),
    "code": say("code"),
    "journal": say("journal"),
    "leftovers": say("leftovers"),
    "logout": say("logout"),
    "store": say("store"),
    "trials": say("trials"),
    "checkpoints": say("checkpoints"),
    "cache": say("cache"),
    "GPU": say("GPU"),
    "supervisor": say("supervisor"),
}
# Below this much free disk a round may run out of it: a few checkpoints of a mid-sized model.
_LITTLE_DISK = 2 * 2**30
_QUERY = "index,name,memory.total,memory.used,driver_version"


@dataclass(frozen=True)
class Check:
    """One look at the project. `name` is one of NAMES; `repair`: `doctor --repair` can mend it."""

    name: str
    verdict: Literal["ok", "warn", "fail"]
    message: Message
    repair: bool = False


def machine(folder: Path) -> dict[str, Any]:
    """Devices, cores, memory and disk (bytes), terminal and versions, as plain values; `folder`: where a project is."""
    disk = shutil.disk_usage(folder)
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": platform.processor() or platform.machine(),
        "cores": cores(),
        "memory_total": psutil.virtual_memory().total,
        "memory_available": psutil.virtual_memory().available,
        "memory_limit": memory_limit(),
        "disk_free": disk.free,
        "disk_total": disk.total,
        "devices": devices(),
        "terminal": terminal(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def devices() -> list[dict[str, Any]]:
    """The NVIDIA GPUs, by `nvidia-smi`: index, name, memory in bytes, driver. Empty without a driver."""
    found = []
    for line in gpus.driver(f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits").splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == 5:
            total, used = (int(field) * 2**20 if field.isdigit() else None for field in fields[2:4])
            found.append(
                {"index": fields[0], "name": fields[1], "memory": total, "memory_used": used, "driver": fields[4]}
            )
    return found


def terminal() -> dict[str, Any]:
    """What the terminal says of itself."""
    columns, lines = shutil.get_terminal_size()
    # While the screens are shown, `sys.stdout` is a catcher of theirs.
    out = sys.__stdout__ or sys.stdout
    return {
        "terminal": out.isatty(),
        "columns": columns,
        "lines": lines,
        "TERM": os.environ.get("TERM", ""),
        "COLORTERM": os.environ.get("COLORTERM", ""),
        "NO_COLOR": "NO_COLOR" in os.environ,
        "encoding": out.encoding,
        "remote": "SSH_CONNECTION" in os.environ,
        "multiplexer": "tmux" if "TMUX" in os.environ else "screen" if "STY" in os.environ else "",
    }


def facts(machine: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What `machine` found, in words: a name and what is to be said of it; the versions come last, under no name."""
    yield _("system"), f"{machine['system']}, {machine['processor']}"
    for device in machine["devices"]:
        used, total = (memory(device[key]).text() if device[key] else "?" for key in ("memory_used", "memory"))
        yield f"GPU {device['index']}", f"{device['name']}, {used} / {total}, driver {device['driver']}"
    if not machine["devices"]:
        yield "GPU", _("none found by nvidia-smi")
    yield _("cores"), str(machine["cores"])
    limit = machine["memory_limit"]
    limited = _(", limited to {size} by a control group or ulimit").format(size=memory(limit).text()) if limit else ""
    free, total = (memory(machine[key]).text() for key in ("memory_available", "memory_total"))
    yield _("memory"), _("{free} of {total} available").format(free=free, total=total) + limited
    yield _("disk"), _("{size} free").format(size=memory(machine["disk_free"]).text())
    seen = machine["terminal"]
    shown = [f"{seen['columns']}x{seen['lines']}", seen["encoding"]]
    shown += [f"{name}={seen[name]}" for name in ("TERM", "COLORTERM") if seen[name]]
    shown += [word for word, there in (("NO_COLOR", seen["NO_COLOR"]), ("SSH", seen["remote"])) if there]
    shown += [seen["multiplexer"]] if seen["multiplexer"] else []
    yield _("terminal"), ", ".join(shown) if seen["terminal"] else _("none (output goes to a file or a pipe)")
    yield _("versions"), ""
    for name, found in machine["versions"].items():
        yield "", f"{name:<16}{found or _('not installed')}"


def version(name: str) -> str | None:
    """The installed version of a distribution; None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def checks(root: Path) -> Iterator[Check]:
    """Look at a project from its settings to its supervisor; where one look fails, those that need it are left out."""
    try:
        project = open_project(root)
    except Refusal as refusal:
        yield _failed("settings", refusal)
        return
    yield Check("settings", "ok", say("{path}", path=project.root / "tunebook.toml"))
    folder = _writable(project)
    yield folder
    yield _disk(project)
    yield _data(project)
    yield _leftovers(project)
    yield _logout()
    yield from _closed()
    if folder.verdict == "fail":
        yield _journal(project)
        return
    if broken := repair.damage(project):
        message = say(
            "{path} is damaged ({reason}). It is only an index: tunebook doctor --repair builds it again.",
            path=project.store_path,
            reason=broken,
        )
        yield _journal(project)
        yield Check("store", "fail", message, repair=True)
        return
    try:
        with open_store(project) as store:
            yield _lost(store) if store.journal_lost() else _journal(project)
            yield Check("store", "ok", say("opens; trials: {n}", n=len(trials.trials(store))))
            yield from _trials(store)
            if changed := own_code.since_best(store):
                yield Check("code", "warn", changed)
            yield _checkpoints(store)
            yield from _cache(project)
            yield from _sharing(store)
            yield from _supervisor(project, _under_way(store))
    except Refusal as refusal:
        yield _failed("store", refusal)


def mend(root: Path) -> list[str]:
    """Repair what can be repaired and return the names of the checks that were mended: a damaged store is built again,
    what crashes left is removed, and of the cache what is not used any more, a lost journal is written anew, torn lines
    of it are set aside, checkpoints that nobody will need are removed (`rounds.sweep`); where trials are to run, a
    supervisor is started.

    Refuses to rebuild the store while the supervisor uses it.
    """
    project = open_project(root)
    mended = []
    if repair.damage(project):
        if supervisor.alive(project):
            raise AtWork("The supervisor is at work. Stop the round first: tunebook round stop")
        repair.rebuild(project)
        mended.append("store")
    if not supervisor.alive(project):
        for name, found in (("leftovers", repair.leftovers(project)), ("cache", repair.unused(project))):
            if found:
                repair.remove(found)
                mended.append(name)
    with open_store(project) as store:
        if store.restore_journal() or repair.set_aside(store):
            mended.append("journal")
        if sweep.sweep(store):
            mended.append("checkpoints")
        wanted = _under_way(store)
    if wanted and not supervisor.alive(project) and supervisor.ensure(project) and come_up(project):
        mended.append("supervisor")
    return mended


def _failed(name: str, refusal: Refusal) -> Check:
    return Check(name, "fail", say("{reason}", reason=error_text(refusal)))


def _writable(project: Project) -> Check:
    if os.access(project.folder, os.W_OK | os.X_OK):
        return Check("folder", "ok", say("{path} can be written to", path=project.folder))
    return Check(
        "folder",
        "fail",
        say(
            "{path}: no permission to write. Choose a folder of your own, or change its permissions.",
            path=project.folder,
        ),
    )


def _disk(project: Project) -> Check:
    free = shutil.disk_usage(project.folder).free
    message = say("{size} free", size=memory(free))
    return Check("disk", "warn" if free < _LITTLE_DISK else "ok", message)


def _data(project: Project) -> Check:
    if project.settings.command:
        return _command(project)
    if not project.settings.data:
        return Check("data", "warn", say("tunebook.toml names no data (data.path)"))
    try:
        project.data.stat()
    except OSError as error:
        return Check("data", "fail", say("{path}: {reason}", path=project.data, reason=error.strerror or str(error)))
    return Check("data", "ok", say("{path}", path=project.data))


def _command(project: Project) -> Check:
    """Whether the user's own training can still be started."""
    try:
        own = pipeline.own(project)
        pipeline.check(own)
        if lacking := gpus.short(project.settings.gpus):
            raise lacking
    except Refusal as refusal:
        return _failed("command", refusal)
    return Check("command", "ok", say("{path}", path=pipeline.program(own) or ""))


def _journal(project: Project) -> Check:
    try:
        torn = repair.torn_lines(project)
    except Refusal as refusal:
        return _failed("journal", refusal)
    if not torn:
        return Check("journal", "ok", say("every line can be read"))
    message = say(
        "{path}: line {number} cannot be read and is passed over. To set it aside: tunebook doctor --repair",
        path=project.journal_path,
        number=torn[0].number,
    )
    if len(torn) > 1:
        message = say(
            "{path}: lines {numbers} cannot be read and are passed over. To set them aside: tunebook doctor --repair",
            path=project.journal_path,
            numbers=[str(line.number) for line in torn],
        )
    return Check("journal", "warn", message, repair=True)


def _lost(store: Store) -> Check:
    return Check("journal", "fail", say("{reason}", reason=error_text(store.loss())), repair=store.restorable())


def _leftovers(project: Project) -> Check:
    found = [] if supervisor.alive(project) else repair.leftovers(project)
    if not found:
        return Check("leftovers", "ok", say("none"))
    message = say(
        "{n} files that a crash left, such as {first}: tunebook doctor --repair", n=len(found), first=found[0]
    )
    return Check("leftovers", "warn", message, repair=True)


def _logout() -> Check:
    match logout.fate():
        case "lives":
            return Check("logout", "ok", say("what was started goes on"))
        case "scope":
            return Check("logout", "ok", say("what was started goes on, in a scope of systemd"))
        case _:
            message = say(
                "logging out ends whatever runs, as systemd is set up. To prevent that: loginctl enable-linger"
            )
            return Check("logout", "warn", message)


def _trials(store: Store) -> Iterator[Check]:
    """Whether the records of the trials and their folders are of the same trials."""
    gone, stray = repair.without_folder(store), strays.folders(store)
    if gone:
        message = say(
            "Trials whose folders are gone: {n}, such as {first}. {store} alone knows what they came to: keep it, and "
            "bring the folders back from a backup.",
            n=len(gone),
            first=gone[0],
            store=store.project.store_path,
        )
        yield Check("trials", "warn", message)
    if stray:
        message = say(
            "Folders of no known trial: {n}, such as {first}. Nothing reads them. Where the journal has lost what it "
            "said of them, bring it back from a backup; otherwise remove them where nobody needs them.",
            n=len(stray),
            first=stray[0],
        )
        yield Check("trials", "warn", message)
    if not gone and not stray:
        yield Check("trials", "ok", say("each that ended has its folder"))


def _checkpoints(store: Store) -> Check:
    found = sweep.superfluous(store)
    if not found:
        return Check("checkpoints", "ok", say("none that nobody will need"))
    message = say(
        "{size} of rounds that are over, of all but their best trials: tunebook doctor --repair",
        size=memory(sum(entry.size for entry in found)),
    )
    return Check("checkpoints", "ok", message, repair=True)


def _cache(project: Project) -> Iterator[Check]:
    """What of the cache only takes room."""
    found = {} if supervisor.alive(project) else repair.unused(project)
    if found:
        message = say(
            "{size} of prepared data that nothing has opened for {n} days, made again where needed: tunebook doctor "
            "--repair",
            size=memory(sum(found.values())),
            n=repair.UNUSED_DAYS,
        )
        yield Check("cache", "ok", message, repair=True)


def _closed() -> Iterator[Check]:
    """The GPUs that trials leave alone."""
    for gpu in gpus.closed():
        message = say(
            "{name} ({uuid}) takes no trials: it is to be divided (MIG) and has no parts, or its compute mode is "
            "Prohibited. nvidia-smi changes both.",
            name=gpu.name,
            uuid=gpu.uuid,
        )
        yield Check("GPU", "warn", message)


def _sharing(store: Store) -> Iterator[Check]:
    """Whether the best configuration is small enough for several trials on a GPU."""
    best = launches.best(store)
    if best is not None and (offer := sharing.offer(store, slots.machine(store.project), best.settings)) is not None:
        yield Check("GPU", "ok", offer)


def _under_way(store: Store) -> list[str]:
    """The batches of which trials run, or are to."""
    entries = trials.trials(store)
    return [batch.name for batch in trials.batches(store) if queue.under_way(batch, entries)]


def _supervisor(project: Project, wanted: list[str]) -> Iterator[Check]:
    if supervisor.alive(project):
        yield Check("supervisor", "ok", say("at work"))
    elif wanted:
        message = say(
            "{names} should run, but no supervisor does it. Start one: tunebook doctor --repair", names=wanted
        )
        yield Check("supervisor", "warn", message, repair=True)
    else:
        yield Check("supervisor", "ok", say("not needed now"))
