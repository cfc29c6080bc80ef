/** What tells callers apart and decides what they may do: credentials, rights, and the ways to sign in. */
import type { Logger } from "../lib/log.ts";
import type { AuditLog } from "./audit/audit.ts";
import { Access } from "./auth/access.ts";
import { Authenticator } from "./auth/authenticate.ts";
import { JoinSource } from "./auth/join-source.ts";
import { Passwords } from "./auth/passwords.ts";
import { RateLimit, type RateLimitOptions } from "./auth/rate-limit.ts";
import { SessionSource } from "./auth/session-source.ts";
import { ShareSource } from "./auth/share-source.ts";
import { SESSION_TIMES, type SessionTimes, SignIn } from "./auth/sign-in.ts";
import type { ApiDeps } from "./http/context.ts";
import type { Quotas } from "./quotas.ts";
import type { AgentDirectory } from "./sessions/agent-directory.ts";
import { DeviceFlow, type DeviceFlowLimits } from "./sign-in/device-flow.ts";
import type { OidcProvider } from "./sign-in/oidc-provider.ts";
import { OidcSignIn } from "./sign-in/oidc-sign-in.ts";
import { PasskeySignIn } from "./sign-in/passkeys.ts";
import { SecondFactor } from "./sign-in/totp.ts";
import type { Store } from "./store/store.ts";

/** What `rexec serve` sets of signing in. */
export interface AuthenticationOptions {
  failedLogins?: RateLimitOptions | undefined;
  /** Bounds of sign-ins by a code; default `DEVICE_FLOW`. */
  deviceFlow?: Partial<DeviceFlowLimits> | undefined;
  /** The identity provider that users may sign in at. */
  oidc?: OidcProvider | undefined;
  /** How long browser sessions last; default `SESSION_TIMES`. */
  sessionTimes?: Partial<SessionTimes> | undefined;
}

/** The part of the routes' dependencies that is about callers. Holds nothing that has to be stopped. */
export type Authentication = Pick<
  ApiDeps,
  "authenticator" | "access" | "signIn" | "passwords" | "deviceFlow" | "secondFactor" | "passkeys" | "oidc"
>;

/** What the ways to sign in are made with. */
interface AuthenticationDeps {
  store: Store;
  directory: AgentDirectory;
  audit: AuditLog;
  quotas: Quotas;
  logger: Logger;
}

/** Puts the ways to sign in together. A new kind of credential is a source listed here. */
export function createAuthentication(
  options: AuthenticationOptions,
  { store, directory, audit, quotas, logger }: AuthenticationDeps,
): Authentication {
  const passwords = new Passwords();
  const times = { ...SESSION_TIMES, ...options.sessionTimes };
  const sources = [new SessionSource(store, times), new JoinSource(store), new ShareSource(store)];
  const failures = new RateLimit(options.failedLogins);
  const authenticator = new Authenticator(store, failures, sources, (address, reason, principal) => {
    const action = principal?.credential.kind === "join" ? "join.refused" : "token.refused";
    audit.record({ action, principal, address, details: { reason } });
  });
  return {
    authenticator,
    access: new Access(store),
    signIn: new SignIn({ store, directory, passwords, times }),
    passwords,
    deviceFlow: new DeviceFlow(store, quotas.tokens, options.deviceFlow),
    secondFactor: new SecondFactor(store),
    passkeys: new PasskeySignIn(store),
    oidc: options.oidc ? new OidcSignIn(options.oidc, { store, directory, audit, logger }) : null,
  };
}
