/**
 * What a credential may do, before it is asked whose agent it is (`access.ts`).
 *
 * | scope | may |
 * |---|---|
 * | `*` | everything that its user may, the management of tokens and of the account included |
 * | `user` | read, register, change and delete the user's agents, open terminals and run commands |
 * | `read` | read the profile, the agents and the lists of their sessions; no terminal |
 * | `use` | what `read` may, open terminals and run commands |
 * | `exec` | list agents and run commands; no terminal |
 * | `manage` | what `read` may, register, rename, tag, share and remove agents; no terminal |
 * | `admin` | of an administrator: users, groups, all agents and the audit; no terminal |
 * | `agent` | connect the one agent that it was made for, read it (in lists too), rename it, unregister it; nothing else |
 */
export const SCOPES = ["*", "user", "read", "use", "exec", "manage", "admin", "agent"] as const;
export type Scope = (typeof SCOPES)[number];

/** Rights over one agent, each with those before it. */
export const LEVELS = ["view", "use", "manage"] as const;
export type Level = (typeof LEVELS)[number];

/** One kind of thing that a route or a socket does. `public` asks for no credential, `any` for any valid one. */
export type Action = "public" | "any" | keyof typeof RULES;

/** What an action asks of the credential and, where it is about an agent, of the user. */
export interface Rule {
  readonly scopes: readonly Scope[];
  /** The level that the user needs on the agent; none for an action that is about no agent. */
  readonly level?: Level;
  /** An agent's own token may do it to its agent. */
  readonly byAgent?: boolean;
  /** Administrators only. */
  readonly admin?: boolean;
}

const READERS = ["user", "read", "use", "manage", "admin"] as const;

/** `*` passes every rule; it is left out here. */
export const RULES = {
  "profile:read": { scopes: [...READERS, "exec"] },
  /** The user's own password, second factors and sign-ins. */
  "account:manage": { scopes: [] },
  "tokens:manage": { scopes: [] },
  /** `POST /api/tokens`: without `tokens:manage` it makes tokens of agents only. */
  "tokens:create": { scopes: ["user", "manage"] },
  "agents:list": { scopes: [...READERS, "exec"], byAgent: true },
  "agents:register": { scopes: ["user", "manage"] },
  "joins:manage": { scopes: ["user", "manage"] },
  /** Be told of each change in that list. */
  "agents:follow": { scopes: [...READERS, "exec"] },
  "agent:view": { scopes: [...READERS, "exec"], level: "view", byAgent: true },
  /** List the sessions of an agent, which its own token may not. */
  "agent:sessions": { scopes: [...READERS, "exec"], level: "view" },
  /** Look at a session. */
  "agent:watch": { scopes: ["user", "use"], level: "view" },
  /** Open a terminal, type into one, end a session. */
  "agent:use": { scopes: ["user", "use"], level: "use" },
  "agent:exec": { scopes: ["user", "use", "exec"], level: "use" },
  "agent:share": { scopes: ["user", "use", "manage"], level: "use" },
  /** Read what a share shows: by that share alone, which may do nothing else here. */
  "share:read": { scopes: [] },
  "agent:manage": { scopes: ["user", "manage", "admin"], level: "manage" },
  /** Let a machine in that waits. */
  "agent:accept": { scopes: ["user", "manage", "admin"], level: "manage" },
  "agent:describe": { scopes: ["user", "manage", "admin"], level: "manage", byAgent: true },
  "agent:unregister": { scopes: ["user", "manage", "admin"], level: "manage", byAgent: true },
  /** Be the agent at the other end. */
  "agent:connect": { scopes: ["user"], level: "manage", byAgent: true },
  "audit:read": { scopes: ["user", "read", "admin"] },
  "recordings:read": { scopes: ["user", "read", "use", "manage", "admin"] },
  /** Look at what a recording shows, which `agent:watch` asks of its agent too, as long as that is there. */
  "recordings:watch": { scopes: ["user", "use"] },
  /** Users, groups, rights of others, settings. */
  admin: { scopes: ["admin"], admin: true },
} as const satisfies Record<string, Rule>;

export function isScope(text: string): text is Scope {
  return SCOPES.some((scope) => scope === text);
}

export function isLevel(text: string): text is Level {
  return LEVELS.some((level) => level === text);
}

/** True where `level` is `wanted` or more. */
export function reaches(level: Level | null, wanted: Level): boolean {
  return level !== null && LEVELS.indexOf(level) >= LEVELS.indexOf(wanted);
}

/** True where one of the scopes passes the rule. `agent` passes none here: see `Rule.byAgent`. */
export function passes(scopes: readonly string[], { scopes: wanted }: Rule): boolean {
  return scopes.includes("*") || wanted.some((scope) => scopes.includes(scope));
}

/** True where a token with the scopes `own` may create one with `wanted`: never more than its own. */
export function mayGrant(own: readonly string[], wanted: readonly string[]): boolean {
  return own.includes("*") || wanted.every((scope) => own.includes(scope));
}
