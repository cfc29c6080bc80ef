/** Tokens to principals, and principals to what they may do. */
import { timingSafeEqual } from "node:crypto";
import { isJwt } from "../../protocol/token.ts";
import { ApiError } from "../http/api-error.ts";
import type { AgentRow } from "../store/agents.ts";
import type { Store } from "../store/store.ts";
import type { TokenRow } from "../store/tokens.ts";
import type { UserRow } from "../store/users.ts";
import { RateLimit } from "./rate-limit.ts";
import { allows, allowsOwnAgent, type OwnAgentPermission, type Permission } from "./scopes.ts";
import { hashToken } from "./token.ts";

/** The caller of a request: the user, and the token that it sent. */
export interface Principal {
  user: UserRow;
  token: TokenRow;
}

/** `last_used_at` is written at most this often, milliseconds. */
const USED_EVERY_MS = 60_000;

/** Looks tokens up and limits wrong ones per address. One for the gateway. */
export class Authenticator {
  readonly #store: Store;
  readonly #failures: RateLimit;

  constructor(store: Store, failures: RateLimit = new RateLimit()) {
    this.#store = store;
    this.#failures = failures;
  }

  /**
   * Looks the token up. A right one is always let in, even from an address over its limit: 256 random bits cannot be
   * guessed, and one misconfigured agent must not lock out its neighbours behind the same NAT.
   * @throws ApiError 401, 429
   */
  async authenticate(token: string | null, address: string): Promise<Principal> {
    if (token === null) throw unauthorized("token_missing", "no token: send Authorization: Bearer TOKEN");
    const hash = hashToken(token);
    const row = await this.#store.tokens.findByHash(hash);
    if (!row || !sameHash(row.token_hash, hash)) {
      return this.#refuse(
        address,
        "token_unknown",
        isJwt(token) ? "this gateway knows no JWTs: use an API token" : "unknown token",
      );
    }
    if (row.revoked_at !== null) return this.#refuse(address, "token_revoked", "this token was revoked");
    if (isExpired(row)) return this.#refuse(address, "token_expired", `this token expired ${row.expires_at}`);
    const user = await this.#store.users.get(row.user_id);
    if (!user) return this.#refuse(address, "token_unknown", "unknown token");
    await this.#markUsed(row);
    return { user, token: row };
  }

  async #markUsed(row: TokenRow): Promise<void> {
    const now = Date.now();
    if (row.last_used_at !== null && now - Date.parse(row.last_used_at) < USED_EVERY_MS) return;
    await this.#store.tokens.markUsed(row.id, new Date(now).toISOString());
  }

  #refuse(address: string, code: string, message: string): never {
    const seconds = this.#failures.failed(address);
    if (seconds === 0) throw unauthorized(code, message);
    throw new ApiError(429, "too_many_failures", "too many wrong tokens from this address: wait", {
      "Retry-After": String(seconds),
    });
  }
}

/** @throws ApiError 403 */
export function requirePermission({ token }: Principal, permission: Permission): void {
  if (!allows(token.scopes, permission)) throw forbidden(token);
}

/**
 * Lets the owner of an agent pass, and the `agent` token of this very agent.
 * @throws ApiError 403
 */
export function requireAgent(
  { user, token }: Principal,
  agent: AgentRow,
  permission: Permission,
  asAgent: OwnAgentPermission = permission,
): void {
  if (token.agent_id !== null && token.agent_id === agent.id && allowsOwnAgent(token.scopes, asAgent)) return;
  requirePermission({ user, token }, permission);
  if (agent.user_id !== user.id) throw new ApiError(403, "not_yours", "this agent belongs to someone else");
}

/** The one agent that an `agent` token may see; null for a token that sees all of its user's agents. */
export function onlyAgentOf({ token }: Principal): string | null {
  if (token.agent_id === null || !allowsOwnAgent(token.scopes, "agents:read")) return null;
  return allows(token.scopes, "agents:read") ? null : token.agent_id;
}

export function isExpired(token: Pick<TokenRow, "expires_at">, now = Date.now()): boolean {
  return token.expires_at !== null && Date.parse(token.expires_at) <= now;
}

// --- internal ---

function sameHash(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

function unauthorized(code: string, message: string): ApiError {
  return new ApiError(401, code, message, { "WWW-Authenticate": 'Bearer realm="rexec"' });
}

function forbidden({ scopes }: TokenRow): ApiError {
  const what = scopes.includes("agent")
    ? "this is an agent's token: it can connect and describe its own agent, and nothing else"
    : `this token's scopes (${scopes.join(", ") || "none"}) do not allow that`;
  return new ApiError(403, "scope", what);
}
