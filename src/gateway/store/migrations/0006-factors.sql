-- A CLI that asks to be signed in (RFC 8628). Of both codes only the SHA-256 is kept. The row is consumed by the poll
-- that takes the token: approved_at and consumed_at are each set once.
CREATE TABLE device_codes (
  id TEXT PRIMARY KEY,
  device_hash TEXT NOT NULL UNIQUE,
  user_hash TEXT NOT NULL UNIQUE,
  client TEXT NOT NULL,
  address TEXT NOT NULL,
  network TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  interval_s INTEGER NOT NULL,
  polled_at TEXT,
  user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
  approved_at TEXT,
  denied_at TEXT,
  consumed_at TEXT
);
CREATE INDEX device_codes_by_expiry ON device_codes (expires_at);

-- One authenticator app for each user. last_counter: the newest time step whose code was accepted, so none counts twice.
CREATE TABLE totp_factors (
  user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  secret TEXT NOT NULL,
  last_counter INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  confirmed_at TEXT
);

CREATE TABLE recovery_codes (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  code_hash TEXT NOT NULL,
  created_at TEXT NOT NULL,
  used_at TEXT
);
CREATE UNIQUE INDEX recovery_codes_of_user ON recovery_codes (user_id, code_hash);

-- credential_id and public_key are base64url.
CREATE TABLE passkeys (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  credential_id TEXT NOT NULL UNIQUE,
  public_key TEXT NOT NULL,
  counter BIGINT NOT NULL,
  transports TEXT NOT NULL,
  backed_up BOOLEAN NOT NULL,
  created_at TEXT NOT NULL,
  last_used_at TEXT
);
CREATE INDEX passkeys_of_user ON passkeys (user_id, created_at, id);

-- What one step of a sign-in left for the next: a passkey's challenge, the state of an OIDC sign-in. A row is deleted by
-- the step that uses it. Only the SHA-256 of its name is kept; the browser has the name in a cookie or a form.
CREATE TABLE sign_in_steps (
  id_hash TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
  data TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL
);
CREATE INDEX sign_in_steps_by_expiry ON sign_in_steps (expires_at);

-- Which account of which identity provider a user is. group_names: those of the last sign-in.
CREATE TABLE oidc_identities (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  email TEXT NOT NULL,
  group_names TEXT NOT NULL,
  created_at TEXT NOT NULL,
  last_used_at TEXT NOT NULL
);
CREATE UNIQUE INDEX oidc_identities_by_subject ON oidc_identities (issuer, subject);
CREATE INDEX oidc_identities_of_user ON oidc_identities (user_id);
