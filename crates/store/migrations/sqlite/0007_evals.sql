-- Questions with what must be found for them, and how a chatbot did when they were gone through.
CREATE TABLE evals (
    id BLOB PRIMARY KEY,
    chatbot_id BLOB NOT NULL REFERENCES chatbots (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    questions TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX evals_name ON evals (chatbot_id, name);

CREATE TABLE eval_runs (
    id BLOB PRIMARY KEY,
    eval_id BLOB NOT NULL REFERENCES evals (id) ON DELETE CASCADE,
    scores TEXT NOT NULL,
    results TEXT NOT NULL, -- with the questions as they were then
    took_micros INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX eval_runs_list ON eval_runs (eval_id, created_at, id);
