-- What visitors' browsers need: where a chatbot may be shown, who vouches for its visitors, and what
-- they thought of its answers.
ALTER TABLE chatbots ADD COLUMN allowed_origins TEXT NOT NULL DEFAULT '[]';
ALTER TABLE chatbots ADD COLUMN identity_secret TEXT;

ALTER TABLE messages ADD COLUMN feedback TEXT; -- up or down
ALTER TABLE messages ADD COLUMN feedback_comment TEXT;

-- Keys that every process over this database signs with.
CREATE TABLE server_secrets (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
