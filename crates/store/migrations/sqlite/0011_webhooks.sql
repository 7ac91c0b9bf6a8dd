-- What somebody is told of, as a list of words: comes with each chatbot. NULL: nothing.
ALTER TABLE organizations ADD COLUMN webhooks TEXT;

-- Where organizations have events sent.
CREATE TABLE webhook_endpoints (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    description TEXT,
    events TEXT NOT NULL, -- a list of words; an empty one means all there are
    active BOOLEAN NOT NULL,
    disabled_reason TEXT,
    secret TEXT NOT NULL, -- sealed, as the one before, which signs too until its time is over
    previous_secret TEXT,
    previous_until INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX webhook_endpoints_organization
    ON webhook_endpoints (organization_id, created_at, id);

-- What happened, in the very bytes that are sent: each time the same.
CREATE TABLE webhook_events (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX webhook_events_organization ON webhook_events (organization_id, created_at);

-- The sending of one event to one endpoint. While it is pending there is a job of the same id.
CREATE TABLE webhook_deliveries (
    id BLOB PRIMARY KEY,
    endpoint_id BLOB NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    event_id BLOB NOT NULL REFERENCES webhook_events (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_at INTEGER,
    attempted_at INTEGER, -- from here on: of the last attempt
    status INTEGER,
    error TEXT,
    response TEXT,
    created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX webhook_deliveries_event ON webhook_deliveries (event_id, endpoint_id);
CREATE INDEX webhook_deliveries_log ON webhook_deliveries (endpoint_id, created_at DESC, id DESC);

-- Workers that only send look for these alone.
CREATE INDEX jobs_deliveries ON jobs (run_at, id) WHERE kind = 'webhook';
