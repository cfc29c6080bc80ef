-- Recordings outlive the agents and users that they are of: names are kept beside ids, and nothing is a reference.
CREATE TABLE recordings (
  id TEXT PRIMARY KEY,
  agent_id TEXT NOT NULL,
  agent_name TEXT NOT NULL,
  -- The first viewer.
  user_id TEXT NOT NULL,
  user_name TEXT NOT NULL,
  session TEXT NOT NULL,
  instance TEXT NOT NULL,
  part INTEGER NOT NULL,
  -- shell, run
  kind TEXT NOT NULL,
  command TEXT NOT NULL,
  -- always, request
  reason TEXT NOT NULL,
  -- recording, complete, stopped, interrupted
  state TEXT NOT NULL,
  note TEXT NOT NULL,
  started_at TEXT NOT NULL,
  ended_at TEXT,
  duration_ms BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  cut_bytes BIGINT NOT NULL,
  cut_reason TEXT NOT NULL,
  exit_code INTEGER,
  signal TEXT,
  cols INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  -- folder, bucket
  place TEXT NOT NULL
);
CREATE INDEX recordings_in_order ON recordings (started_at, id);
CREATE INDEX recordings_by_agent ON recordings (agent_id, started_at, id);
CREATE INDEX recordings_by_user ON recordings (user_id, started_at, id);
CREATE INDEX recordings_by_instance ON recordings (instance);
CREATE INDEX recordings_by_state ON recordings (state, id);

-- kind: all, agent, tag, user; target: an id, a tag's name, or empty. mode: always, never, request.
CREATE TABLE recording_policies (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  target TEXT NOT NULL,
  mode TEXT NOT NULL,
  input BOOLEAN NOT NULL,
  created_by TEXT NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (kind, target)
);
