-- What the console shows beside what the API always told.

-- Names the blob that keeps an item's text as it was read; NULL where none is kept.
ALTER TABLE knowledge_items ADD COLUMN text_file BLOB;

-- Exports go through a chatbot's sessions by their ids, which time orders.
CREATE INDEX sessions_export ON sessions (chatbot_id, id);

-- Facts of an answer, so that counting reads one index and nothing else.
ALTER TABLE messages ADD COLUMN chatbot_id BLOB; -- on answers alone
ALTER TABLE messages ADD COLUMN outcome TEXT; -- answered, unanswered or failed; NULL does not count
ALTER TABLE messages ADD COLUMN took_micros INTEGER; -- of a whole answer that counts
ALTER TABLE messages ADD COLUMN question_id BLOB; -- the message that it answers
UPDATE messages SET chatbot_id =
    (SELECT s.chatbot_id FROM sessions s WHERE s.id = messages.session_id)
    WHERE sender_type = 'bot';
CREATE INDEX messages_answers
    ON messages (chatbot_id, created_at, outcome, took_micros, tokens_used)
    WHERE chatbot_id IS NOT NULL;

-- The model provider that an organization uses in place of the server's.
CREATE TABLE providers (
    organization_id BLOB PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    base_url TEXT NOT NULL,
    api_key TEXT,
    updated_at INTEGER NOT NULL
);
