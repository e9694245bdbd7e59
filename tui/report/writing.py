"""Writing a report: which format a file's name asks for, and the file itself (P18)."""

from __future__ import annotations

from pathlib import Path

from rounds import looking
from state import files
from state.database import Store
from state.errors import Exists, Invalid, NotFound
from tui.report import as_html, as_text, document

FORMATS = ("html", "md", "csv", "json")
_SUFFIXES = {".html": "html", ".htm": "html", ".md": "md", ".markdown": "md", ".csv": "csv", ".json": "json"}


def write(store: Store, path: Path, kind: str = "", *, force: bool = False) -> Path:
    """Write the report of a project and return its absolute path; without a `kind` the file's name says the format.

    Refuses a name that says none, a folder that does not exist, and a file that exists unless `force` is given.
    """
    path = path.expanduser().resolve()
    kind = kind or _SUFFIXES.get(path.suffix.lower(), "")
    if kind not in FORMATS:
        raise Invalid("{path}: end the name in .html, .md, .csv or .json, or give --format.", path=str(path))
    if path.is_dir():
        raise Invalid("{path}: is a folder. Give the name of a file.", path=str(path))
    if path.exists() and not path.is_file():
        raise Invalid(
            "{path}: is no file that could be replaced. On stdout the report is: tunebook report - --format {kind}",
            path=str(path),
            kind=kind,
        )
    if path.exists() and not force:
        raise Exists("{path}: exists already. Choose another name, or replace it with --force.", path=str(path))
    if not path.parent.is_dir():
        raise NotFound("{path}: there is no such folder. Make it first, or choose another.", path=str(path.parent))
    text = content(store, kind)
    files.write_atomically(path, text)
    # Unlike the project's own files it is there to be shared.
    path.chmod(0o644)
    return path


def content(store: Store, kind: str) -> str:
    """The report in a format: "html", "md", "csv" (the table of studies) or "json" (everything as data)."""
    # A look at the test split that nobody waited for counts all the same.
    looking.collect(store)
    match kind:
        case "html":
            return as_html.page(document.report(store))
        case "md":
            return as_text.markdown(document.report(store))
        case "csv":
            return as_text.studies_csv(store)
        case _:
            return as_text.everything_json(store)


def free_name(folder: Path) -> Path:
    """`report.html` in a folder, or the next name that is free."""
    number = 2
    path = folder / "report.html"
    while path.exists():
        path = folder / f"report-{number}.html"
        number += 1
    return path
