-- The audit log: rows are only ever appended, each with the hash of the one before (gateway/audit/row.ts). A chain is one
-- gateway's rows, numbered from 1 without a gap. Retention deletes from the front.
CREATE TABLE audit (
  chain TEXT NOT NULL,
  seq BIGINT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  created_at TEXT NOT NULL,
  action TEXT NOT NULL,
  user_id TEXT,
  user_name TEXT,
  credential TEXT,
  credential_name TEXT,
  address TEXT,
  agent_id TEXT,
  agent_name TEXT,
  owner_id TEXT,
  session TEXT,
  target TEXT,
  details TEXT NOT NULL,
  prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (chain, seq)
);
-- Ids are UUIDs of version 7, of the time in created_at: their order is that of time.
CREATE INDEX audit_by_user ON audit (user_id, id);
CREATE INDEX audit_by_agent ON audit (agent_id, id);
CREATE INDEX audit_by_owner ON audit (owner_id, id);
CREATE INDEX audit_by_action ON audit (action, id);

-- Where each chain begins and ends, so that rows cut off at either end are missed. anchor: the hash of the last row that
-- retention deleted.
CREATE TABLE audit_heads (
  chain TEXT PRIMARY KEY,
  first_seq BIGINT NOT NULL,
  anchor TEXT NOT NULL,
  newest_seq BIGINT NOT NULL,
  newest_hash TEXT NOT NULL,
  updated_at TEXT NOT NULL
);

-- How far each collector (syslog, webhook) has been sent a chain.
CREATE TABLE audit_forwards (
  collector TEXT NOT NULL,
  chain TEXT NOT NULL,
  sent_seq BIGINT NOT NULL,
  dropped BIGINT NOT NULL,
  PRIMARY KEY (collector, chain)
);
