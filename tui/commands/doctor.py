"""`tunebook doctor`: what this machine offers, what is wrong with the project, and what can be repaired."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from presets.language import _
from state.errors import Refusal
from state.project import find
from tui import doctor as looks
from tui.session import Session, answering
from tui.terminal import fit
from wizard.quantity import memory


@click.command(
    help=_("Say what this machine offers for training, and what is wrong with the project, if there is one.")
)
@click.option("--repair", is_flag=True, help=_("mend the store, remove what crashes left and superfluous checkpoints"))
@answering
@click.pass_obj
def doctor(session: Session, repair: bool) -> None:
    root = session.folder or find(Path.cwd())
    if repair and root is None:
        raise Refusal("There is no project here to repair. Name one with --project DIR.")
    mended = looks.mend(root) if repair and root else []
    machine = looks.machine(Path.cwd() if root is None or not root.is_dir() else root)
    checks = list(looks.checks(root)) if root else []
    _show_machine(session, machine)
    if root:
        session.text()
        session.text(_("Project {path}").format(path=root))
        words = {"ok": _("ok"), "warn": _("warning"), "fail": _("wrong")}
        for check in checks:
            session.text(f"  {fit(check.name, 12)}{fit(words[check.verdict], 9)}{check.message.text()}")
    for name in mended:
        session.text(_("Repaired: {name}").format(name=name))
    session.answer(
        {
            "machine": machine,
            "project": str(root) if root else None,
            "checks": [dataclasses.asdict(check) | {"message": check.message.text()} for check in checks],
            "repaired": mended,
        }
    )
    if any(check.verdict == "fail" for check in checks):
        raise click.exceptions.Exit(1)


def _show_machine(session: Session, machine: dict[str, Any]) -> None:
    def line(name: str, value: str) -> None:
        session.text(f"  {fit(name, 12)}{value}")

    session.text(_("Machine"))
    line(_("system"), f"{machine['system']}, {machine['processor']}")
    for device in machine["devices"]:
        used, total = (memory(device[key]).text() if device[key] else "?" for key in ("memory_used", "memory"))
        line(f"GPU {device['index']}", f"{device['name']}, {used} / {total}, driver {device['driver']}")
    if not machine["devices"]:
        line("GPU", _("none found by nvidia-smi"))
    line(_("cores"), str(machine["cores"]))
    limit = machine["memory_limit"]
    limited = _(", limited to {size} by a control group or ulimit").format(size=memory(limit).text()) if limit else ""
    line(
        _("memory"),
        _("{free} of {total} available").format(
            free=memory(machine["memory_available"]).text(), total=memory(machine["memory_total"]).text()
        )
        + limited,
    )
    line(_("disk"), _("{size} free").format(size=memory(machine["disk_free"]).text()))
    terminal = machine["terminal"]
    shown = [f"{terminal['columns']}x{terminal['lines']}", terminal["encoding"]]
    shown += [f"{name}={terminal[name]}" for name in ("TERM", "COLORTERM") if terminal[name]]
    shown += [word for word, there in (("NO_COLOR", terminal["NO_COLOR"]), ("SSH", terminal["remote"])) if there]
    shown += [terminal["multiplexer"]] if terminal["multiplexer"] else []
    line(_("terminal"), ", ".join(shown) if terminal["terminal"] else _("none (output goes to a file or a pipe)"))
    line(_("versions"), "")
    for name, version in machine["versions"].items():
        session.text(f"    {name:<16}{version or _('not installed')}")
