/** API tokens, and the tokens of agents, as credentials. */
import { timingSafeEqual } from "node:crypto";
import type { Store } from "../store/store.ts";
import type { TokenRow } from "../store/tokens.ts";
import {
  type CredentialSource,
  isExpired,
  type Principal,
  type Refusal,
  tokenCredential,
} from "./principal.ts";
import { hashToken } from "./token.ts";

/** `last_used_at` is written at most this often, milliseconds. */
const USED_EVERY_MS = 60_000;

/** The source for every secret that no other one takes. Owned by the authenticator. */
export class TokenSource implements CredentialSource {
  readonly #store: Pick<Store, "tokens" | "users">;

  constructor(store: Pick<Store, "tokens" | "users">) {
    this.#store = store;
  }

  takes(): boolean {
    return true;
  }

  async find(secret: string): Promise<Principal | Refusal | null> {
    const hash = hashToken(secret);
    const row = await this.#store.tokens.findByHash(hash);
    if (!row || !sameHash(row.token_hash, hash)) return null;
    if (row.revoked_at !== null) return { code: "token_revoked", message: "this token was revoked" };
    if (isExpired(row.expires_at)) {
      return { code: "token_expired", message: `this token expired ${row.expires_at}` };
    }
    const user = await this.#store.users.get(row.user_id);
    if (!user) return null;
    await this.#markUsed(row);
    return { user, credential: tokenCredential(row) };
  }

  async #markUsed({ id, last_used_at }: TokenRow): Promise<void> {
    const now = Date.now();
    if (last_used_at !== null && now - Date.parse(last_used_at) < USED_EVERY_MS) return;
    await this.#store.tokens.markUsed(id, new Date(now).toISOString());
  }
}

// --- internal ---

function sameHash(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
