/** Shares as credentials: `rexec_share_` and 64 hex digits. */
import { SHARE_PREFIX } from "../../protocol/token.ts";
import type { Store } from "../store/store.ts";
import type { CredentialSource, Principal, Refusal } from "./principal.ts";
import { hashToken } from "./token.ts";

/** The source for the tokens of shares. Owned by the authenticator. */
export class ShareSource implements CredentialSource {
  readonly #store: Pick<Store, "shares" | "users">;

  constructor(store: Pick<Store, "shares" | "users">) {
    this.#store = store;
  }

  takes(secret: string): boolean {
    return secret.startsWith(SHARE_PREFIX);
  }

  /** The caller is the share's maker, with no more than the share allows. */
  async find(secret: string): Promise<Principal | Refusal | null> {
    const share = await this.#store.shares.findByHash(hashToken(secret));
    if (!share) return null;
    if (share.revoked_at !== null) return { code: "share_revoked", message: "this share was revoked" };
    if (Date.parse(share.expires_at) <= Date.now()) {
      return { code: "share_expired", message: `this share expired ${share.expires_at}` };
    }
    const user = await this.#store.users.get(share.user_id);
    if (!user) return null;
    return {
      user,
      credential: {
        kind: "share",
        id: share.id,
        name: share.name,
        scopes: [`share:${share.level}`],
        agentId: share.agent_id,
        only: [],
        session: share.session,
        instance: share.instance,
        expiresAt: share.expires_at,
      },
    };
  }
}
