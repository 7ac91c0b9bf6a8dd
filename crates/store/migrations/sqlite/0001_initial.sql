-- Times are microseconds since 1970 in UTC; ids are 16 bytes; JSON is text.
CREATE TABLE organizations (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
);

CREATE TABLE api_keys (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    hash BLOB NOT NULL UNIQUE, -- SHA-256; the key itself is kept nowhere
    hint TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at INTEGER
);
CREATE INDEX api_keys_organization ON api_keys (organization_id);

CREATE TABLE chatbots (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT,
    active BOOLEAN NOT NULL,
    is_public BOOLEAN NOT NULL,
    personality TEXT NOT NULL,
    settings TEXT NOT NULL,
    suggestions TEXT,
    voice_widget_config TEXT,
    avatar TEXT,
    openai_api_key TEXT,
    knowledge_version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX chatbots_organization ON chatbots (organization_id, created_at, id);

CREATE TABLE knowledge_items (
    id BLOB PRIMARY KEY,
    chatbot_id BLOB NOT NULL REFERENCES chatbots (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    error TEXT,
    enabled BOOLEAN NOT NULL,
    source TEXT NOT NULL,
    sha256 TEXT, -- of an uploaded file, so that the same bytes are recognised
    size_bytes INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    characters INTEGER NOT NULL,
    embedding_space TEXT, -- the space its chunks' vectors lie in
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    synced_at INTEGER
);
CREATE UNIQUE INDEX knowledge_items_bytes ON knowledge_items (chatbot_id, sha256);
CREATE INDEX knowledge_items_list ON knowledge_items (chatbot_id, created_at, id);

CREATE TABLE chunks (
    item_id BLOB NOT NULL REFERENCES knowledge_items (id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    headings TEXT NOT NULL,
    page INTEGER,
    text TEXT NOT NULL,
    question TEXT,
    embedding BLOB,
    PRIMARY KEY (item_id, ordinal)
);

-- The latest change of each item's searchable content, deletions included: what an index at an
-- older version has to load. No foreign key to the item, which may be gone.
CREATE TABLE knowledge_changes (
    chatbot_id BLOB NOT NULL REFERENCES chatbots (id) ON DELETE CASCADE,
    item_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (chatbot_id, item_id)
) WITHOUT ROWID;
CREATE INDEX knowledge_changes_version ON knowledge_changes (chatbot_id, version);

-- A job's row is its promise: it is deleted in the transaction that keeps it. No foreign keys:
-- deleting blobs outlives the chatbot that they belonged to.
CREATE TABLE jobs (
    id BLOB PRIMARY KEY,
    kind TEXT NOT NULL,
    organization_id BLOB NOT NULL,
    chatbot_id BLOB NOT NULL,
    item_id BLOB UNIQUE, -- one ingest job an item; a newer wish replaces the older
    path TEXT,
    attempts INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    lease BLOB,
    lease_until INTEGER,
    created_at INTEGER NOT NULL
);
CREATE INDEX jobs_due ON jobs (run_at, id);
CREATE INDEX jobs_chatbot ON jobs (chatbot_id);

CREATE TABLE sessions (
    id BLOB PRIMARY KEY,
    chatbot_id BLOB NOT NULL REFERENCES chatbots (id) ON DELETE CASCADE,
    platform TEXT NOT NULL,
    visitor TEXT,
    is_human_mode BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    metadata TEXT NOT NULL,
    last_message_id BLOB,
    last_message_content TEXT,
    last_message_sender TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX sessions_visitor ON sessions (chatbot_id, platform, visitor);
CREATE INDEX sessions_list ON sessions (chatbot_id, updated_at DESC, id DESC);

CREATE TABLE messages (
    id BLOB PRIMARY KEY,
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    sender_type TEXT NOT NULL,
    content TEXT NOT NULL,
    attachments TEXT,
    metadata TEXT NOT NULL,
    model TEXT,
    provider TEXT,
    tokens_used INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX messages_session ON messages (session_id, created_at, id);
