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

/** Users of a gateway: also the length of a list without `limit`. */
export const USERS = 5_000;

/** Revoked and expired tokens that stay listed for each user. Older ones are deleted. */
export const DEAD_TOKENS_LISTED = 1_000;

/** Rights that one user may have given. */
export const GRANTS_OF_USER = 1_000;
/** Shares of one user that count, those that are over and stay listed, and the viewers of one share. */
export const SHARES_OF_USER = 100;
export const DEAD_SHARES_LISTED = 100;
export const VIEWERS_OF_SHARE = 16;
/** Groups of a gateway, and the members of one. */
export const GROUPS = 1_000;
export const MEMBERS_OF_GROUP = 10_000;
/** Join tokens of a user that can still be used. */
export const JOINS_OF_A_USER = 1_000;

/** Used, expired and revoked join tokens that stay listed for each user. Older ones are deleted. */
export const DEAD_JOINS_LISTED = 200;

/** Machines of a user that wait to be accepted: further ones are not registered. */
export const PENDING_AGENTS = 100;
