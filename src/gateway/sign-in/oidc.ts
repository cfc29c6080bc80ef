/**
 * Sign-in at an identity provider (OpenID Connect): discovery, the code flow with PKCE, state and nonce. What the browser
 * has to bring back is bound to it by a cookie, so that no other browser's answer counts.
 */
import type * as Client from "openid-client";
import * as z from "zod/mini";
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { bareHost, isLoopback } from "../../lib/proxy.ts";
import { LENGTHS } from "../../protocol/values.ts";
import { RateLimit, type RateLimitOptions } from "../auth/rate-limit.ts";
import { ApiError } from "../http/api-error.ts";
import type { Store } from "../store/store.ts";
import { GROUP_LENGTH, GROUPS_READ, type OidcIdentity, type OidcProvider } from "./oidc-provider.ts";
import { isStepSecret } from "./step-secret.ts";

/** How long a person may take at the provider. */
const LIFETIME_MS = 10 * 60_000;
/** The provider's answers take at most so long, seconds. */
const TIMEOUT_S = 10;
/** What discovery found is asked for anew after so long. */
const DISCOVERY_MS = 60 * 60_000;
/** Characters of an answer's address. */
const ANSWER_LENGTH = 8_192;

/** New sign-ins of one address. */
const BEGINNINGS: RateLimitOptions = { burst: 20, refillMs: 3_000, maxAddresses: 10_000 };

/** Where the browser goes, and what it has to bring back in a cookie. */
export interface OidcStart {
  url: string;
  step: string;
  /** Seconds. */
  maxAge: number;
}

const stepData = z.object({
  verifier: z.string(),
  state: z.string(),
  nonce: z.string(),
  redirectUri: z.string(),
  next: z.string(),
});

const claim = z.catch(z.optional(z.string().check(z.maxLength(LENGTHS.email))), undefined);
const claims = z.looseObject({
  email: claim,
  // Some providers send text.
  email_verified: z.catch(z.optional(z.union([z.boolean(), z.string()])), undefined),
  preferred_username: claim,
  name: claim,
});

/** Signs in at the one provider that is configured. One for the gateway. */
export class Oidc {
  readonly provider: OidcProvider;
  readonly #store: Pick<Store, "signInSteps">;
  readonly #logger: Logger;
  readonly #beginnings = new RateLimit(BEGINNINGS);
  #found: { config: Promise<Client.Configuration>; at: number } | null = null;

  constructor(provider: OidcProvider, store: Pick<Store, "signInSteps">, logger: Logger) {
    this.provider = provider;
    this.#store = store;
    this.#logger = logger;
  }

