-- The third format: what runs taught about repairs. This text never changes either.
CREATE TABLE lessons (
    key  TEXT PRIMARY KEY,          -- digest of the lesson: a resumed run teaches nothing twice
    run  TEXT NOT NULL REFERENCES runs (id),
    json TEXT NOT NULL
);
