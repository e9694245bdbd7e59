"""How the best configuration came to be: the line of what was adopted, which can be walked back, and what was rejected
on the way (G16)."""

from __future__ import annotations

from dataclasses import dataclass

from presets.language import Message, restored, say, stored
from rounds.decision import Complexity, complexity
from state import configurations, launches
from state.database import Store
from state.errors import NotFound, Refusal, Unanswered


@dataclass(frozen=True)
class Link:
    """One adoption: which configuration took whose place after what, why, and what that changed in words; or a
    rejection, of a configuration that did not. `repeated`: whether fresh runs were behind it; `current`: whether it is
    the best configuration now."""

    number: int
    at: str
    by: str
    batch: str
    configuration: str
    reason: Message
    changes: Complexity
    repeated: bool
    current: bool
    rejected: bool


def line(store: Store) -> list[Link]:
    """The adoptions from the baseline on, oldest first."""
    return [link for link in history(store) if not link.rejected]


def history(store: Store) -> list[Link]:
    """Adoptions and rejections from the baseline on, oldest first."""
    decided = [entry for entry in launches.launches(store) if entry.decision in ("adopt", "reject")]
    adopted = [entry for entry in decided if entry.decision == "adopt"]
    links = []
    for entry in decided:
        new = configurations.configuration(store, entry.candidate).settings
        old = configurations.configuration(store, entry.previous).settings if entry.previous else new
        links.append(
            Link(
                entry.number,
                entry.at,
                entry.by,
                entry.batch,
                entry.candidate,
                restored(entry.reason),
                complexity(old, new),
                bool(entry.evidence.get("sides")) and entry.evidence.get("repeated", True),
                bool(adopted) and entry is adopted[-1],
                entry.decision == "reject",
            )
        )
    return links


def rejected(store: Store, name: str) -> str | None:
    """The launch that rejected a configuration by fresh runs, unless another has adopted it by fresh runs since."""
    wanted = configurations.identity_of(configurations.configuration(store, name).settings)
    for entry in reversed(launches.last(store).values()):
        candidate = configurations.configuration(store, entry.candidate).settings
        same = configurations.identity_of(candidate) == wanted
        if entry.evidence.get("sides") and same and entry.decision != "repeat":
            return entry.batch if entry.decision == "reject" else None
    return None


def back(store: Store, wanted: str, words: str) -> None:
    """Make an earlier best configuration the best one again; it is a decision of its own, with its reason.

    Refuses one that never was the best (`wanted`: its hash, or the beginning of it), the present one, and no reason.
    """
    links = line(store)
    found = {link.configuration: link for link in links if link.configuration.startswith(wanted)} if wanted else {}
    if len(found) != 1:
        known = list(dict.fromkeys(link.configuration for link in links))
        raise NotFound("{name} never was the best configuration. Those were: {known}", name=wanted, known=known or "-")
    (link,) = found.values()
    if link.configuration == links[-1].configuration:
        raise Refusal("{name} is the best configuration.", name=link.configuration)
    if not words.strip():
        raise Unanswered("Say why the best configuration goes back: the reason is kept.")
    reason = say("Back to an earlier best configuration: {words}", words=words.strip())
    if against := rejected(store, link.configuration):
        reason = say(
            "Back to an earlier best configuration, although {launch} has rejected it: {words}",
            launch=against,
            words=words.strip(),
        )
    launches.launch(
        store,
        batch=link.batch,
        candidate=link.configuration,
        previous=links[-1].configuration,
        decision="adopt",
        reason=stored(reason),
        evidence={"back": True, "repeated": False},
    )
