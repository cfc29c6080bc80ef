-- A user without a password signs in by a login link or by a provider. disabled_at: their credentials count for nothing.
ALTER TABLE users ADD COLUMN password_hash TEXT;
ALTER TABLE users ADD COLUMN disabled_at TEXT;
CREATE INDEX users_in_order ON users (created_at, id);

-- Browser sessions. Of a session's secret only its SHA-256 is kept. expires_at: whatever its user does.
CREATE TABLE sign_in_sessions (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  session_hash TEXT NOT NULL UNIQUE,
  method TEXT NOT NULL,
  address TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  created_at TEXT NOT NULL,
  last_seen_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  revoked_at TEXT
);
CREATE INDEX sign_in_sessions_in_order ON sign_in_sessions (user_id, created_at, id);

-- Links that work once: kind is login (user_id signs in) or invite (a new user, who becomes user_id).
CREATE TABLE one_time_links (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  link_hash TEXT NOT NULL UNIQUE,
  user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  is_admin BOOLEAN NOT NULL,
  created_by TEXT REFERENCES users (id) ON DELETE CASCADE,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  used_at TEXT
);
CREATE INDEX one_time_links_in_order ON one_time_links (kind, created_at, id);
CREATE INDEX one_time_links_by_user ON one_time_links (user_id);
