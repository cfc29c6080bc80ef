/** What the server says: is it a Rexec server, what time is it there, does it take our token and our socket. */

import * as z from "zod/mini";
import { connectionError, HttpError, requestJson } from "../../lib/http.ts";
import { dialOptions, type Endpoint, httpUrl } from "../../lib/net.ts";
import { agentBody, versionBody } from "../../protocol/http.ts";
import { pathSegment } from "../../protocol/path.ts";
import { isJwt, jwtExpiry } from "../../protocol/token.ts";
import { runConnection, TIMES } from "../connection.ts";
import { refusalError } from "../refusal.ts";
import { type Answer, STEP_MS } from "./finding.ts";

/** Who asks, as far as it is known. */
export interface Asker {
  endpoint: Endpoint;
  token: string | null;
  agentId: string | null;
}

/** `GET /api/version`, and the `Date` header of its answer in ms (null where it has none). */
export async function askVersion(endpoint: Endpoint, signal: AbortSignal): Promise<Answer<number | null>> {
  const url = httpUrl(endpoint, "/api/version");
  const { proxy, tls } = dialOptions(endpoint, url);
  const response = await fetch(url, {
    signal,
    redirect: "manual",
    proxy: proxy ? { url: proxy, respectNoProxy: false } : false,
    ...(tls ? { tls } : {}),
  }).catch((error) => {
    throw connectionError(error, url);
  });
  const date = Date.parse(response.headers.get("date") ?? "");
  const value = Number.isNaN(date) ? null : date;
  const body = versionBody.safeParse(await response.json().catch(() => null));
  if (response.ok && body.success) return { detail: `${url.origin} runs Rexec ${body.data.version}`, value };
  const moved = response.headers.get("location");
  const detail = `${url.href} answered ${response.status}${moved ? `, and points to ${moved}` : ""}: no Rexec server`;
  return {
    verdict: "failed",
    detail,
    hint: "check the address; a proxy or a login page may answer in its place",
  };
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
  try {
    const agent = await requestJson({
      endpoint,
      method: "GET",
      token,
      signal,
      timeoutMs: STEP_MS,
      path: `/api/agents/${pathSegment(agentId)}`,
      schema: agentBody,
    });
    const online = agent.status === "online";
    return {
      detail: `"${agent.name}" (${agentId}), ${online ? "online" : "offline"} there`,
      value: { online },
    };
  } catch (error) {
    const status = error instanceof HttpError ? error.status : 0;
    throw refusalError(status, subject(endpoint, agentId, token)) ?? error;
  }
}

/**
 * Opens the agent's own socket and closes it again. Only while no agent runs: it would be superseded.
 * @param who null to ask for an agent that does not exist: the way is tried, up to the server's refusal
 */
export async function tryWebSocket(
  endpoint: Endpoint,
  who: { token: string; agentId: string } | null,
  signal: AbortSignal,
): Promise<Answer> {
  const opened = new AbortController();
  let spoken = "";
  const end = await runConnection(
    {
      endpoint,
      agentId: who?.agentId ?? crypto.randomUUID(),
      token: who?.token ?? "",
      auth: "header",
      about: { name: "doctor", shell: "", distro: undefined },
    },
    {
      opened: (_, isV2) => {
        spoken = isV2 ? "rexec.v2" : "rexec.v1";
        opened.abort();
      },
      text: () => {},
      binary: () => {},
    },
    AbortSignal.any([signal, opened.signal]),
    { ...TIMES, dialMs: STEP_MS },
  );
  if (spoken) return { detail: `opened (${spoken}), and closed again`, value: true };
  if (end.kind === "refused") return judgeRefusal(end.status, who === null);
  return { verdict: "failed", detail: `the socket does not open: ${end.reason}`, hint: UPGRADE_HINT };
}

// --- internal ---

const UPGRADE_HINT =
  "a proxy on the way must pass the headers Upgrade and Connection, and not cut idle connections";

function judgeRefusal(status: number, anonymous: boolean): Answer {
  // What a Rexec server answers whom it does not know: the request has come through as an upgrade.
  const expected = [401, 403, 404].includes(status);
  if (expected && anonymous) return { detail: `the request reaches the server (which answers ${status})` };
  const detail = `the server answered ${status} to the upgrade`;
  if (status === 426)
    return { verdict: "failed", detail: `${detail}: a proxy took it off`, hint: UPGRADE_HINT };
  return { verdict: "failed", detail, hint: expected ? "see the token above" : UPGRADE_HINT };
}

function subject(endpoint: Endpoint, agentId: string | null, token: string) {
  return { host: endpoint.base.origin, agentId: agentId ?? "", token };
}
