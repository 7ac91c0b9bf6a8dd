-- Sites, feeds, folders and buckets that are read whole and kept fresh.
CREATE TABLE sources (
    id BLOB PRIMARY KEY,
    chatbot_id BLOB NOT NULL REFERENCES chatbots (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    options TEXT NOT NULL,
    cadence TEXT NOT NULL,
    state TEXT NOT NULL,
    error TEXT,
    run INTEGER NOT NULL, -- counts the syncs
    added INTEGER NOT NULL, -- pages of the last sync, as the four that follow
    changed INTEGER NOT NULL,
    unchanged INTEGER NOT NULL,
    retired INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    limit_reached BOOLEAN NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX sources_address ON sources (chatbot_id, kind, address);

-- What is known of a source's pages. A list is a sitemap, a feed, or a folder's own list: it is read
-- for what it names. A page's item has its id from the beginning, and is there once it was read.
CREATE TABLE source_pages (
    source_id BLOB NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    is_list BOOLEAN NOT NULL,
    address TEXT NOT NULL,
    item_id BLOB NOT NULL UNIQUE,
    state TEXT NOT NULL,
    reason TEXT,
    title TEXT,
    pending BOOLEAN NOT NULL, -- the sync under way has still to ask for it
    due_at INTEGER NOT NULL, -- when it may do so
    attempts INTEGER NOT NULL, -- how often it did, without an end
    depth INTEGER NOT NULL,
    hops INTEGER NOT NULL, -- redirects that led here
    etag TEXT,
    version TEXT, -- what the list of a folder said of the file last
    last_modified TEXT,
    body_hash TEXT,
    text_hash TEXT,
    twin INTEGER, -- the number of the page that this one repeats or leads to
    missed INTEGER NOT NULL, -- syncs in a row that did not find it
    links TEXT NOT NULL, -- the numbers of the pages that it names
    seen_at INTEGER, -- when it was last found
    PRIMARY KEY (source_id, number)
);
CREATE UNIQUE INDEX source_pages_address ON source_pages (source_id, address);
CREATE INDEX source_pages_text ON source_pages (source_id, text_hash);

CREATE TABLE source_log (
    id BLOB PRIMARY KEY,
    source_id BLOB NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    run INTEGER NOT NULL,
    event TEXT NOT NULL,
    address TEXT,
    title TEXT,
    detail TEXT,
    created_at INTEGER NOT NULL
);
CREATE INDEX source_log_source ON source_log (source_id, id);

ALTER TABLE knowledge_items ADD COLUMN source_id BLOB; -- the source that keeps it fresh
CREATE INDEX knowledge_items_source ON knowledge_items (source_id) WHERE source_id IS NOT NULL;

-- One job a source: under way, or waiting for the time of the next sync.
ALTER TABLE jobs ADD COLUMN source_id BLOB;
CREATE UNIQUE INDEX jobs_source ON jobs (source_id);
