-- Portable SQL only: SQLite runs it today, Postgres must be able to. Times are RFC 3339 text (UTC), ids UUIDs,
-- lists and objects JSON text.
CREATE TABLE users (
  id TEXT PRIMARY KEY,
  username TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL,
  name TEXT NOT NULL,
  tier TEXT NOT NULL,
  is_admin BOOLEAN NOT NULL,
  created_at TEXT NOT NULL
);

CREATE TABLE agents (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  os TEXT NOT NULL,
  arch TEXT NOT NULL,
  shell TEXT NOT NULL,
  distro TEXT NOT NULL,
  tags TEXT NOT NULL,
  created_at TEXT NOT NULL,
  connected_at TEXT,
  last_ping TEXT,
  system_info TEXT
);
CREATE INDEX agents_by_user ON agents (user_id);

-- Of a token only its SHA-256 and its first 12 characters are kept. agent_id: the one agent that it may connect.
CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  agent_id TEXT REFERENCES agents (id) ON DELETE SET NULL,
  name TEXT NOT NULL,
  token_hash TEXT NOT NULL UNIQUE,
  token_prefix TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT,
  revoked_at TEXT,
  last_used_at TEXT
);
CREATE INDEX tokens_by_user ON tokens (user_id);
CREATE INDEX tokens_by_agent ON tokens (agent_id);
