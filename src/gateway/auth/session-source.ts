/** Browser sessions as credentials. */

import type { SignInSessionRow } from "../store/sign-in-sessions.ts";
import type { Store } from "../store/store.ts";
import {
  type Credential,
  type CredentialSource,
  isExpired,
  type Principal,
  type Refusal,
} from "./principal.ts";
import { isSessionSecret } from "./secrets.ts";
import { idleSince, type SessionTimes } from "./sign-in.ts";
import { hashToken } from "./token.ts";

/** `last_seen_at` is written at most this often, milliseconds. */
const SEEN_EVERY_MS = 60_000;

/** The source for the secrets of cookies. Owned by the authenticator. */
export class SessionSource implements CredentialSource {
  readonly #store: Pick<Store, "signInSessions" | "users">;
  readonly #times: SessionTimes;
  /** The row that a credential was made of. */
  readonly #rows = new WeakMap<Credential, SignInSessionRow>();

  constructor(store: Pick<Store, "signInSessions" | "users">, times: SessionTimes) {
    this.#store = store;
    this.#times = times;
  }

  takes(secret: string): boolean {
    return isSessionSecret(secret);
  }

  async find(secret: string): Promise<Principal | Refusal | null> {
    const row = await this.#store.signInSessions.findByHash(hashToken(secret));
    if (!row) return null;
    if (row.revoked_at !== null)
      return { code: "session_ended", message: "this session was ended: sign in again" };
    if (isExpired(row.expires_at) || row.last_seen_at <= idleSince(this.#times)) {
      return { code: "session_expired", message: "this session has expired: sign in again" };
    }
    const user = await this.#store.users.get(row.user_id);
    if (!user) return null;
    const credential = sessionCredential(row);
    this.#rows.set(credential, row);
    return { user, credential };
  }

  async used(credential: Credential, address: string): Promise<void> {
    const row = this.#rows.get(credential);
    const now = Date.now();
    // A session with a short idle time would end between two notes.
    const everyMs = Math.min(SEEN_EVERY_MS, this.#times.idleMs / 4);
    if (!row || now - Date.parse(row.last_seen_at) < everyMs) return;
    await this.#store.signInSessions.markSeen(row.id, new Date(now).toISOString(), address);
  }
}

/** The credential of a browser's session: it may do all that its user may. */
export function sessionCredential({ id, expires_at }: SignInSessionRow): Credential {
  return {
    kind: "session",
    id,
    name: "browser session",
    scopes: ["*"],
    agentId: null,
    only: [],
    session: null,
    expiresAt: expires_at,
  };
}
