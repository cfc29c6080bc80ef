/**
 * What is decided while a socket is let in. Between the look-up of its token and the open socket the database is asked
 * more than once; a token that is revoked meanwhile, or an agent that is deleted, is in no list of open sockets yet.
 */
import { ApiError } from "../http/api-error.ts";

export class Admissions {
  readonly #pending = new Set<Admission>();

  /** To be called before the token is looked up, and disposed of once the socket is in the hub's list. */
  begin(): Admission {
    const admission = new Admission(() => this.#pending.delete(admission));
    this.#pending.add(admission);
    return admission;
  }

  tokenRevoked(id: string): void {
    for (const admission of this.#pending) admission.refuse(id, ["token_revoked", "this token was revoked"]);
  }

  agentDeleted(id: string): void {
    for (const admission of this.#pending) admission.refuse(id, ["agent_not_found", "no such agent"]);
  }
}

export class Admission implements Disposable {
  readonly #refused = new Map<string, readonly [code: string, message: string]>();
  readonly #end: () => void;

  constructor(end: () => void) {
    this.#end = end;
  }

  refuse(id: string, why: readonly [code: string, message: string]): void {
    this.#refused.set(id, why);
  }

  /** @throws ApiError 401, 404 where the token or the agent has gone since the admission began */
  check(tokenId: string, agentId?: string): void {
    const token = this.#refused.get(tokenId);
    const agent = agentId === undefined ? undefined : this.#refused.get(agentId);
    if (token) throw new ApiError(401, ...token);
    if (agent) throw new ApiError(404, ...agent);
  }

  [Symbol.dispose](): void {
    this.#end();
  }
}
