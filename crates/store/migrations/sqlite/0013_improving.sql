-- What visitors asked in vain, like questions together.
CREATE TABLE gaps (
    id BLOB PRIMARY KEY,
    chatbot_id BLOB NOT NULL REFERENCES chatbots (id) ON DELETE CASCADE,
    number INTEGER NOT NULL, -- from 1, by when they came up
    question TEXT NOT NULL, -- of the first, by which the others are told to be like it
    space TEXT, -- of its vector; both are NULL where it is compared by its words
    vector BLOB,
    state TEXT NOT NULL,
    item_id BLOB, -- the Q&A pair that was written for it; no foreign key, since it may be deleted
    settled_at INTEGER,
    created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX gaps_number ON gaps (chatbot_id, number);

-- Which question belongs to which gap: put there when somebody looks, never by a turn.
CREATE TABLE gap_questions (
    question_id BLOB PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    gap_id BLOB NOT NULL REFERENCES gaps (id) ON DELETE CASCADE,
    answer_id BLOB NOT NULL, -- goes with its question
    asked_at INTEGER NOT NULL
);
CREATE INDEX gap_questions_gap ON gap_questions (gap_id, asked_at);

-- Unanswered questions are read by the index of answers; this one holds the few answers that were rated.
CREATE INDEX messages_rated ON messages (chatbot_id, created_at, feedback) WHERE feedback IS NOT NULL;

-- What visitors thought of whole conversations. A table of its own, so that no turn reads it.
CREATE TABLE session_ratings (
    session_id BLOB PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    chatbot_id BLOB NOT NULL,
    score INTEGER NOT NULL, -- from 1 to 5
    comment TEXT,
    rated_at INTEGER NOT NULL
);
CREATE INDEX session_ratings_chatbot ON session_ratings (chatbot_id, rated_at, score);
