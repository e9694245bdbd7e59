"""Every key of the application in one table: it makes Textual's bindings, the line of hints, the help and the palette.

A key that a terminal may swallow (function keys, alt, ctrl+s) is never the only one of its action.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from textual.binding import Binding, BindingType

from presets.language import Message, say
from state.errors import Invalid, NotFound


@dataclass(frozen=True)
class Key:
    """One action and its keys, by Textual's names, the main one first."""

    id: str
    keys: tuple[str, ...]
    action: str
    label: Message
    """What it does, for the help."""
    group: str
    """Where it works: everywhere, chart, …"""
    show: Message | None = None
    """What the line of hints calls it; None where it is left out there. Neighbours of one name are shown as one."""

    @property
    def names(self) -> tuple[str, ...]:
        """The keys as people know them."""
        return tuple(NAMES.get(key, key) for key in self.keys)


# The arrows of Unicode are of ambiguous width, so keys are named in words.
NAMES = {
    "question_mark": "?",
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "colon": ":",
    "semicolon": ";",
    "comma": ",",
    "full_stop": ".",
    "equals_sign": "=",
    "underscore": "_",
    "asterisk": "*",
    "exclamation_mark": "!",
    "number_sign": "#",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}
# What else may be given to an action, besides single letters, digits and the signs above.
NAMED = ("enter", "tab", "shift+tab", "space", "backspace", "up", "down", "left", "right", "home", "end", "delete")

GROUPS = {
    "choices": say("List of choices"),
    "explain": say("Explanation"),
    "field": say("Line to type in"),
    "reading": say("Text"),
    "setup": say("Set-up"),
    "work": say("Work of the set-up"),
    "comparison": say("Comparison of batch sizes"),
    "form": say("Form"),
    "round": say("Round"),
    "trial": say("Trial"),
    "design": say("Design of a round"),
    "palette": say("All that can be done"),
    "review": say("Review"),
    "insights": say("Insights"),
    "launch": say("Launch"),
    "look": say("Test split"),
    "configurations": say("Configurations"),
    "doctor": say("Doctor"),
    "list": say("List"),
    "table": say("Table"),
    "chart": say("Chart"),
    "everywhere": say("Everywhere"),
}

