-- A gateway's database as the build of commit fe2b1b3 left it (schema 3): the gateway of that commit ran on a new folder,
-- three agents and four tokens were made through its API, one agent was deleted and one token revoked, a real agent of
-- that commit connected as web-1, and a second user had an agent; then it was stopped, and its tables were written out.
-- Never changed: it stands for the data that operators have. The tokens in it, which open nothing else:
-- token admin rexec_fe1b2a6a557f80be6485debc45567ab9cfa3acd68b400e508b7ea16edeff7dbf
-- token web rexec_786f5a4f5f71f70b8fa506e0178b721758987386c3912411d3bfddc9dc19b9b7
-- token odd rexec_29aa7b32267d0a5e3d26aaedb33df0c3aba993bebb0f7d2e007d6b98a9dc1ece
-- token ci rexec_1adab857f1f38528bfa4e480246d111ff12b0c263bb07a77aa8be6f637b94166
-- token user rexec_d99077424c71d64f8bb311d55f4c182470be5a34bc7033b34e4c01fa316bf4dd
-- token read rexec_4f2d1b7e02c7cc1b89336d92fee1126fcafa7a54330cdc4b97b12366a0ff7f98
-- token both rexec_d8ba497f45ce554f708757e6de77d7f360969838a17260383715b6ad4a130ea2
-- token revoked rexec_0ac2fabb12ff85dc25d14efb3c88ff934ccf03d693178964d65fe537245f9f85
-- token stranger rexec_fba890ac79c02fd94350b16acacb3fe537efb2d3785cafc27967f8b571fc4756
-- token theirs rexec_97271ee42995d7951dddad570ac7965d749f2e2c640d3159faaf21ceb300008a
CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL);
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
, ephemeral BOOLEAN NOT NULL DEFAULT FALSE);
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
CREATE INDEX tokens_by_agent ON tokens (agent_id);
CREATE INDEX agents_in_order ON agents (user_id, created_at, id);
CREATE INDEX tokens_in_order ON tokens (user_id, created_at, id);
INSERT INTO schema_migrations (version, name, applied_at) VALUES (1, 'initial', '2026-11-25T17:35:42.704Z');
INSERT INTO schema_migrations (version, name, applied_at) VALUES (2, 'ephemeral', '2026-11-25T17:35:42.705Z');
INSERT INTO schema_migrations (version, name, applied_at) VALUES (3, 'paging', '2026-11-25T17:35:42.705Z');
INSERT INTO users (id, username, email, name, tier, is_admin, created_at) VALUES ('01a213c7-1076-7426-a04f-fab9d96dfa29', 'admin', '', 'Administrator', 'self-hosted', 1, '2026-11-25T17:35:42.710Z');
INSERT INTO users (id, username, email, name, tier, is_admin, created_at) VALUES ('01a213c7-10d0-7385-bce1-fc505e783cd0', 'stranger-d94f7d05-5fd2-49f5-bd38-7e1c65a17a87', '', 'stranger-d94f7d05-5fd2-49f5-bd38-7e1c65a17a87', 'self-hosted', 0, '2026-11-25T17:35:42.800Z');
INSERT INTO agents (id, user_id, name, description, os, arch, shell, distro, tags, created_at, connected_at, last_ping, system_info, ephemeral) VALUES ('470ea52c-626a-4c89-b071-ff45bae31d8b', '01a213c7-1076-7426-a04f-fab9d96dfa29', 'Büro '' " ; -- 机器 🚀', 'line one' || char(10) || 'line two', 'linux', 'arm64', '', '', '["größe","a=b"]', '2026-11-25T17:35:42.727Z', NULL, NULL, NULL, 0);
INSERT INTO agents (id, user_id, name, description, os, arch, shell, distro, tags, created_at, connected_at, last_ping, system_info, ephemeral) VALUES ('69b897ac-1e35-4890-953f-c62f7701638c', '01a213c7-1076-7426-a04f-fab9d96dfa29', 'ci-42', '', 'linux', 'amd64', '', '', '["ci","ephemeral"]', '2026-11-25T17:35:42.728Z', NULL, NULL, NULL, 1);
INSERT INTO agents (id, user_id, name, description, os, arch, shell, distro, tags, created_at, connected_at, last_ping, system_info, ephemeral) VALUES ('78b2c7f7-03e9-4a76-a76a-0a5f863c81d9', '01a213c7-10d0-7385-bce1-fc505e783cd0', 'theirs', '', 'linux', 'amd64', '', '', '[]', '2026-11-25T17:35:42.801Z', NULL, NULL, NULL, 0);
INSERT INTO agents (id, user_id, name, description, os, arch, shell, distro, tags, created_at, connected_at, last_ping, system_info, ephemeral) VALUES ('f15a48e9-d12a-45a4-8568-740d484aa494', '01a213c7-1076-7426-a04f-fab9d96dfa29', 'web-1', 'the first machine', 'linux', 'amd64', '/bin/sh', 'debian', '["prod","web"]', '2026-11-25T17:35:42.724Z', '2026-11-25T17:35:42.739Z', '2026-11-25T17:35:42.745Z', '{"os":"linux","arch":"amd64","num_cpu":2,"hostname":"vm","distro":"debian","memory":{"total":25276502016,"available":24686071808,"free":17104879616},"disk":{"total":270553174016,"free":248629288960,"available":75869409280},"virtualization":"docker","is_root":true,"has_sudo":true,"agent_version":"0.1.0-dev"}', 0);
INSERT INTO tokens (id, user_id, agent_id, name, token_hash, token_prefix, scopes, created_at, expires_at, revoked_at, last_used_at) VALUES ('01a213c7-107a-7168-b127-be2f22043263', '01a213c7-1076-7426-a04f-fab9d96dfa29', NULL, 'admin', '57daaafb84a57f6cae489bccd99ef1f5e2f9a5d27e022ddeedbbb86d3e9670f2', 'rexec_fe1b2a', '["*"]', '2026-11-25T17:35:42.714Z', NULL, NULL, '2026-11-25T17:35:42.722Z');
INSERT INTO tokens (id, user_id, agent_id, name, token_hash, token_prefix, scopes, created_at, expires_at, revoked_at, last_used_at) VALUES ('01a213c7-1084-7413-a3dc-b3232c8032b0', '01a213c7-1076-7426-a04f-fab9d96dfa29', 'f15a48e9-d12a-45a4-8568-740d484aa494', 'agent: web-1', 'e9d2d865e6929395c0bb318b107a8559abd1310ae2845e56e90d96b2f92f39fb', 'rexec_786f5a', '["agent"]', '2026-11-25T17:35:42.724Z', NULL, NULL, '2026-11-25T17:35:42.738Z');
INSERT INTO tokens (id, user_id, agent_id, name, token_hash, token_prefix, scopes, created_at, expires_at, revoked_at, last_used_at) VALUES ('01a213c7-1087-7667-a1fa-cb73a1f535e6', '01a213c7-1076-7426-a04f-fab9d96dfa29', '470ea52c-626a-4c89-b071-ff45bae31d8b', 'agent: Büro '' " ; -- 机器 🚀', 'af9fee6301ae609925b450f525f5920e69c03991b6f767ece8f3ed2736dd3553', 'rexec_29aa7b', '["agent"]', '2026-11-25T17:35:42.727Z', NULL, NULL, NULL);
INSERT INTO tokens (id, user_id, agent_id, name, token_hash, token_prefix, scopes, created_at, expires_at, revoked_at, last_used_at) VALUES ('01a213c7-1088-71f1-913c-b0b06caaa35b', '01a213c7-1076-7426-a04f-fab9d96dfa29', '69b897ac-1e35-4890-953f-c62f7701638c', 'agent: ci-42', 'd0c81bc9aa7d9d421b14dc60495f8d622ac2913f31ae9dc34accfa0c995707e0', 'rexec_1adab8', '["agent"]', '2026-11-25T17:35:42.728Z', NULL, NULL, NULL);
INSERT INTO tokens (id, user_id, agent_id, name, token_hash, token_prefix, scopes, created_at, expires_at, revoked_at, last_used_at) VALUES ('01a213c7-1089-7602-97d1-f520e15a67d6', '01a213c7-1076-7426-a04f-fab9d96dfa29', NULL, 'agent: gone', 'b6c4d517956b043f552f13c70d3912473488036410f909a7819df9b1032340c4', 'rexec_4c87fc', '["agent"]', '2026-11-25T17:35:42.729Z', NULL, '2026-11-25T17:35:42.731Z', NULL);
INSERT INTO tokens (id, user_id, agent_id, name, token_hash, token_prefix, scopes, created_at, expires_at, revoked_at, last_used_at) VALUES ('01a213c7-10c9-7682-a657-857a707de6d1', '01a213c7-1076-7426-a04f-fab9d96dfa29', NULL, 'user', '6e0a2a55fe79031d042146bce640419663aeac2c6a0d559fae1b29b5ef11c327', 'rexec_d99077', '["user"]', '2026-11-25T17:35:42.793Z', NULL, NULL, NULL);
INSERT INTO tokens (id, user_id, agent_id, name, token_hash, token_prefix, scopes, created_at, expires_at, revoked_at, last_used_at) VALUES ('01a213c7-10cb-7701-a086-11ef42b56825', '01a213c7-1076-7426-a04f-fab9d96dfa29', NULL, 'read, expires', 'd6b0695d4c6e28ed1ad3231648a8abe36fab5dc5bdd9afa953563502d54c9043', 'rexec_4f2d1b', '["read"]', '2026-11-25T17:35:42.795Z', NULL, NULL, NULL);
INSERT INTO tokens (id, user_id, agent_id, name, token_hash, token_prefix, scopes, created_at, expires_at, revoked_at, last_used_at) VALUES ('01a213c7-10cc-71c7-8dd6-cd8f6485faf8', '01a213c7-1076-7426-a04f-fab9d96dfa29', NULL, 'two scopes', '2df889cdc82386fa7f816635717b8232d2e1e9ef8dc3ebeafa60a5c75c056ca0', 'rexec_d8ba49', '["read","user"]', '2026-11-25T17:35:42.796Z', NULL, NULL, NULL);
INSERT INTO tokens (id, user_id, agent_id, name, token_hash, token_prefix, scopes, created_at, expires_at, revoked_at, last_used_at) VALUES ('01a213c7-10cd-715f-b866-4aaaf1e9f48a', '01a213c7-1076-7426-a04f-fab9d96dfa29', NULL, 'revoked', '2f0c5effa1a8dcc5d768f8dfbe2a9c9da08ada639e3a8b4d2d41ebc925b675b8', 'rexec_0ac2fa', '["*"]', '2026-11-25T17:35:42.797Z', NULL, '2026-11-25T17:35:42.799Z', NULL);
INSERT INTO tokens (id, user_id, agent_id, name, token_hash, token_prefix, scopes, created_at, expires_at, revoked_at, last_used_at) VALUES ('01a213c7-10d1-7588-a6f2-35b2a9103718', '01a213c7-10d0-7385-bce1-fc505e783cd0', NULL, 'theirs', 'e00f9eee63fefc05adac202eeb6e1bcd0344c2d3a548800a19512c7989b3e60f', 'rexec_fba890', '["*"]', '2026-11-25T17:35:42.801Z', NULL, NULL, '2026-11-25T17:35:42.801Z');
INSERT INTO tokens (id, user_id, agent_id, name, token_hash, token_prefix, scopes, created_at, expires_at, revoked_at, last_used_at) VALUES ('01a213c7-10d1-7589-ac33-2a6ec8c24576', '01a213c7-10d0-7385-bce1-fc505e783cd0', '78b2c7f7-03e9-4a76-a76a-0a5f863c81d9', 'agent: theirs', 'b30e9f7ebb6dd3bf521943399bc9c88c946d7deff4d1c67453aa6479d05f9e6e', 'rexec_97271e', '["agent"]', '2026-11-25T17:35:42.801Z', NULL, NULL, NULL);
