-- What somebody is told of, as a list of words: comes with each chatbot. NULL: nothing.
ALTER TABLE organizations ADD COLUMN webhooks JSONB;

-- Where organizations have events sent.
CREATE TABLE webhook_endpoints (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    description TEXT,
    events JSONB NOT NULL, -- a list of words; an empty one means all there are
    active BOOLEAN NOT NULL,
    disabled_reason TEXT,
    secret TEXT NOT NULL, -- sealed, as the one before, which signs too until its time is over
    previous_secret TEXT,
    previous_until BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX webhook_endpoints_organization
    ON webhook_endpoints (organization_id, created_at, id);

-- What happened, in the very bytes that are sent: each time the same.
CREATE TABLE webhook_events (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX webhook_events_organization ON webhook_events (organization_id, created_at);

-- The sending of one event to one endpoint. While it is pending there is a job of the same id.
CREATE TABLE webhook_deliveries (
    id UUID PRIMARY KEY,
    endpoint_id UUID NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    event_id UUID NOT NULL REFERENCES webhook_events (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT,
    attempted_at BIGINT, -- from here on: of the last attempt
    status BIGINT,
    error TEXT,
    response TEXT,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX webhook_deliveries_event ON webhook_deliveries (event_id, endpoint_id);
CREATE INDEX webhook_deliveries_log ON webhook_deliveries (endpoint_id, created_at DESC, id DESC);

-- Workers that only send look for these alone.
CREATE INDEX jobs_deliveries ON jobs (run_at, id) WHERE kind = 'webhook';
