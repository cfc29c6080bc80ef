/** Finds the caller of a secret, whatever kind of credential it is. */
import { isJwt } from "../../protocol/token.ts";
import { ApiError } from "../http/api-error.ts";
import type { Store } from "../store/store.ts";
import { type CredentialSource, isPrincipal, type Principal } from "./principal.ts";
import { RateLimit } from "./rate-limit.ts";
import { TokenSource } from "./token-source.ts";

/** Looks secrets up and limits wrong ones per address. One for the gateway. */
export class Authenticator {
  readonly #failures: RateLimit;
  readonly #onFailure: (address: string, code: string, whose?: Principal) => void;
  /** The last one takes every secret. */
  readonly #sources: readonly CredentialSource[];

  /**
   * @param sources of the other kinds of credential
   * @param onFailure told of each refused secret, not of missing ones; it may not throw
   */
  constructor(
    store: Pick<Store, "tokens" | "users">,
    failures: RateLimit = new RateLimit(),
    sources: readonly CredentialSource[] = [],
    onFailure: (address: string, code: string, whose?: Principal) => void = () => {},
  ) {
    this.#failures = failures;
    this.#onFailure = onFailure;
    this.#sources = [...sources, new TokenSource(store)];
  }

  /**
   * Looks the secret up. A right one is always let in, even from an address over its limit: 256 random bits cannot be
   * guessed, and one misconfigured agent must not lock out its neighbours behind the same NAT.
   * @throws ApiError 401, 429
   */
  async authenticate(secret: string | null, address: string): Promise<Principal> {
    if (secret === null) throw unauthorized("token_missing", "no token: send Authorization: Bearer TOKEN");
    const source = this.#sources.find((each) => each.takes(secret));
    const found = (await source?.find(secret)) ?? null;
    if (found === null) {
      const message = isJwt(secret) ? "this gateway knows no JWTs: use an API token" : "unknown token";
      return this.#refuse(address, "token_unknown", message);
    }
    if (!isPrincipal(found)) return this.#refuse(address, found.code, found.message, found.whose);
    if (found.user.disabled_at !== null && !isAgentsOwn(found)) {
      return this.#refuse(address, "user_disabled", "the account of this token is disabled");
    }
    await source?.used?.(found.credential, address);
    return found;
  }

  #refuse(address: string, code: string, message: string, whose?: Principal): never {
    this.#onFailure(address, code, whose);
    const seconds = this.#failures.failed(address);
    if (seconds === 0) throw unauthorized(code, message);
    throw new ApiError(429, "too_many_failures", "too many wrong tokens from this address: wait", {
      "Retry-After": String(seconds),
    });
  }
}

// --- internal ---

/** An agent of a disabled user goes on: it is a machine that others may need. */
function isAgentsOwn({ credential }: Principal): boolean {
  return credential.kind === "token" && credential.agentId !== null && credential.scopes.includes("agent");
}

function unauthorized(code: string, message: string): ApiError {
  return new ApiError(401, code, message, { "WWW-Authenticate": 'Bearer realm="rexec"' });
}
