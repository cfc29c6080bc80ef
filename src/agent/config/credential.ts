/** The token with which the agent connects; it can be replaced while it runs. */
import { RexecError } from "../../lib/errors.ts";

/** The agent's token, which may be replaced while it runs. Owned by the agent. */
export class Credential {
  #token: string;
  /** The last one with which the server let us in. */
  #proven: string | null = null;
  #outcome: PromiseWithResolvers<void> | null = null;
  /** Ends the connection that stands, or the wait for the next; set by the uplink. */
  onReplace = (): void => {};

  constructor(token: string) {
    this.#token = token;
  }

  get token(): string {
    return this.#token;
  }

  /**
   * Reconnects with another token at once.
   * @returns settles when the server has let us in with it
   * @throws RexecError where the server rejects it: the one of before is used again then; `replaced` where a third one
   * came
   */
  replace(token: string): Promise<void> {
    this.#outcome?.reject(new RexecError("another token came in its place", { code: "replaced" }));
    this.#outcome = Promise.withResolvers();
    this.#token = token;
    this.onReplace();
    return this.#outcome.promise;
  }

  /** The server has let us in. */
  accepted(): void {
    this.#proven = this.#token;
    this.#outcome?.resolve();
    this.#outcome = null;
  }

  /** The server has refused us for good. @returns whether there is an earlier token to go on with */
  refused(error: RexecError): boolean {
    this.#outcome?.reject(error);
    this.#outcome = null;
    if (this.#proven === null || this.#proven === this.#token) return false;
    this.#token = this.#proven;
    return true;
  }
}

/** How long the asker is kept for the outcome, ms. */
const WAIT_MS = 10_000;

/** The answer to `reload-token`. `connected` is false where the server could not be reached in time; it goes on trying. */
export async function reloadToken(credential: Credential, token: string): Promise<{ connected: boolean }> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), WAIT_MS);
  try {
    const accepted = credential.replace(token).then(() => true);
    return { connected: await Promise.race([accepted, late]) };
  } finally {
    clearTimeout(timer);
  }
}
