/** Join tokens as credentials: what they let do is to register a machine (`access.ts`). */
import { isJoinToken } from "../../protocol/token.ts";
import { endOf, type JoinEnd, type JoinRow } from "../store/joins.ts";
import type { Store } from "../store/store.ts";
import type { Credential, CredentialSource, Principal, Refusal } from "./principal.ts";
import { hashToken } from "./token.ts";

/** The source for `rexec_join_…`. Owned by the authenticator. */
export class JoinSource implements CredentialSource {
  readonly #store: Pick<Store, "joins" | "users">;

  constructor(store: Pick<Store, "joins" | "users">) {
    this.#store = store;
  }

  takes(secret: string): boolean {
    return isJoinToken(secret);
  }

  async find(secret: string): Promise<Principal | Refusal | null> {
    const join = await this.#store.joins.findByHash(hashToken(secret));
    const user = join && (await this.#store.users.get(join.user_id));
    if (!join || !user) return null;
    const principal = { user, credential: credentialOf(join) };
    const end = endOf(join);
    return end === null ? principal : { ...joinRefusal(join, end), whose: principal };
  }
}

/** Why a join token registers nothing any more, for the person at the machine. */
export function joinRefusal({ expires_at, max_uses }: JoinRow, end: JoinEnd): Refusal {
  const machines = max_uses === 1 ? "its one machine" : `its ${max_uses} machines`;
  const words = {
    expired: `this join token expired ${expires_at}`,
    revoked: "this join token was revoked",
    used_up: `this join token has registered ${machines}, and registers no more`,
  };
  return { code: `join_${end}`, message: words[end] };
}

// --- internal ---

function credentialOf(join: JoinRow): Credential {
  return {
    kind: "join",
    id: join.id,
    name: join.description || join.token_prefix,
    scopes: [],
    agentId: null,
    only: [],
    session: null,
    expiresAt: join.expires_at,
  };
}
