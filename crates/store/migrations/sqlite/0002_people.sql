-- People who sign in, what they may do where, and the one-time links that bring them in.
ALTER TABLE api_keys ADD COLUMN name TEXT;

CREATE TABLE people (
    id BLOB PRIMARY KEY,
    email TEXT NOT NULL UNIQUE, -- in lower case
    name TEXT NOT NULL,
    language TEXT,
    password TEXT NOT NULL, -- argon2id, with its parameters and salt
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER
);

CREATE TABLE memberships (
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    person_id BLOB NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, person_id)
);
CREATE INDEX memberships_person ON memberships (person_id);

CREATE TABLE sign_ins (
    hash BLOB PRIMARY KEY, -- SHA-256; the token itself is kept by the browser alone
    person_id BLOB NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL
);
CREATE INDEX sign_ins_person ON sign_ins (person_id);

-- One-time links. Using one deletes its row.
CREATE TABLE links (
    id BLOB PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE, -- SHA-256 of the token
    kind TEXT NOT NULL, -- setup, invitation or reset
    organization_id BLOB REFERENCES organizations (id) ON DELETE CASCADE, -- that it leads into
    person_id BLOB REFERENCES people (id) ON DELETE CASCADE, -- whose password is reset
    email TEXT, -- who is invited, and as what
    role TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX links_invitation ON links (organization_id, email); -- a newer one replaces it
