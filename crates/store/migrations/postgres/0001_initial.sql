-- Times are microseconds since 1970 in UTC; booleans, JSON and ids are the database's own types.
CREATE TABLE organizations (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    hash BYTEA NOT NULL UNIQUE, -- SHA-256; the key itself is kept nowhere
    hint TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_organization ON api_keys (organization_id);

CREATE TABLE chatbots (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT,
    active BOOLEAN NOT NULL,
    is_public BOOLEAN NOT NULL,
    personality JSONB NOT NULL,
    settings JSONB NOT NULL,
    suggestions JSONB,
    voice_widget_config JSONB,
    avatar TEXT,
    openai_api_key TEXT,
    knowledge_version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX chatbots_organization ON chatbots (organization_id, created_at, id);

CREATE TABLE knowledge_items (
    id UUID PRIMARY KEY,
    chatbot_id UUID NOT NULL REFERENCES chatbots (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    error TEXT,
    enabled BOOLEAN NOT NULL,
    source JSONB NOT NULL,
    sha256 TEXT, -- of an uploaded file, so that the same bytes are recognised
    size_bytes BIGINT NOT NULL,
    chunks BIGINT NOT NULL,
    characters BIGINT NOT NULL,
    embedding_space TEXT, -- the space its chunks' vectors lie in
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    synced_at BIGINT
);
CREATE UNIQUE INDEX knowledge_items_bytes ON knowledge_items (chatbot_id, sha256);
CREATE INDEX knowledge_items_list ON knowledge_items (chatbot_id, created_at, id);

CREATE TABLE chunks (
    item_id UUID NOT NULL REFERENCES knowledge_items (id) ON DELETE CASCADE,
    ordinal BIGINT NOT NULL,
    headings JSONB NOT NULL,
    page BIGINT,
    text TEXT NOT NULL,
    question TEXT,
    embedding BYTEA,
    PRIMARY KEY (item_id, ordinal)
);

-- The latest change of each item's searchable content, deletions included: what an index at an
-- older version has to load. No foreign key to the item, which may be gone.
CREATE TABLE knowledge_changes (
    chatbot_id UUID NOT NULL REFERENCES chatbots (id) ON DELETE CASCADE,
    item_id UUID NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (chatbot_id, item_id)
);
CREATE INDEX knowledge_changes_version ON knowledge_changes (chatbot_id, version);

-- A job's row is its promise: it is deleted in the transaction that keeps it. No foreign keys:
-- deleting blobs outlives the chatbot that they belonged to.
CREATE TABLE jobs (
    id UUID PRIMARY KEY,
    kind TEXT NOT NULL,
    organization_id UUID NOT NULL,
    chatbot_id UUID NOT NULL,
    item_id UUID UNIQUE, -- one ingest job an item; a newer wish replaces the older
    path TEXT,
    attempts BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    lease UUID,
    lease_until BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX jobs_due ON jobs (run_at, id);
CREATE INDEX jobs_chatbot ON jobs (chatbot_id);

CREATE TABLE sessions (
    id UUID PRIMARY KEY,
    chatbot_id UUID NOT NULL REFERENCES chatbots (id) ON DELETE CASCADE,
    platform TEXT NOT NULL,
    visitor TEXT,
    is_human_mode BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    metadata JSONB NOT NULL,
    last_message_id UUID,
    last_message_content TEXT,
    last_message_sender TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX sessions_visitor ON sessions (chatbot_id, platform, visitor);
CREATE INDEX sessions_list ON sessions (chatbot_id, updated_at DESC, id DESC);

CREATE TABLE messages (
    id UUID PRIMARY KEY,
    session_id UUID NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    sender_type TEXT NOT NULL,
    content TEXT NOT NULL,
    attachments JSONB,
    metadata JSONB NOT NULL,
    model TEXT,
    provider TEXT,
    tokens_used BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX messages_session ON messages (session_id, created_at, id);
