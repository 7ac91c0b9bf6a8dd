-- What an organization decided on models: its providers, a fallback, tokens a day. NULL: nothing.
ALTER TABLE organizations ADD COLUMN models JSONB;
UPDATE organizations SET models =
    (SELECT jsonb_build_object('providers', jsonb_build_array(jsonb_build_object(
        'name', CASE WHEN p.base_url LIKE 'https://api.openai.com%' THEN 'openai' ELSE 'default' END,
        'kind', 'openai', 'base_url', p.base_url, 'api_key', p.api_key)))
     FROM providers p WHERE p.organization_id = organizations.id);
DROP TABLE providers;

-- Tokens of the day, of organizations that may use so many.
CREATE TABLE organization_tokens (
    organization_id UUID PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    day BIGINT NOT NULL, -- since the Unix epoch, in UTC
    tokens BIGINT NOT NULL
);

-- The master key that the secrets in this database are sealed with, by its id. One row.
CREATE TABLE master_keys (
    slot BIGINT PRIMARY KEY CHECK (slot = 1),
    id TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
