-- One session of one agent, shown to a guest. Of its token only the SHA-256 is kept. level: view, type.
CREATE TABLE shares (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
  session TEXT NOT NULL,
  instance TEXT NOT NULL,
  name TEXT NOT NULL,
  level TEXT NOT NULL,
  token_hash TEXT NOT NULL UNIQUE,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  revoked_at TEXT,
  last_used_at TEXT,
  uses INTEGER NOT NULL
);
CREATE INDEX shares_by_user ON shares (user_id);
CREATE INDEX shares_by_agent ON shares (agent_id);
