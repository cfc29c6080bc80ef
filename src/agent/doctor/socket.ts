/** Whether a WebSocket comes through to the server: as the agent itself where that does no harm, else as a stranger. */
import { ask } from "../../lib/ask-version.ts";
import { type Answer, STEP_MS } from "../../lib/finding.ts";
import { type Endpoint, httpUrl } from "../../lib/net.ts";
import { runConnection, TIMES } from "../uplink/connection.ts";

/**
 * Opens the agent's own socket and closes it again. Only while no agent runs: it would be superseded.
 * @param who null to ask for an agent that does not exist: the way is tried, up to the server's refusal
 */
export async function tryWebSocket(
  endpoint: Endpoint,
  who: { token: string; agentId: string } | null,
  signal: AbortSignal,
): Promise<Answer> {
  const agentId = who?.agentId ?? crypto.randomUUID();
  const opened = new AbortController();
  let spoken = "";
  const end = await runConnection(
    {
      endpoint,
      agentId,
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
  if (end.kind !== "refused")
    return { verdict: "failed", detail: `the socket does not open: ${end.reason}`, hint: UPGRADE_HINT };
  const { status } = end;
  // What a Rexec server answers a stranger. The same comes from one whose proxy has made a plain request of it, but
  // for servers that answer those in another way.
  if (who !== null || ![401, 403, 404].includes(status)) return judgeRefusal(status);
  return judgeStranger(status, await plainStatus(endpoint, agentId, signal));
}

// --- internal ---

const UPGRADE_HINT =
  "a proxy on the way must pass the headers Upgrade and Connection, and not cut idle connections " +
  "(nginx: proxy_http_version 1.1, proxy_set_header Upgrade $http_upgrade, proxy_set_header Connection upgrade)";

function judgeStranger(status: number, plain: number): Answer {
  const detail = `the request reaches the server (which answers ${status})`;
  if (plain !== status) return { detail: `${detail} as an upgrade`, value: true };
  return {
    verdict: "warning",
    detail: `${detail}; it answers a plain request alike, so whether upgrades come through cannot be seen from here`,
    hint: "look again once this machine is registered, and while no agent runs",
    value: true,
  };
}

function judgeRefusal(status: number): Answer {
  const detail = `the server answered ${status} to the upgrade`;
  const { why = "", hint } = REFUSALS[status] ?? (status >= 500 ? BROKEN : { hint: UPGRADE_HINT });
  return { verdict: "failed", detail: `${detail}${why}`, hint };
}

const MOVED = {
  why: ": it redirects, which a WebSocket does not follow",
  hint: "give the address that it redirects to as --host (https:// in place of http://, perhaps)",
};
const TOKEN = { why: "", hint: "see the token above" };
const BROKEN = {
  why: ": a proxy does not reach the server behind it, or the server has a problem of its own",
  hint: "is the gateway running, and does the proxy pass requests to its port?",
};
const TAKEN_OFF = { why: ": a proxy took it off", hint: UPGRADE_HINT };
const REFUSALS: Record<number, { why?: string; hint: string } | undefined> = {
  200: { why: ": a proxy took it off, or another page answers", hint: UPGRADE_HINT },
  204: TAKEN_OFF,
  301: MOVED,
  302: MOVED,
  303: MOVED,
  307: MOVED,
  308: MOVED,
  400: TAKEN_OFF,
  401: TOKEN,
  403: TOKEN,
  404: TOKEN,
  407: {
    why: ": a proxy wants a name and a password",
    hint: "give them in HTTPS_PROXY: http://name:password@host:port",
  },
  423: {
    why: ": this machine waits to be accepted",
    hint: "its owner accepts it: rexec ls --pending, rexec accept NAME",
  },
  426: TAKEN_OFF,
  429: { why: ": too many tries", hint: "wait a minute and try again" },
};

/** What the server answers to the same request where it is no upgrade. */
async function plainStatus(endpoint: Endpoint, agentId: string, signal: AbortSignal): Promise<number> {
  const url = httpUrl(endpoint, `/ws/agent/${agentId}`);
  const response = await ask(endpoint, url, signal);
  await response.body?.cancel();
  return response.status;
}
