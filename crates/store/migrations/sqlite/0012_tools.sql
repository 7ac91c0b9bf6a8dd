-- What a visitor told the chatbot to be reached by, which stays whatever its page says of it. NULL: nothing.
ALTER TABLE sessions ADD COLUMN contact TEXT;

-- Requests to an organization's own systems that its chatbots may make.
CREATE TABLE actions (
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    method TEXT NOT NULL,
    url TEXT NOT NULL,
    parameters TEXT NOT NULL, -- a JSON Schema
    query TEXT NOT NULL, -- a list of names
    confirm BOOLEAN NOT NULL,
    headers TEXT, -- sealed: names and values as JSON
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, name)
);

-- Programs that offer tools by the Model Context Protocol.
CREATE TABLE tool_servers (
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    headers TEXT, -- sealed: names and values as JSON
    unconfirmed TEXT NOT NULL, -- a list of names
    tools TEXT NOT NULL, -- what it offered when it was set
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, name)
);
