-- Groups of users; what users and groups may do with agents; tokens that are restricted to some agents.
CREATE TABLE groups (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_at TEXT NOT NULL
);

-- source: 'manual', or 'oidc' for what a sign-in says anew each time.
CREATE TABLE group_members (
  group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  source TEXT NOT NULL,
  PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_by_user ON group_members (user_id);

-- One of user_id and group_id is given, and one of agent_id and tag. A tag counts for agents of owner_id alone, or of every
-- user where that is NULL. level: view, use, manage.
CREATE TABLE grants (
  id TEXT PRIMARY KEY,
  user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
  group_id TEXT REFERENCES groups (id) ON DELETE CASCADE,
  agent_id TEXT REFERENCES agents (id) ON DELETE CASCADE,
  tag TEXT,
  tag_needle TEXT,
  owner_id TEXT REFERENCES users (id) ON DELETE CASCADE,
  level TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE INDEX grants_by_user ON grants (user_id);
CREATE INDEX grants_by_group ON grants (group_id);
CREATE INDEX grants_by_agent ON grants (agent_id);

-- JSON list of agent ids and tag:NAME; empty for all agents of the user.
ALTER TABLE tokens ADD COLUMN only_agents TEXT NOT NULL DEFAULT '[]';