  /**
   * Begins a sign-in.
   * @param redirectUri the page of this gateway that the provider sends the browser back to
   * @param next where the browser goes in the end
   * @throws ApiError 429, 502 where the provider cannot be reached, 503
   */
  async begin(redirectUri: string, next: string, address: string): Promise<OidcStart> {
    const seconds = this.#beginnings.failed(address);
    if (seconds > 0) {
      throw new ApiError(429, "too_many_attempts", "too many sign-ins from this address: wait", {
        "Retry-After": String(seconds),
      });
    }
    const client = await import("openid-client");
    const config = await this.#configuration();
    const verifier = client.randomPKCECodeVerifier();
    const [state, nonce] = [client.randomState(), client.randomNonce()];
    const step = await this.#store.signInSteps.create(
      "oidc",
      null,
      { verifier, state, nonce, redirectUri, next },
      LIFETIME_MS,
    );
    if (step === null) {
      const message = "too many people are signing in at this moment: try again";
      throw new ApiError(503, "busy", message, { "Retry-After": "60" });
    }
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: ["openid", ...this.provider.scopes].join(" "),
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
      nonce,
    });
    return { url: url.href, step, maxAge: LIFETIME_MS / 1000 };
  }

  /**
   * Checks the provider's answer, which counts once.
   * @param query of the address that the provider sent the browser to
   * @param step of the browser's cookie
   * @throws ApiError 401 `sign_in_failed`, 410 `sign_in_expired`, 502
   */
  async finish(query: string, step: string | null): Promise<{ identity: OidcIdentity; next: string }> {
    const used = step !== null && isStepSecret(step) ? await this.#store.signInSteps.use("oidc", step) : null;
    const data = used && stepData.safeParse(used.data);
    if (!data?.success || query.length > ANSWER_LENGTH) {
      const message = "this sign-in was used, has expired, or began in another browser: begin again";
      throw new ApiError(410, "sign_in_expired", message);
    }
    const { verifier, state, nonce, redirectUri, next } = data.data;
    const client = await import("openid-client");
    const config = await this.#configuration();
    const url = new URL(redirectUri);
    url.search = query;
    try {
      const tokens = await client.authorizationCodeGrant(config, url, {
        pkceCodeVerifier: verifier,
        expectedState: state,
        expectedNonce: nonce,
        idTokenExpected: true,
      });
      const said = tokens.claims();
      if (!said) throw new Error("the provider sent no ID token");
      return { identity: await this.#identity(client, config, said, tokens.access_token), next };
    } catch (error) {
      // The reason is the operator's, not the visitor's: it may quote the answer.
      this.#logger.warn(`a sign-in at ${this.provider.issuer} failed: ${reasonOf(error)}`);
      const message = `${this.provider.name} did not confirm this sign-in: try again`;
      throw new ApiError(401, "sign_in_failed", message);
    }
  }

  // --- internal ---

  /** Groups and the address may be in the ID token, or at the provider's userinfo alone. */
  async #identity(
    client: typeof Client,
    config: Client.Configuration,
    idToken: Client.IDToken,
    accessToken: string,
  ): Promise<OidcIdentity> {
    const { groupsClaim } = this.provider;
    const isWhole = idToken.email !== undefined && idToken[groupsClaim] !== undefined;
    const hasMore = config.serverMetadata().userinfo_endpoint !== undefined;
    const more = isWhole || !hasMore ? {} : await client.fetchUserInfo(config, accessToken, idToken.sub);
    const said: Record<string, unknown> = { ...more, ...idToken };
    const { email, email_verified, preferred_username, name } = claims.parse(said);
    return {
      issuer: idToken.iss,
      subject: idToken.sub,
      email: email?.toLowerCase() || null,
      isEmailVerified: email_verified === true || email_verified === "true",
      username: preferred_username || null,
      name: name || null,
      groups: groupsOf(said[groupsClaim]),
    };
  }

  /** @throws ApiError 502 */
  async #configuration(): Promise<Client.Configuration> {
    if (!this.#found || performance.now() - this.#found.at > DISCOVERY_MS) {
      this.#found = { config: this.#discover(), at: performance.now() };
    }
    const found = this.#found;
    try {
      return await found.config;
    } catch (error) {
      if (this.#found === found) this.#found = null;
      this.#logger.error(`cannot reach ${this.provider.issuer}: ${reasonOf(error)}`);
      throw new ApiError(
        502,
        "provider_unreachable",
        `${this.provider.name} cannot be reached: try again later`,
      );
    }
  }

  async #discover(): Promise<Client.Configuration> {
    const client = await import("openid-client");
    const { issuer, clientId, clientSecret } = this.provider;
    const server = new URL(issuer);
    const isLocal = server.protocol === "http:" && isLoopback(bareHost(server));
    const execute = isLocal ? [client.allowInsecureRequests] : [];
    const found = await client.discovery(server, clientId, {}, client.None(), {
      timeout: TIMEOUT_S,
      execute,
    });
    if (clientSecret === null) return found;
    // How a client proves its secret is the provider's choice; RFC 8414 has this default.
    const methods = found.serverMetadata().token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
    const proof = methods.includes("client_secret_basic")
      ? client.ClientSecretBasic
      : client.ClientSecretPost;
    const config = new client.Configuration(found.serverMetadata(), clientId, {}, proof(clientSecret));
    config.timeout = TIMEOUT_S;
    if (isLocal) client.allowInsecureRequests(config);
    return config;
  }
}

// --- internal ---

function groupsOf(value: unknown): string[] {
  const listed =
    typeof value === "string" ? [value] : Array.isArray(value) ? value.slice(0, GROUPS_READ) : [];
  return listed.filter(
    (group): group is string => typeof group === "string" && group !== "" && group.length <= GROUP_LENGTH,
  );
}

/** Without the answer that the library keeps in `cause`. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
  return `${messageOf(error).slice(0, 300)}${code}`;
}