KEYS: tuple[Key, ...] = (
    Key("choices.choose", ("enter",), "select", say("choose the marked entry"), "choices", say("choose")),
    Key("choices.up", ("up", "k"), "cursor_up", say("previous entry"), "choices"),
    Key("choices.down", ("down", "j"), "cursor_down", say("next entry"), "choices"),
    Key("choices.page_up", ("pageup",), "page_up", say("a page up"), "choices"),
    Key("choices.page_down", ("pagedown",), "page_down", say("a page down"), "choices"),
    Key("choices.first", ("home",), "first", say("first entry"), "choices"),
    Key("choices.last", ("end",), "last", say("last entry"), "choices"),
    Key("field.enter", ("enter",), "submit", say("take what is typed"), "field", say("take it")),
    Key(
        "explain.deeper",
        ("space",),
        "deeper",
        say("the next depth: one line, a paragraph, the evidence with its sources"),
        "explain",
        say("deeper"),
    ),
    Key("reading.up", ("up", "k"), "scroll_up", say("a line up"), "reading", say("scroll")),
    Key("reading.down", ("down", "j"), "scroll_down", say("a line down"), "reading", say("scroll")),
    Key("reading.page_up", ("pageup", "u"), "page_up", say("a page up"), "reading"),
    Key("reading.page_down", ("pagedown", "d"), "page_down", say("a page down"), "reading"),
    Key("reading.first", ("home",), "scroll_home", say("to the beginning"), "reading"),
    Key("reading.last", ("end",), "scroll_end", say("to the end"), "reading"),
    Key(
        "setup.start",
        ("s", "enter"),
        "start",
        say("start the work that is due, or try it again"),
        "setup",
        say("start"),
    ),
    Key("setup.down", ("d",), "read(1)", say("read on above the options"), "setup", say("read")),
    Key("setup.up", ("u",), "read(-1)", say("read back above the options"), "setup"),
    Key("setup.type", ("t",), "type", say("type another answer than the options"), "setup", say("type")),
    Key(
        "setup.patience",
        ("o",),
        "patience",
        say("have the probe wait longer for a script that is silent at first, and measure again"),
        "setup",
        say("wait longer"),
    ),
    Key(
        "setup.reason",
        ("r",),
        "reason",
        say("choose the marked option with a reason of your own"),
        "setup",
        say("reason"),
    ),
    Key("setup.filter", ("slash",), "filter", say("show only the options that contain a text"), "setup", say("filter")),
    Key("setup.explain", ("e",), "explain", say("why this is asked, at length"), "setup", say("explain")),
    Key("setup.left", ("left", "h"), "sideways(-1)", say("columns further to the left"), "setup", say("columns")),
    Key("setup.right", ("right", "l"), "sideways(1)", say("columns further to the right"), "setup", say("columns")),
    Key("setup.again", ("m",), "again", say("measure the batch sizes once more"), "setup", say("measure")),
    Key("setup.stop", ("x",), "stop", say("stop the work under way"), "setup", say("stop")),
    Key(
        "setup.price",
        ("p",),
        "cost('price_per_hour')",
        say("the price of a device hour, for the table of costs"),
        "setup",
        say("price"),
    ),
    Key(
        "setup.power",
        ("w",),
        "cost('power_watts')",
        say("the watts that the device draws, for the table of costs"),
        "setup",
        say("power"),
    ),
    Key(
        "setup.memory",
        ("g",),
        "cost('memory_gib')",
        say("the memory that a run may take; the batch sizes are measured within it"),
        "setup",
        say("memory"),
    ),
    Key("setup.compare", ("c",), "compare", say("steps to a target by batch size"), "setup", say("compare")),
    Key(
        "setup.earlier",
        ("b",),
        "earlier",
        say("to the decisions so far, to decide one anew"),
        "setup",
        say("earlier answers"),
    ),
    Key("work.slots", ("t",), "slots", say("how many trials run at once"), "work", say("slots")),
    Key("comparison.start", ("s",), "start", say("compare the batch sizes, or once more"), "comparison", say("start")),
    Key("comparison.stop", ("x",), "stop", say("stop the comparison under way"), "comparison", say("stop")),
    Key("form.next", ("tab",), "app.focus_next", say("next field"), "form", say("next")),
    Key("form.previous", ("shift+tab",), "app.focus_previous", say("previous field"), "form"),
    Key("design.start", ("s",), "start", say("keep the plan and start the round"), "design", say("start")),
    Key("design.goal", ("g",), "goal", say("what the round is for"), "design", say("goal")),
    Key("design.about", ("a",), "about", say("which hyperparameter or optimizers it asks about"), "design", say("ask")),
    Key("design.role", ("r",), "role", say("the next role of the marked hyperparameter"), "design", say("role")),
    Key("design.range", ("e",), "range", say("edit the range of the marked hyperparameter"), "design", say("range")),
    Key("design.more", ("plus",), "trials(1)", say("one trial more"), "design", say("trials")),
    Key("design.fewer", ("minus",), "trials(-1)", say("one trial fewer"), "design", say("trials")),
    Key("design.number", ("n",), "number", say("type the number of trials"), "design"),
    Key("design.slots", ("t",), "slots", say("how many trials run at once"), "design", say("slots")),
    Key("design.budget", ("b",), "budget", say("device hours in all, and a deadline"), "design", say("budget")),
    Key("design.explain", ("w",), "explain", say("why rounds are designed so, at length"), "design", say("why")),
    Key(
        "design.override",
        ("o",),
        "override",
        say("design a round without a reasonable baseline, with a reason"),
        "design",
        say("override"),
    ),
    Key("round.go", ("g",), "go", say("run, or go on with what was paused or stopped"), "round", say("go on")),
    Key(
        "round.review", ("v",), "review", say("review the round, when nothing of it is at work"), "round", say("review")
    ),
    Key("round.pause", ("p",), "pause", say("start no more trials; what runs goes to its end"), "round", say("pause")),
    Key("round.stop", ("x",), "stop", say("stop: what runs saves itself, and can go on"), "round", say("stop")),
    Key(
        "round.extend",
        ("plus",),
        "extend",
        say("add trials: the next points of the sequence; with a minus, take back"),
        "round",
        say("add"),
    ),
    Key("round.retry", ("r",), "retry", say("try the marked trial again"), "round", say("retry")),
    Key("round.retry_failed", ("R",), "retry_failed", say("try all trials again that failed, and go on"), "round"),
    Key("round.first", ("n",), "first", say("start the marked trial before all others"), "round", say("next")),
    Key("round.end", ("X",), "end", say("stop the marked trial alone; r goes on with it"), "round"),
    Key("round.drop", ("D",), "drop", say("throw away a round of which no trial has ended"), "round", say("drop")),
    Key("round.metric", ("m",), "metric", say("show another metric in the chart"), "round", say("metric")),
    Key("round.slots", ("t",), "slots", say("how many trials run at once"), "round", say("slots")),
    Key(
        "round.close", ("E",), "close", say("end the round early: what waits is not run any more"), "round", say("end")
    ),
    Key("round.next", ("tab",), "app.focus_next", say("between table and chart"), "round", say("chart")),
    Key("trial.metric", ("m",), "metric", say("show other curves"), "trial", say("metric")),
    Key("trial.down", ("pagedown", "d"), "read(1)", say("read on below the curves"), "trial", say("read")),
    Key("trial.up", ("pageup", "u"), "read(-1)", say("read back"), "trial", say("read")),
    Key("table.up", ("up", "k"), "move(-1)", say("previous line"), "table", say("mark")),
    Key("table.down", ("down", "j"), "move(1)", say("next line"), "table", say("mark")),
    Key("table.left", ("left", "h"), "shift(-1)", say("columns further to the left"), "table"),
    Key("table.right", ("right", "l"), "shift(1)", say("columns further to the right"), "table"),
    Key("table.page_up", ("pageup",), "page(-1)", say("a page up"), "table"),
    Key("table.page_down", ("pagedown",), "page(1)", say("a page down"), "table"),
    Key("table.first", ("home",), "edge(0)", say("first line"), "table"),
    Key("table.last", ("end",), "edge(-1)", say("last line"), "table"),
    Key("table.open", ("enter",), "open", say("open the marked line"), "table", say("open")),
    Key("review.act", ("a",), "act", say("do what the finding proposes"), "review", say("act")),
    Key(
        "review.dismiss",
        ("x",),
        "disregard",
        say("dismiss the finding with a reason, or take that back"),
        "review",
        say("dismiss"),
    ),
    Key("review.launch", ("l",), "launch", say("propose the best trial for a launch"), "review", say("launch")),
    Key("review.plot", ("p",), "plot", say("another plot: hyperparameters, pairs, norms"), "review", say("plot")),
    Key("review.explain", ("e",), "explain", say("the advice behind the finding"), "review", say("explain")),
    Key("insights.confirm", ("c",), "confirm", say("keep the marked insight"), "insights", say("keep")),
    Key("insights.edit", ("e",), "edit", say("keep the marked insight in other words"), "insights", say("edit")),
    Key("insights.refuse", ("r",), "refuse", say("the marked insight does not hold"), "insights", say("refuse")),
    Key("insights.write", ("w",), "write", say("write down what you learnt yourself"), "insights", say("write")),
    Key(
        "launch.start",
        ("s",),
        "start",
        say("run all sides again with fresh seeds; what stopped or failed goes on"),
        "launch",
        say("start"),
    ),
    Key("launch.alone", ("o",), "alone", say("launch only the best trial, without the shortlist"), "launch"),
    Key("launch.adopt", ("a",), "decide('adopt')", say("adopt the candidate"), "launch", say("adopt")),
    Key("launch.reject", ("r",), "decide('reject')", say("keep the best configuration"), "launch", say("reject")),
    Key(
        "launch.repeat",
        ("n",),
        "decide('repeat')",
        say("run more of both before deciding, or reopen what was rejected"),
        "launch",
        say("more"),
    ),
    Key("launch.slots", ("t",), "slots", say("how many runs are made at once"), "launch", say("slots")),
    Key("launch.unrepeated", ("c",), "unrepeated", say("too costly to repeat: decide on one run"), "launch"),
    Key("launch.stop", ("x",), "stop", say("stop the runs; they can go on later"), "launch", say("stop")),
    Key("launch.explain", ("e",), "explain", say("why a launch is decided so, at length"), "launch", say("explain")),
    Key("launch.test", ("l",), "test", say("to the look at the test split"), "launch", say("test split")),
    Key("look.start", ("s",), "start", say("look at the test split; it is counted"), "look", say("look")),
    Key("look.stop", ("x",), "stop", say("stop the look; it is not counted then"), "look", say("stop")),
    Key(
        "configurations.against",
        ("space",),
        "against",
        say("compare the others with the marked one"),
        "configurations",
        say("compare with it"),
    ),
    Key("configurations.down", ("d",), "read(1)", say("read on below the table"), "configurations", say("read")),
    Key("configurations.up", ("u",), "read(-1)", say("read back"), "configurations"),
    Key("doctor.repair", ("r",), "repair", say("repair what can be repaired"), "doctor", say("repair")),
    Key("doctor.again", ("s",), "again", say("look once more"), "doctor", say("look again")),
    Key("list.filter", ("slash",), "filter", say("show only the lines that contain a text"), "list", say("filter")),
    Key(
        "list.change",
        ("c",),
        "change",
        say("decide the marked step anew, or go back to the marked configuration"),
        "list",
        say("change"),
    ),
    Key("list.down", ("d",), "read(1)", say("read on below the list"), "list", say("read")),
    Key("list.up", ("u",), "read(-1)", say("read back"), "list"),
    Key("chart.previous", ("left", "h"), "point(-1)", say("previous point"), "chart", say("move")),
    Key("chart.next", ("right", "l"), "point(1)", say("next point"), "chart", say("move")),
    Key("chart.first", ("home",), "edge(0)", say("first point"), "chart"),
    Key("chart.last", ("end",), "edge(-1)", say("last point"), "chart"),
    Key("chart.series_before", ("up", "k"), "series(-1)", say("previous series"), "chart", say("move")),
    Key("chart.series_after", ("down", "j"), "series(1)", say("next series"), "chart", say("move")),
    Key("chart.pick", ("enter",), "pick", say("open what the point stands for"), "chart", say("open")),
    Key("chart.zoom_in", ("z",), "zoom(0.5)", say("half as much of the x axis around it"), "chart", say("zoom")),
    Key("chart.zoom_out", ("Z",), "zoom(2)", say("twice as much of the x axis"), "chart", say("zoom")),
    Key("chart.smooth", ("w",), "smooth", say("smooth the lines: a little, much, not at all"), "chart", say("smooth")),
    Key("chart.pin", ("space",), "pin", say("compare this line with others, or no more"), "chart", say("compare")),
    Key("chart.log_x", ("x",), "toggle_log_x", say("logarithmic or linear x axis"), "chart", say("scale")),
    Key("chart.log_y", ("y",), "toggle_log_y", say("logarithmic or linear y axis"), "chart", say("scale")),
    Key("palette.up", ("up",), "mark(-1)", say("previous entry"), "palette", say("mark")),
    Key("palette.down", ("down",), "mark(1)", say("next entry"), "palette", say("mark")),
    Key("table.filter", ("slash",), "filter", say("show only the lines that contain a text"), "table", say("filter")),
    Key("glossary", ("G",), "glossary", say("the words of the field, explained"), "everywhere"),
    Key("palette", ("colon", "ctrl+p"), "palette", say("choose among all that can be done here"), "everywhere"),
    Key("tour", ("T",), "tour", say("explain each page as you go, or no more"), "everywhere"),
    Key("redraw", ("L", "ctrl+l"), "redraw", say("draw the screen anew"), "everywhere"),
    Key("back", ("escape",), "back", say("out of the typing, or back"), "everywhere", say("back")),
    Key("help", ("question_mark", "f1"), "help", say("all keys of this screen"), "everywhere", say("help")),
    Key("quit", ("q", "ctrl+q"), "quit", say("leave; whatever is running goes on"), "everywhere", say("quit")),
)


