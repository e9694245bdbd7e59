"""`tunebook keys`: every key of the screens, and the id by which it is given to another action."""

from __future__ import annotations

import click

from presets.language import _
from tui.session import Session, answering


@click.command(help=_("The keys of the screens, with the ids by which they can be changed."))
@answering
@click.pass_obj
def keys(session: Session) -> None:
    from state import preferences
    from tui import keys as table

    prefers = session.preferences or preferences.read()
    table.remap(prefers.keys, str(prefers.path))
    session.answer(
        [{"id": key.id, "keys": list(key.names), "where": key.group, "what": key.label.text()} for key in table.KEYS]
    )
    rows = [[table.GROUPS[key.group].text(), key.id, ", ".join(key.names), key.label.text()] for key in table.KEYS]
    session.table([_("where"), _("id"), _("keys"), _("what it does")], rows)
    session.text()
    session.text(_('Change them in {path}, in the table [keys]: id = "key, key"').format(path=prefers.path))
