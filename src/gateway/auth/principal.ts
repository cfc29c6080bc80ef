/** The caller of a request or a socket: a user, and what the user proved itself with. */
import { tokenPrefix } from "../../protocol/token.ts";
import type { TokenRow } from "../store/tokens.ts";
import type { UserRow } from "../store/users.ts";

/** `token` is an API token or an agent's own one; `session` a browser's sign-in. */
export type CredentialKind = "token" | "session" | "share" | "join";

/** What a request proved itself with. Plain data, as of the moment of the look-up. */
export interface Credential {
  readonly kind: CredentialKind;
  /** The row's id. Sockets that were opened with it are closed once `credential_revoked` is published with it. */
  readonly id: string;
  /** For lists and the audit. */
  readonly name: string;
  readonly scopes: readonly string[];
  /** The one agent of an agent's own token, or of a share. */
  readonly agentId: string | null;
  /** Agents that it is restricted to: ids and `tag:NAME`. Empty for no restriction. */
  readonly only: readonly string[];
  /** The one session of a share. */
  readonly session: string | null;
  /** Of a share: the session's instance, since a session that is started anew under the same name is another one. */
  readonly instance?: string | null;
  /** RFC 3339; null for one that does not expire. */
  readonly expiresAt: string | null;
}

/** The caller of a request: the user, and the credential that it sent. */
export interface Principal {
  readonly user: UserRow;
  readonly credential: Credential;
}

/** Why a secret that was found does not count. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  /** Whose it was, for the audit; left out where the audit is to know the code alone. */
  readonly whose?: Principal;
}

/** Looks up one kind of credential. Owned by the authenticator; methods reject with the store's error. */
export interface CredentialSource {
  /** True for what this kind of secret looks like: at most one source takes it. */
  takes(secret: string): boolean;
  /** Null for an unknown secret. */
  find(secret: string): Promise<Principal | Refusal | null>;
  /** A request was let in with it. @param address the sender's */
  used?(credential: Credential, address: string): Promise<void>;
}

export function isPrincipal(found: Principal | Refusal): found is Principal {
  return "user" in found;
}

/** The credential of an API token. */
export function tokenCredential(row: TokenRow): Credential {
  return {
    kind: "token",
    id: row.id,
    name: row.name || tokenPrefix(row.token_prefix),
    scopes: row.scopes,
    agentId: row.agent_id,
    only: row.only_agents,
    session: null,
    expiresAt: row.expires_at,
  };
}

/**
 * The end of what a caller makes: no later than that of the token that it makes it with. A browser's session ends by its
 * own rules, and what its user makes in it stays.
 */
export function endWithin({ kind, expiresAt }: Credential, wanted: string | null): string | null {
  if (kind !== "token" || expiresAt === null) return wanted;
  return wanted === null || wanted > expiresAt ? expiresAt : wanted;
}

export function isExpired(expiresAt: string | null, now = Date.now()): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= now;
}
