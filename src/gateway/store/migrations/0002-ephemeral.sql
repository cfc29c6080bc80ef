-- Agents of CI jobs: forgotten by themselves once they have been away for a while.
ALTER TABLE agents ADD COLUMN ephemeral BOOLEAN NOT NULL DEFAULT FALSE;
