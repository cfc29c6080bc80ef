/**
 * What a token may do. Every route names the one permission that it requires.
 *
 * | scope | may |
 * |---|---|
 * | `*` | everything that its user may, the management of tokens included |
 * | `user` | read, register, change and delete the user's agents, open terminals and run commands |
 * | `read` | read the profile and the agents; no terminal |
 * | `agent` | connect the one agent that it was made for, read it (in lists too), rename it, unregister it; nothing else |
 */
export const SCOPES = ["*", "user", "read", "agent"] as const;
export type Scope = (typeof SCOPES)[number];

/** One kind of thing that a route does. */
export type Permission =
  | "profile:read"
  | "tokens:manage"
  | "agents:read"
  | "agents:write"
  /** Open a terminal or run a command. */
  | "agents:use"
  /** Be the agent at the other end. */
  | "agents:connect";

export function isScope(text: string): text is Scope {
  return SCOPES.some((scope) => scope === text);
}

/** True where one of the scopes gives the permission over all of the user's things. `agent` gives none: see below. */
export function allows(scopes: readonly string[], permission: Permission): boolean {
  return scopes.some((scope) => isScope(scope) && GRANTS[scope].includes(permission));
}

/** What an `agent` token may do with its own agent. */
export function allowsOwnAgent(scopes: readonly string[], permission: OwnAgentPermission): boolean {
  return scopes.includes("agent") && OWN_AGENT.includes(permission);
}

/**
 * `agents:unregister` is a deletion by the agent itself; `agents:describe` a change of its name, description and tags,
 * which is what `rexec-agent register --name` asks for with the token that the machine has.
 */
export type OwnAgentPermission = Permission | "agents:unregister" | "agents:describe";

/** True where a token with the scopes `own` may create one with `wanted`: never more than its own. */
export function mayGrant(own: readonly string[], wanted: readonly string[]): boolean {
  return own.includes("*") || wanted.every((scope) => own.includes(scope));
}

// --- internal ---

const READ: readonly Permission[] = ["profile:read", "agents:read"];
const USER: readonly Permission[] = [...READ, "agents:write", "agents:use", "agents:connect"];
const GRANTS: Record<Scope, readonly Permission[]> = {
  "*": [...USER, "tokens:manage"],
  user: USER,
  read: READ,
  agent: [],
};
const OWN_AGENT: readonly OwnAgentPermission[] = [
  "agents:connect",
  "agents:read",
  "agents:describe",
  "agents:unregister",
];
