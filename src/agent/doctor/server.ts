/** What the server says: what time is it there, does it take our token. */
import * as z from "zod/mini";
import { RexecError } from "../../lib/errors.ts";
import { type Answer, STEP_MS } from "../../lib/finding.ts";
import { type ApiRequest, HttpError, requestJson } from "../../lib/http.ts";
import type { Endpoint } from "../../lib/net.ts";
import { agentBody } from "../../protocol/http.ts";
import { pathSegment } from "../../protocol/path.ts";
import { isJwt, jwtExpiry } from "../../protocol/token.ts";
import { refusalError } from "../enroll/refusal.ts";

/** Who asks, as far as it is known. */
export interface Asker {
  endpoint: Endpoint;
  token: string | null;
  agentId: string | null;
}

/** Beyond this a login token and a certificate may be judged wrongly, ms. */
const SKEW_MS = 60_000;

/** How far this machine's clock is from the server's. */
export function judgeClock(serverTime: number | null): Answer {
  if (serverTime === null) return { verdict: "skipped", detail: "the server does not say what time it is" };
  const skew = Date.now() - serverTime;
  const words = `${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? "ahead of" : "behind"} the server's`;
  if (Math.abs(skew) <= SKEW_MS) return { detail: Math.abs(skew) < 2_000 ? "right" : words };
  return {
    verdict: "failed",
    detail: `this machine's clock is ${words}`,
    hint: "set it: timedatectl set-ntp true",
  };
}

/** Does the server take the token? */
export async function tryToken({ endpoint, token, agentId }: Asker, signal: AbortSignal): Promise<Answer> {
  if (!token) return { verdict: "skipped", detail: "none is known: this machine is not registered" };
  const request = { endpoint, method: "GET", token, signal, timeoutMs: STEP_MS } as const;
  try {
    await requestJson({ ...request, path: "/api/tokens/validate", schema: z.unknown() });
  } catch (error) {
    const status = error instanceof HttpError ? error.status : 0;
    // Older servers have no such route.
    if (status !== 404) throw refusalError(status, subject(endpoint, agentId, token)) ?? error;
    await requestJson({ ...request, path: "/api/profile", schema: z.unknown() });
  }
  if (!isJwt(token)) return { detail: "the server takes it", value: true };
  const expiry = jwtExpiry(token);
  const until = expiry === null ? "within 24 hours" : `at ${new Date(expiry).toISOString()}`;
  return {
    verdict: "warning",
    detail: `the server takes it, but it is a login token, which expires ${until}`,
    hint: "put an API token in its place: rexec-agent refresh-token",
    value: true,
  };
}

/** Does the server know this agent? */
export async function tryAgent(asker: Asker, signal: AbortSignal): Promise<Answer<{ online: boolean }>> {
  const { endpoint, token, agentId } = asker;
  if (!token || !agentId) return { verdict: "skipped", detail: "this machine is not registered" };
  const path = `/api/agents/${pathSegment(agentId)}`;
  const request = { endpoint, method: "GET", token, signal, timeoutMs: STEP_MS, path } as const;
  try {
    const agent = await requestJson({ ...request, schema: agentBody });
    const online = (await statusOf(request)) ?? agent.status === "online";
    return {
      detail: `"${agent.name}" (${agentId}), ${online ? "online" : "offline"} there`,
      value: { online },
    };
  } catch (error) {
    const status = error instanceof HttpError ? error.status : 0;
    throw refusalError(status, subject(endpoint, agentId, token)) ?? error;
  }
}

// --- internal ---

/** Some servers call every agent offline but where its status is asked for. Null where they have no such route. */
async function statusOf(request: Omit<ApiRequest<never>, "schema">): Promise<boolean | null> {
  try {
    const schema = z.object({ status: z.string() });
    const { status } = await requestJson({ ...request, path: `${request.path}/status`, schema });
    return status === "online";
  } catch (error) {
    if (error instanceof RexecError) return null;
    throw error;
  }
}

function subject(endpoint: Endpoint, agentId: string | null, token: string) {
  return { host: endpoint.base.origin, agentId: agentId ?? "", token };
}