def remap(wanted: Mapping[str, str], source: str) -> None:
    """Give actions other keys: an action's id to its keys, with commas between. Call it before the screens are loaded:
    their bindings are made then. Refuses, with the `source` of the wish, what is unknown or means two things."""
    global KEYS
    known = {key.id: key for key in KEYS}
    for id, text in wanted.items():
        if id not in known:
            near = difflib.get_close_matches(id, known, 3) or list(known)[:3]
            raise NotFound(
                "{source}: there is no action {id}; did you mean: {near}", source=source, id=id, near=", ".join(near)
            )
        known[id] = replace(known[id], keys=tuple(_parsed(part, id, source) for part in _split(text)))
    table = tuple(known.values())
    for group in GROUPS:
        taken: dict[str, str] = {}
        for key in (key for key in table if key.group in (group, "everywhere")):
            for name in key.keys:
                if name in taken:
                    raise Invalid(
                        "{source}: {key} cannot mean both {one} and {other}.",
                        source=source,
                        key=NAMES.get(name, name),
                        one=taken[name],
                        other=key.id,
                    )
                taken[name] = key.id
    KEYS = table


def _split(text: str) -> list[str]:
    """The keys of a list; a comma alone is the key."""
    return [text] if text.strip() == "," else [part.strip() for part in text.split(",")]


