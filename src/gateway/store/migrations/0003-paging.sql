-- Lists are read in pages, in the order in which things were made.
CREATE INDEX agents_in_order ON agents (user_id, created_at, id);
CREATE INDEX tokens_in_order ON tokens (user_id, created_at, id);
DROP INDEX agents_by_user;
DROP INDEX tokens_by_user;
