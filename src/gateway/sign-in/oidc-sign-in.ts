/** From an identity of the provider to a user of this gateway: its account, its role, its groups. */
import type { Logger } from "../../lib/log.ts";
import type { AuditLog } from "../audit/audit.ts";
import { ApiError } from "../http/api-error.ts";
import { USERS } from "../quotas.ts";
import type { AgentDirectory } from "../sessions/agent-directory.ts";
import type { KnownIdentity } from "../store/oidc-identities.ts";
import type { Store } from "../store/store.ts";
import type { UserRow } from "../store/users.ts";
import { Oidc, type OidcStart } from "./oidc.ts";
import { judge, type OidcIdentity, type OidcProvider, usernameFor } from "./oidc-provider.ts";

/** What signing in at a provider needs of the gateway. */
export interface OidcDeps {
  store: Store;
  directory: AgentDirectory;
  audit: AuditLog;
  logger: Logger;
}

/** Signs users in at the provider that is configured. One for the gateway. */
export class OidcSignIn {
  readonly #oidc: Oidc;
  readonly #deps: OidcDeps;

  constructor(provider: OidcProvider, deps: OidcDeps) {
    this.#oidc = new Oidc(provider, deps.store, deps.logger);
    this.#deps = deps;
  }

  /** On the button. */
  get name(): string {
    return this.#oidc.provider.name;
  }

  /** As `Oidc.begin`. */
  begin(redirectUri: string, next: string, address: string): Promise<OidcStart> {
    return this.#oidc.begin(redirectUri, next, address);
  }

  /**
   * The user of the provider's answer. An unknown one gets an account, where that is allowed; role and groups follow.
   * @throws ApiError 401, 403, 410, 502
   */
  async finish(
    query: string,
    step: string | null,
    address: string,
  ): Promise<{ user: UserRow; next: string }> {
    const { identity, next } = await this.#oidc.finish(query, step);
    const verdict = judge(this.#oidc.provider, identity);
    if (verdict.kind === "refused") throw new ApiError(403, verdict.code, verdict.message);
    const user = await this.#account(identity, verdict.isAdmin ?? false, address);
    if (user.disabled_at !== null)
      throw new ApiError(403, "user_disabled", "this account is disabled: ask an administrator");
    const after = verdict.isAdmin === null ? user : await this.#role(user, verdict.isAdmin, address);
    await this.#groups(after, verdict.groups);
    return { user: after, next };
  }

  // --- internal ---

  async #account(identity: OidcIdentity, isAdmin: boolean, address: string): Promise<UserRow> {
    const { store, audit } = this.#deps;
    const { issuer, subject, email, groups } = identity;
    const known: KnownIdentity = { issuer, subject, email: email ?? "", groups };
    const found = await this.#known(known);
    if (found) return found;
    if (!this.#oidc.provider.createUsers) {
      throw new ApiError(403, "user_unknown", "this account is none of this gateway's: ask an administrator");
    }
    const wish = {
      email: identity.isEmailVerified ? (email ?? "") : "",
      name: identity.name?.slice(0, 128) || undefined,
      isAdmin,
    };
    const made = await store.oidcIdentities.createUser(known, wish, (at) => usernameFor(identity, at), USERS);
    if (made === "known") return (await this.#known(known)) ?? gone();
    if (made === "full")
      throw new ApiError(403, "user_limit_reached", `this gateway has ${USERS} users, and may have no more`);
    if (made === "no_name")
      throw new ApiError(409, "name_taken", "too many users have a name like this: ask an administrator");
    audit.record({
      action: "user.created",
      address,
      target: made.username,
      details: { admin: isAdmin, by: "oidc" },
    });
    return made;
  }

  async #known(identity: KnownIdentity): Promise<UserRow | null> {
    const id = await this.#deps.store.oidcIdentities.seen(identity);
    return id === null ? null : this.#deps.store.users.get(id);
  }

  async #role(user: UserRow, isAdmin: boolean, address: string): Promise<UserRow> {
    if (user.is_admin === isAdmin) return user;
    const { store, directory, audit, logger } = this.#deps;
    const after = await store.users.change(user.id, { isAdmin });
    if (typeof after === "string") {
      logger.warn(`${user.username} stays an administrator, whatever the provider says: ${after}`);
      return user;
    }
    await directory.publish({ type: "access_changed", userId: user.id, agentId: null });
    audit.record({
      action: isAdmin ? "user.promoted" : "user.demoted",
      address,
      target: user.username,
      details: { by: "oidc" },
    });
    return after;
  }

  async #groups(user: UserRow, names: readonly string[]): Promise<void> {
    const { store, directory, logger } = this.#deps;
    const ids: string[] = [];
    for (const name of names) {
      const group = await store.groups.find(name);
      if (group) ids.push(group.id);
      else logger.warn(`the group ${name}, which the provider's groups lead to, does not exist here`);
    }
    await store.groups.signedIn(user.id, ids);
    await directory.publish({ type: "access_changed", userId: user.id, agentId: null });
  }
}

// --- internal ---

function gone(): never {
  throw new ApiError(401, "sign_in_failed", "this account was removed a moment ago");
}
