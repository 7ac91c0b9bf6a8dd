-- Keys that lay in clear are overwritten as they are moved, rather than left in free pages.
PRAGMA secure_delete = ON;

-- What an organization decided on models: its providers, a fallback, tokens a day. NULL: nothing.
ALTER TABLE organizations ADD COLUMN models TEXT;
UPDATE organizations SET models =
    (SELECT json_object('providers', json_array(json_object(
        'name', CASE WHEN p.base_url LIKE 'https://api.openai.com%' THEN 'openai' ELSE 'default' END,
        'kind', 'openai', 'base_url', p.base_url, 'api_key', p.api_key)))
     FROM providers p WHERE p.organization_id = organizations.id);
DROP TABLE providers;

-- Tokens of the day, of organizations that may use so many.
CREATE TABLE organization_tokens (
    organization_id BLOB PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    day INTEGER NOT NULL, -- since the Unix epoch, in UTC
    tokens INTEGER NOT NULL
) WITHOUT ROWID;

-- The master key that the secrets in this database are sealed with, by its id. One row.
CREATE TABLE master_keys (
    slot INTEGER PRIMARY KEY CHECK (slot = 1),
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
