-- The first format. Later formats are further steps in database.rs; this text never changes.
CREATE TABLE runs (
    id          TEXT PRIMARY KEY,
    key         TEXT NOT NULL,      -- digest of everything that makes two launches the same run
    target      TEXT NOT NULL,      -- what the user named
    model_type  TEXT NOT NULL,
    settings    TEXT NOT NULL,      -- JSON
    started_ms  INTEGER NOT NULL,
    finished_ms INTEGER,            -- NULL while it runs, and for a killed one
    exit_code   INTEGER
);
CREATE INDEX runs_by_key ON runs (key);

CREATE TABLE events (
    run      TEXT NOT NULL REFERENCES runs (id),
    sequence INTEGER NOT NULL,      -- from 1, without gaps
    unix_ms  INTEGER NOT NULL,
    json     TEXT NOT NULL,
    PRIMARY KEY (run, sequence)
) WITHOUT ROWID;

-- Finished steps, shared by all runs: a key that is here is never done again.
CREATE TABLE steps (
    key         TEXT PRIMARY KEY,
    step        TEXT NOT NULL,
    run         TEXT NOT NULL REFERENCES runs (id),
    result      TEXT NOT NULL,      -- JSON
    artefacts   TEXT NOT NULL,      -- JSON list of digests
    finished_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- The last word on each backend of a run; every word is an event.
CREATE TABLE verdicts (
    run     TEXT NOT NULL REFERENCES runs (id),
    backend TEXT NOT NULL,
    fresh   INTEGER NOT NULL,       -- 1: from the fresh verification
    json    TEXT NOT NULL,
    PRIMARY KEY (run, backend, fresh)
) WITHOUT ROWID;

-- The judge's secrets: no event, card, plan or step result holds them.
CREATE TABLE seeds (
    run  TEXT PRIMARY KEY REFERENCES runs (id),
    json TEXT NOT NULL
) WITHOUT ROWID;
