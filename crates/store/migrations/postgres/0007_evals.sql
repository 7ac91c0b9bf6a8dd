-- Questions with what must be found for them, and how a chatbot did when they were gone through.
CREATE TABLE evals (
    id UUID PRIMARY KEY,
    chatbot_id UUID NOT NULL REFERENCES chatbots (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    questions JSONB NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX evals_name ON evals (chatbot_id, name);

CREATE TABLE eval_runs (
    id UUID PRIMARY KEY,
    eval_id UUID NOT NULL REFERENCES evals (id) ON DELETE CASCADE,
    scores JSONB NOT NULL,
    results JSONB NOT NULL, -- with the questions as they were then
    took_micros BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX eval_runs_list ON eval_runs (eval_id, created_at, id);