def _parsed(text: str, id: str, source: str) -> str:
    """A key by Textual's name. Refuses what is none, or what a terminal would not pass on."""
    name = {sign: name for name, sign in NAMES.items()}.get(text.strip(), text.strip())
    letter = len(name) == 1 and name.isascii() and name.isalnum()
    control = len(name) == 6 and name.startswith("ctrl+") and "a" <= name[5] <= "z" and name[5] not in "himjsz"
    function = name.startswith("f") and name[1:].isdecimal() and 1 <= int(name[1:]) <= 12
    if letter or control or function or name in NAMES or name in NAMED:
        return name
    raise Invalid(
        "{source}: {id} = {text!r} is no key. A key is a letter, a digit, a sign, ctrl+ with a letter that terminals "
        "pass on, f1 to f12, or one of: {named}",
        source=source,
        id=id,
        text=text,
        named=", ".join(NAMED),
    )


def bindings(group: str) -> list[BindingType]:
    """The bindings of a group, for the BINDINGS of a widget, a screen or the app."""
    return [
        Binding(",".join(key.keys), key.action, key.label.text(), id=key.id, show=key.show is not None)
        for key in KEYS
        if key.group == group
    ]


@dataclass(frozen=True)
class Hinted:
    """An entry of the line of hints: `left/right point`."""

    keys: str
    name: str
    group: str


def hints(active: Mapping[str, Collection[str]]) -> list[Hinted]:
    """What is hinted at of these actions, each with its keys that work now (a line of typing takes letters for itself).

    In the order of the table; neighbours of one name are one entry.
    """
    found: list[Hinted] = []
    for key in KEYS:
        working = [name for name, own in zip(key.names, key.keys, strict=True) if own in active.get(key.id, ())]
        if key.show is None or not working:
            continue
        entry = Hinted(working[0], key.show.text(), key.group)
        if found and (found[-1].name, found[-1].group) == (entry.name, entry.group):
            entry = replace(entry, keys=f"{found.pop().keys}/{entry.keys}")
        found.append(entry)
    return found


def help_rows(groups: Iterable[str]) -> list[tuple[str, list[Key]]]:
    """The title of each group, and its keys."""
    return [(GROUPS[group].text(), [key for key in KEYS if key.group == group]) for group in groups]
