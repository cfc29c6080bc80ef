/** Quotas of one user: they stop a leaked token, or a script in a loop. */

/** Counts for one user, over all agents. */
export interface Quotas {
  /** Registered agents: also the length of a list without `limit`. */
  agents: number;
  /** Live tokens, without those of agents. */
  tokens: number;
  /** Open viewer connections. */
  viewers: number;
  /** Sessions that run on connected agents. */
  sessions: number;
}

export const QUOTAS: Quotas = { agents: 5_000, tokens: 1_000, viewers: 1_000, sessions: 1_000 };

/** Live tokens of one agent. It needs one, and a second one while it changes from one to the other. */
export const TOKENS_OF_AN_AGENT = 16;

/** Revoked and expired tokens that stay listed for each user. Older ones are deleted. */
export const DEAD_TOKENS_LISTED = 1_000;

/** Rights that one user may have given. */
export const GRANTS_OF_USER = 1_000;
/** Groups of a gateway, and the members of one. */
export const GROUPS = 1_000;
export const MEMBERS_OF_GROUP = 10_000;
