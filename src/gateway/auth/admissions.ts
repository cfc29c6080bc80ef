/**
 * Sockets between the look-up of their token and their place in the hub's list. The database is asked more than once in
 * that time: a token that is revoked then, an agent that is deleted or a right that is taken away would have no open
 * socket to close yet.
 */
import { ApiError } from "../http/api-error.ts";

/** The admissions that are pending. One for the gateway. */
export class Admissions {
  readonly #pending = new Set<Admission>();

  /** Call it before the token is looked up. Dispose of the result once the socket is in the hub's list. */
  begin(): Admission {
    const admission = new Admission(() => this.#pending.delete(admission));
    this.#pending.add(admission);
    return admission;
  }

  credentialRevoked(id: string): void {
    for (const admission of this.#pending) admission.refuse(id, ["token_revoked", "this token was revoked"]);
  }

  accessChanged(): void {
    for (const admission of this.#pending) admission.rightsChanged = true;
  }

  agentDeleted(id: string): void {
    for (const admission of this.#pending) admission.refuse(id, ["agent_not_found", "no such agent"]);
  }
}

/** One socket on its way in. Owned by the upgrade that began it, until it is disposed of. */
export class Admission implements Disposable {
  /** Rights have changed since it began: the socket is to be checked again once it is open. */
  rightsChanged = false;
  readonly #refused = new Map<string, readonly [code: string, message: string]>();
  readonly #end: () => void;

  constructor(end: () => void) {
    this.#end = end;
  }

  refuse(id: string, why: readonly [code: string, message: string]): void {
    this.#refused.set(id, why);
  }

  /** @throws ApiError 401, 404 where the token or the agent has gone since the admission began */
  check(credentialId: string, agentId?: string): void {
    const token = this.#refused.get(credentialId);
    const agent = agentId === undefined ? undefined : this.#refused.get(agentId);
    if (token) throw new ApiError(401, ...token);
    if (agent) throw new ApiError(404, ...agent);
  }

  [Symbol.dispose](): void {
    this.#end();
  }
}
