-- What a visitor told the chatbot to be reached by, which stays whatever its page says of it. NULL: nothing.
ALTER TABLE sessions ADD COLUMN contact JSONB;

-- Requests to an organization's own systems that its chatbots may make.
CREATE TABLE actions (
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    method TEXT NOT NULL,
    url TEXT NOT NULL,
    parameters JSONB NOT NULL, -- a JSON Schema
    query JSONB NOT NULL, -- a list of names
    confirm BOOLEAN NOT NULL,
    headers TEXT, -- sealed: names and values as JSON
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, name)
);

-- Programs that offer tools by the Model Context Protocol.
CREATE TABLE tool_servers (
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    headers TEXT, -- sealed: names and values as JSON
    unconfirmed JSONB NOT NULL, -- a list of names
    tools JSONB NOT NULL, -- what it offered when it was set
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, name)
);
