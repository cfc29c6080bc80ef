-- Join tokens: each registers machines, and does nothing else. max_uses: NULL for any number.
CREATE TABLE joins (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  description TEXT NOT NULL,
  token_hash TEXT NOT NULL UNIQUE,
  token_prefix TEXT NOT NULL,
  tags TEXT NOT NULL,
  name_pattern TEXT,
  ephemeral BOOLEAN NOT NULL,
  approve BOOLEAN NOT NULL,
  max_uses INTEGER,
  uses INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  revoked_at TEXT,
  last_used_at TEXT
);
CREATE INDEX joins_in_order ON joins (user_id, created_at, id);

-- pending: it waits until its owner accepts it. joined_by: the join token that registered it, which may be gone.
-- name_pattern: the names that it may give itself. own_tags: those of its tags that it gave itself, which no grant counts.
ALTER TABLE agents ADD COLUMN pending BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE agents ADD COLUMN joined_by TEXT;
ALTER TABLE agents ADD COLUMN name_pattern TEXT;
ALTER TABLE agents ADD COLUMN own_tags TEXT NOT NULL DEFAULT '[]';
