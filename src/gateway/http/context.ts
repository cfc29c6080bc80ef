/** What the routes share. */
import type { Context } from "hono";
import type * as z from "zod/mini";
import { parseJson, reasonOf } from "../../protocol/parse.ts";
import type { AuditLog } from "../audit/audit.ts";
import type { AuditTail } from "../audit/tail.ts";
import type { Access } from "../auth/access.ts";
import type { Authenticator } from "../auth/authenticate.ts";
import { bearerToken } from "../auth/credentials.ts";
import type { Passwords } from "../auth/passwords.ts";
import type { Principal } from "../auth/principal.ts";
import { requireOwnPage } from "../auth/same-origin.ts";
import { sessionCookie } from "../auth/session-cookie.ts";
import type { SignIn } from "../auth/sign-in.ts";
import type { Operations } from "../operations.ts";
import type { Quotas } from "../quotas.ts";
import type { RecordingService } from "../recordings/start.ts";
import type { AgentDirectory } from "../sessions/agent-directory.ts";
import type { DeviceFlow } from "../sign-in/device-flow.ts";
import type { OidcSignIn } from "../sign-in/oidc-sign-in.ts";
import type { PasskeySignIn } from "../sign-in/passkeys.ts";
import type { SecondFactor } from "../sign-in/totp.ts";
import type { AgentRow } from "../store/agents.ts";
import type { Store } from "../store/store.ts";
import { ApiError } from "./api-error.ts";
import type { RequestInfo } from "./request-info.ts";

/** Hono's types: what the server hands in with each request. */
export type Env = { Bindings: RequestInfo };

/** What the routes use of the gateway. Owned by the gateway. */
export interface ApiDeps {
  store: Store;
  directory: AgentDirectory;
  authenticator: Authenticator;
  access: Access;
  audit: AuditLog;
  operations: Operations;
  auditTail: AuditTail;
  quotas: Quotas;
  recordings: RecordingService;
  signIn: SignIn;
  passwords: Passwords;
  deviceFlow: DeviceFlow;
  secondFactor: SecondFactor;
  passkeys: PasskeySignIn;
  /** Null without an identity provider. */
  oidc: OidcSignIn | null;
}

/**
 * The caller, by its bearer token or, without one, by the cookie of its browser. What changes something needs a page of
 * this gateway in the second case.
 * @throws ApiError 401, 403, 429
 */
export async function authenticate(c: Context<Env>, { authenticator }: ApiDeps): Promise<Principal> {
  const { headers, method } = c.req.raw;
  const bearer = bearerToken(headers);
  if (bearer !== null) return authenticator.authenticate(bearer, c.env.address);
  const cookie = sessionCookie(headers, c.env.publicUrl);
  if (cookie !== null && !SAFE_METHODS.has(method)) requireOwnPage(headers, c.env);
  return authenticator.authenticate(cookie, c.env.address);
}

/** The JSON body, checked. @throws ApiError 400 */
export async function readBody<T>(c: Context<Env>, schema: z.ZodMiniType<T>): Promise<T> {
  const json = parseJson(await c.req.text());
  if (!json.ok) throw new ApiError(400, "bad_json", json.reason);
  const parsed = schema.safeParse(json.value);
  if (!parsed.success) throw new ApiError(400, "bad_body", reasonOf(parsed.error));
  return parsed.data;
}

/** @throws ApiError 404 */
export async function findAgent(store: Store, id: string): Promise<AgentRow> {
  const agent = ID.test(id) ? await store.agents.get(id.toLowerCase()) : null;
  if (!agent) throw new ApiError(404, "agent_not_found", "no such agent");
  return agent;
}

/** True for what our ids look like. */
export function isId(text: string): boolean {
  return ID.test(text);
}

// --- internal ---

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
