-- Sites, feeds, folders and buckets that are read whole and kept fresh.
CREATE TABLE sources (
    id UUID PRIMARY KEY,
    chatbot_id UUID NOT NULL REFERENCES chatbots (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    options JSONB NOT NULL,
    cadence TEXT NOT NULL,
    state TEXT NOT NULL,
    error TEXT,
    run BIGINT NOT NULL, -- counts the syncs
    added BIGINT NOT NULL, -- pages of the last sync, as the four that follow
    changed BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    retired BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    limit_reached BOOLEAN NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX sources_address ON sources (chatbot_id, kind, address);

-- What is known of a source's pages. A list is a sitemap, a feed, or a folder's own list: it is read
-- for what it names. A page's item has its id from the beginning, and is there once it was read.
CREATE TABLE source_pages (
    source_id UUID NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    is_list BOOLEAN NOT NULL,
    address TEXT NOT NULL,
    item_id UUID NOT NULL UNIQUE,
    state TEXT NOT NULL,
    reason TEXT,
    title TEXT,
    pending BOOLEAN NOT NULL, -- the sync under way has still to ask for it
    due_at BIGINT NOT NULL, -- when it may do so
    attempts BIGINT NOT NULL, -- how often it did, without an end
    depth BIGINT NOT NULL,
    hops BIGINT NOT NULL, -- redirects that led here
    etag TEXT,
    version TEXT, -- what the list of a folder said of the file last
    last_modified TEXT,
    body_hash TEXT,
    text_hash TEXT,
    twin BIGINT, -- the number of the page that this one repeats or leads to
    missed BIGINT NOT NULL, -- syncs in a row that did not find it
    links JSONB NOT NULL, -- the numbers of the pages that it names
    seen_at BIGINT, -- when it was last found
    PRIMARY KEY (source_id, number)
);
CREATE UNIQUE INDEX source_pages_address ON source_pages (source_id, address);
CREATE INDEX source_pages_text ON source_pages (source_id, text_hash);

CREATE TABLE source_log (
    id UUID PRIMARY KEY,
    source_id UUID NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    run BIGINT NOT NULL,
    event TEXT NOT NULL,
    address TEXT,
    title TEXT,
    detail TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX source_log_source ON source_log (source_id, id);

ALTER TABLE knowledge_items ADD COLUMN source_id UUID; -- the source that keeps it fresh
CREATE INDEX knowledge_items_source ON knowledge_items (source_id) WHERE source_id IS NOT NULL;

-- One job a source: under way, or waiting for the time of the next sync.
ALTER TABLE jobs ADD COLUMN source_id UUID;
CREATE UNIQUE INDEX jobs_source ON jobs (source_id);
