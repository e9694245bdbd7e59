"""A report as one HTML page: no network, no script, for a phone, a wide window and paper, light and dark.

Whatever comes from the project is escaped; the page carries a policy that lets nothing be loaded or run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from presets.language import _
from tui.report.parts import Code, Facts, Grid, Judgement, Part, Picture, Report, Section, Title, Words
from tui.report.svg import svg
from tui.terminal import printable
from tui.theme import SERIES_ON_DARK, SERIES_ON_LIGHT, VERDICTS

_STYLE = """
:root { color-scheme: light dark; --back: #ffffff; --text: #1c1e21; --soft: #5c6470; --line: #d9dde3; --band: #f4f6f8;
  --pass: #1a7f37; --warn: #9a5b00; --fail: #b3261e; --tell: #5c6470; LIGHT }
@media (prefers-color-scheme: dark) { :root { --back: #15181c; --text: #e3e6ea; --soft: #9aa4b0; --line: #363d46;
  --band: #1e2329; --pass: #56d364; --warn: #e3b341; --fail: #ff7b72; --tell: #9aa4b0; DARK } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; background: var(--back); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
  "Microsoft YaHei", sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.35rem; margin: 2.75rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
p { margin: .6rem 0; max-width: 46rem; }
.about, figcaption, caption, .rule { color: var(--soft); font-size: .88rem; }
.strong { font-size: 1.15rem; font-weight: 600; }
.empty { color: var(--soft); padding: 2rem 0; text-align: center; max-width: none; }
nav ul { list-style: none; padding: 0; margin: 1rem 0; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; }
a { color: inherit; text-underline-offset: .2em; text-decoration-color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: .75rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.table { overflow-x: auto; margin: .9rem 0; }
table { border-collapse: collapse; font-size: .88rem; min-width: 100%; }
caption { text-align: left; caption-side: bottom; padding-top: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td.short { white-space: nowrap; }
td.long { min-width: 16rem; overflow-wrap: anywhere; }
.right { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { background: var(--band); border: 1px solid var(--line); border-radius: 6px; padding: .75rem 1rem;
  overflow-x: auto; font-size: .88rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: 1rem 1.5rem; }
figure { margin: .5rem 0; break-inside: avoid; max-width: 34rem; }
figcaption { margin-bottom: .25rem; }
svg { display: block; width: 100%; height: auto; font-size: 12px; }
svg text { fill: var(--soft); } .middle { text-anchor: middle; } .end { text-anchor: end; }
.grid { stroke: var(--line); fill: none; } .axis { stroke: var(--soft); fill: none; }
.line { stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; fill: none; }
.behind { stroke: var(--soft); stroke-opacity: .28; stroke-linecap: round; fill: none; }
.dot { fill: currentColor; fill-opacity: .8; } .cross { stroke: currentColor; stroke-width: 1.8; fill: none; }
.star { fill: currentColor; stroke: var(--back); } svg { color: var(--soft); }
.findings { list-style: none; padding: 0; margin: .75rem 0; }
.findings li { padding: .5rem 0 .5rem .9rem; border-left: 4px solid var(--tell); margin: .5rem 0; max-width: 50rem; }
.findings b { margin-right: .5rem; }
.pass { border-color: var(--pass) !important; } .pass b { color: var(--pass); }
.warn { border-color: var(--warn) !important; } .warn b { color: var(--warn); }
.fail { border-color: var(--fail) !important; } .fail b { color: var(--fail); }
@media (max-width: 30rem) { body { padding: 1rem .75rem 3rem; } dl { grid-template-columns: 1fr; gap: 0; }
  dt { margin-top: .5rem; } h1 { font-size: 1.5rem; } }
@media (max-width: 38rem) { .stacked thead { display: none; } .stacked tr { display: block; padding: .5rem 0;
  border-bottom: 1px solid var(--line); } .stacked td { display: block; border: 0; padding: .1rem 0; min-width: 0;
  white-space: normal; text-align: left; } .stacked td::before { content: attr(data-of) ": "; color: var(--soft); } }
@media print { :root { --back: #fff; --text: #000; --soft: #444; --line: #bbb; --band: #f4f4f4; LIGHT }
  body { max-width: none; padding: 0; font-size: 10.5pt; } nav { display: none; } .table { overflow: visible; }
  h2, h3 { break-after: avoid; } tr, li { break-inside: avoid; } table { font-size: 8.5pt; } td.long { min-width: 0; }
  .plots { grid-template-columns: 1fr 1fr; } a { text-decoration: none; } }
"""
# In a table, text of more characters than this wants room, and of fewer is not broken.
LONG, SHORT = 40, 24


def page(report: Report) -> str:
    """The whole page."""
    style = _STYLE.replace("LIGHT", _colours(SERIES_ON_LIGHT)).replace("DARK", _colours(SERIES_ON_DARK))
    style += "".join(f".c{number} {{ color: var(--c{number}); }}\n" for number in range(len(SERIES_ON_LIGHT)))
    title = _text(report.title)
    links = "".join(f'<li><a href="#{_text(part.id)}">{_text(part.title)}</a></li>' for part in report.sections)
    return (
        "<!doctype html>\n"
        f'<html lang="{report.language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f'<header>\n<h1>{title}</h1>\n<p class="about">{_text(report.about)}</p>\n</header>\n'
        f'<nav aria-label="{_text(_("contents"))}"><ul>{links}</ul></nav>\n<main>\n'
        f"{''.join(map(_section, report.sections))}</main>\n</body>\n</html>\n"
    )


def _colours(colours: Sequence[str]) -> str:
    return " ".join(f"--c{number}: {colour};" for number, colour in enumerate(colours))


def _section(section: Section) -> str:
    # Findings make a list and plots a grid, as many as follow each other.
    parts = []
    for kind, group in groupby(section.parts, type):
        content = "".join(map(_part, group))
        if kind is Judgement:
            content = f'<ul class="findings">\n{content}</ul>\n'
        elif kind is Picture:
            content = f'<div class="plots">\n{content}</div>\n'
        parts.append(content)
    return f'<section id="{_text(section.id)}">\n<h2>{_text(section.title)}</h2>\n{"".join(parts)}</section>\n'


def _part(part: Part) -> str:
    match part:
        case Words(text, strong):
            return f'<p class="strong">{_text(text)}</p>\n' if strong else f"<p>{_text(text)}</p>\n"
        case Title(text):
            return f"<h3>{_text(text)}</h3>\n"
        case Facts(rows):
            return f"<dl>{''.join(f'<dt>{_text(name)}</dt><dd>{_text(value)}</dd>' for name, value in rows)}</dl>\n"
        case Grid():
            return f'<div class="table">{"".join(_table(part))}</div>\n'
        case Picture(caption, series, axes, behind):
            return f"<figure><figcaption>{_text(caption)}</figcaption>{svg(series, axes, behind)}</figure>\n"
        case Judgement(verdict, word, text, action, rule):
            glyph = VERDICTS[verdict].glyph if verdict in VERDICTS else ""
            kind = verdict if verdict in ("pass", "warn", "fail") else "tell"
            proposed = f"<br>→ {_text(action)}" if action else ""
            told = f'<b>{_text(f"{glyph} {word}")}</b>{_text(text)} <span class="rule">({_text(rule)})</span>{proposed}'
            return f'<li class="{kind}">{told}</li>\n'
        case Code(text):
            return f"<pre><code>{escape(text)}</code></pre>\n"


def _table(grid: Grid) -> Iterator[str]:
    # A table with long texts is read on a phone as one entry after the other, each cell after its column's name.
    stacked = any(len(text) > LONG for row in grid.rows for text in row)
    yield '<table class="stacked">' if stacked else "<table>"
    if grid.caption:
        yield f"<caption>{_text(grid.caption)}</caption>"
    heads = (f"<th{_kind(text, place in grid.right)}>{_text(text)}</th>" for place, text in enumerate(grid.columns))
    yield f"<thead><tr>{''.join(heads)}</tr></thead>\n<tbody>"
    names = [f' data-of="{_text(name)}"' if stacked else "" for name in grid.columns]
    for row in grid.rows:
        cells = (f"<td{names[at]}{_kind(text, at in grid.right)}>{_text(text)}</td>" for at, text in enumerate(row))
        yield f"<tr>{''.join(cells)}</tr>\n"
    yield "</tbody></table>"


def _kind(text: str, right: bool) -> str:
    """The class of a cell."""
    kind = "right" if right else "long" if len(text) > LONG else "short" if len(text) <= SHORT else ""
    return f' class="{kind}"' if kind else ""


def _text(text: str) -> str:
    """Text as HTML shows it: no markup, no control characters, which HTML has no way to write."""
    return escape(printable(text))
