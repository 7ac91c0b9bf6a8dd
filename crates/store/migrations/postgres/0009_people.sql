-- Conversations that people answer.

-- Who has it, while a person does.
ALTER TABLE sessions ADD COLUMN assignee_id UUID REFERENCES people (id) ON DELETE SET NULL;
-- How often a person took it over. A turn writes its answer only at the count it began with, so that
-- one that runs during a takeover, here or on another server, says nothing more.
ALTER TABLE sessions ADD COLUMN takeovers BIGINT NOT NULL DEFAULT 0;
-- When the last message was written that each side has seen; NULL for none.
ALTER TABLE sessions ADD COLUMN agents_read_at BIGINT;
ALTER TABLE sessions ADD COLUMN visitor_read_at BIGINT;
-- The two queues that people look at all day; the others are read by the indexes that there are.
CREATE INDEX sessions_human ON sessions (chatbot_id, updated_at DESC) WHERE is_human_mode;
CREATE INDEX sessions_assignee ON sessions (assignee_id) WHERE assignee_id IS NOT NULL;

-- What agents tell each other at a conversation. A table of its own, so that no way of reading
-- messages can show one to a visitor or a model.
CREATE TABLE session_notes (
    id UUID PRIMARY KEY,
    session_id UUID NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    author_id UUID REFERENCES people (id) ON DELETE SET NULL,
    author_name TEXT,
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX session_notes_session ON session_notes (session_id, created_at, id);

-- Replies that agents keep at hand.
CREATE TABLE canned_replies (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (organization_id, name)
);
