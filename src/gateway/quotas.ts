/** How much one user may have. A user's token that leaks, or a script that loops, stops here. */

export interface Quotas {
  /** Registered agents. The list that a client gets without `limit` is as long as this. */
  agents: number;
  /** Tokens that are neither revoked nor expired, agents' own ones not counted. */
  tokens: number;
  /** Open viewer connections, of all agents together. */
  viewers: number;
  /** Sessions that run on connected agents, of all agents together. */
  sessions: number;
}

export const QUOTAS: Quotas = { agents: 5_000, tokens: 1_000, viewers: 1_000, sessions: 1_000 };

/** Live tokens of one agent. It needs one, and a second while it changes over. */
export const TOKENS_OF_AN_AGENT = 16;

/** Revoked and expired tokens that stay listed for each user. Older ones are deleted. */
export const DEAD_TOKENS_LISTED = 1_000;
