-- Who turns texts into vectors, chosen per organization and per chatbot.
ALTER TABLE organizations ADD COLUMN embedder TEXT; -- for chatbots without a choice; NULL: the server's

ALTER TABLE chatbots ADD COLUMN embedder TEXT; -- its own choice; NULL: its organization's
-- Whose vectors answer now: their space, and who makes such. NULL while there are none.
ALTER TABLE chatbots ADD COLUMN serving_space TEXT;
ALTER TABLE chatbots ADD COLUMN serving_embedder TEXT;
ALTER TABLE chatbots ADD COLUMN reranker TEXT;
UPDATE chatbots SET serving_space =
    (SELECT i.embedding_space FROM knowledge_items i
     WHERE i.chatbot_id = chatbots.id AND i.embedding_space IS NOT NULL LIMIT 1);

-- The vectors of an embedder that is to take over, until it has all.
CREATE TABLE next_vectors (
    item_id BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    embedding BLOB, -- NULL where the embedder makes nothing of the passage
    PRIMARY KEY (item_id, ordinal),
    FOREIGN KEY (item_id, ordinal) REFERENCES chunks (item_id, ordinal) ON DELETE CASCADE
) WITHOUT ROWID;

-- How far they have come, or why they did not come.
CREATE TABLE reembeddings (
    chatbot_id BLOB PRIMARY KEY REFERENCES chatbots (id) ON DELETE CASCADE,
    space TEXT NOT NULL,
    done INTEGER NOT NULL,
    total INTEGER NOT NULL,
    dimension INTEGER,
    error TEXT
) WITHOUT ROWID;
