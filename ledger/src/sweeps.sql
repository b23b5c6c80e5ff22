-- The second format: sweeps and the rows of their coverage matrices. This text never changes either.
CREATE TABLE sweeps (
    id              TEXT PRIMARY KEY,
    key             TEXT NOT NULL,      -- digest of what makes two launches the same sweep
    library_version TEXT NOT NULL,      -- the release of Transformers
    settings        TEXT NOT NULL,      -- JSON
    names           TEXT NOT NULL,      -- JSON list of what is to be swept, in order
    started_ms      INTEGER NOT NULL,
    finished_ms     INTEGER             -- NULL while it runs, and for a killed one
);
CREATE INDEX sweeps_by_key ON sweeps (key);

CREATE TABLE sweep_rows (
    sweep TEXT NOT NULL REFERENCES sweeps (id),
    name  TEXT NOT NULL,
    json  TEXT NOT NULL,
    PRIMARY KEY (sweep, name)
) WITHOUT ROWID;
