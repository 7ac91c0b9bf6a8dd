-- Letters with what people replied: when each was taken, and up to which message it went.
CREATE TABLE session_mails (
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    sent_at INTEGER NOT NULL,
    mailed_until INTEGER NOT NULL,
    PRIMARY KEY (session_id, sent_at)
);

-- Workers that only send look for these alone.
DROP INDEX jobs_deliveries;
CREATE INDEX jobs_deliveries ON jobs (run_at, id) WHERE kind IN ('webhook', 'mail');
