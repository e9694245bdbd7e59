"""The tables of the store, as numbered migrations. A released migration is never edited, only followed."""

from __future__ import annotations

from state.sqlite import Database, Migrations

migrations = Migrations("tunebook")


@migrations(name="m001_first_tables")
def m001_first_tables(database: Database) -> None:
    """Decisions, measurements, configurations, batches of trials with their metrics, findings, launches, insights."""
    for statement in _M001.split(";"):
        if statement.strip():
            database.execute(statement)


@migrations(name="m002_dismissals")
def m002_dismissals(database: Database) -> None:
    """The findings that a person does not follow, with the reason."""
    database.execute(
        "CREATE TABLE dismissals (batch TEXT NOT NULL REFERENCES batches(name), finding TEXT NOT NULL, "
        "at TEXT NOT NULL, by TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL, "
        "PRIMARY KEY (batch, finding)) WITHOUT ROWID"
    )


@migrations(name="m003_order_of_the_queue")
def m003_order_of_the_queue(database: Database) -> None:
    """Trials may be moved to the front of the queue; their numbers, by which they are listed, stay."""
    database.execute("ALTER TABLE trials ADD COLUMN priority INTEGER NOT NULL DEFAULT 0")


@migrations(name="m004_looks")
def m004_looks(database: Database) -> None:
    """The looks at the test split: each is counted."""
    database.execute(
        "CREATE TABLE looks (number INTEGER PRIMARY KEY, at TEXT NOT NULL, by TEXT NOT NULL, trial TEXT NOT NULL, "
        "configuration TEXT NOT NULL, reason TEXT NOT NULL, result TEXT NOT NULL)"
    )


@migrations(name="m005_sentences_of_trials")
def m005_sentences_of_trials(database: Database) -> None:
    """What a trial's message says, as a template with its values, so that it reads in either language."""
    database.execute("ALTER TABLE trials ADD COLUMN said TEXT NOT NULL DEFAULT ''")


@migrations(name="m006_no_requests")
def m006_no_requests(database: Database) -> None:
    """A wish is what its batch or trial holds as wanted; who wished for what, and when, the journal has."""
    database.execute("DROP TABLE requests")


@migrations(name="m007_events")
def m007_events(database: Database) -> None:
    """The events of the journal, and up to which byte of it they are here: a journal that is lost is written anew from
    them."""
    database.execute("CREATE TABLE events (number INTEGER PRIMARY KEY, event TEXT NOT NULL)")
    database.execute("INSERT INTO meta VALUES ('journal_kept', '0')")


@migrations(name="m008_reconciled")
def m008_reconciled(database: Database) -> None:
    """Whether the trials of a store that is built were made to agree with their folders; a store of before has them."""
    database.execute(
        "INSERT INTO meta SELECT 'reconciled', '1' FROM meta WHERE key = 'journal_offset' AND value != '0'"
    )


@migrations(name="m009_spent")
def m009_spent(database: Database) -> None:
    """The device seconds that the processes of a trial took, those of earlier tries included. Of those that ended
    before, what is known of the last."""
    database.execute("ALTER TABLE trials ADD COLUMN spent REAL NOT NULL DEFAULT 0")
    told = "CASE WHEN json_valid(result) THEN json_extract(result, '$.seconds') END"
    resumed = "CASE WHEN json_valid(result) THEN json_extract(result, '$.resumed') ELSE 0 END"
    clock = "(julianday(ended_at) - julianday(started_at)) * 86400"
    database.execute(
        f"UPDATE trials SET spent = max(coalesce(CASE WHEN started_at IS NULL OR {resumed} THEN {told} END, "
        f"{clock}, 0), 0)"
    )


@migrations(name="m010_measures")
def m010_measures(database: Database) -> None:
    """By which metric a trial's best is, and whether less or more of it is better: the project's may change."""
    database.execute("ALTER TABLE trials ADD COLUMN metric TEXT NOT NULL DEFAULT ''")
    database.execute("ALTER TABLE trials ADD COLUMN direction TEXT NOT NULL DEFAULT ''")


_M001 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('journal_offset', '0');
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, by TEXT NOT NULL,
    step TEXT NOT NULL, question TEXT NOT NULL, options TEXT NOT NULL, recommended TEXT NOT NULL, chosen TEXT NOT NULL,
    reason TEXT NOT NULL, evidence TEXT NOT NULL, settings TEXT NOT NULL, superseded_by INTEGER REFERENCES decisions(id)
);
CREATE TABLE measurements (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, result TEXT NOT NULL
);
CREATE TABLE configurations (
    hash TEXT PRIMARY KEY, at TEXT NOT NULL, parent TEXT REFERENCES configurations(hash),
    settings TEXT NOT NULL, reasons TEXT NOT NULL
);
CREATE TABLE batches (
    name TEXT PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, number INTEGER NOT NULL, goal TEXT NOT NULL,
    configuration TEXT NOT NULL REFERENCES configurations(hash), plan TEXT NOT NULL,
    wanted TEXT NOT NULL, slots INTEGER NOT NULL, reviewed TEXT
);
CREATE TABLE trials (
    id TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, batch TEXT NOT NULL REFERENCES batches(name),
    study TEXT NOT NULL, position INTEGER NOT NULL, u TEXT NOT NULL, settings TEXT NOT NULL, overrides TEXT NOT NULL,
    wanted TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
    steps_done INTEGER NOT NULL, best_step INTEGER, best REAL, final REAL, result TEXT,
    queued_at TEXT NOT NULL, started_at TEXT, ended_at TEXT, restarts INTEGER NOT NULL,
    metrics_file INTEGER NOT NULL, metrics_offset INTEGER NOT NULL
);
CREATE INDEX trials_batch ON trials(batch, number);
CREATE TABLE metrics (
    trial TEXT NOT NULL REFERENCES trials(id), name TEXT NOT NULL, step INTEGER NOT NULL, value REAL,
    PRIMARY KEY (trial, name, step)
) WITHOUT ROWID;
CREATE TABLE findings (
    batch TEXT NOT NULL REFERENCES batches(name), position INTEGER NOT NULL, finding TEXT NOT NULL,
    PRIMARY KEY (batch, position)
) WITHOUT ROWID;
CREATE TABLE launches (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, by TEXT NOT NULL, batch TEXT NOT NULL REFERENCES batches(name),
    candidate TEXT NOT NULL REFERENCES configurations(hash), previous TEXT REFERENCES configurations(hash),
    decision TEXT NOT NULL, reason TEXT NOT NULL, evidence TEXT NOT NULL
);
CREATE TABLE insights (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, by TEXT NOT NULL, batch TEXT, text TEXT NOT NULL, evidence TEXT NOT NULL
);
CREATE TABLE requests (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, by TEXT NOT NULL, target TEXT NOT NULL, wanted TEXT NOT NULL
)
"""
