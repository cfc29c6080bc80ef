/** A server whose every word is hostile: it speaks the protocol well enough to be shown, and then says such things. */
import type { Server } from "bun";
import { encodeControl, type OpenerMessage, parseOpener } from "../../src/protocol/v2/control.ts";

/** Moves the cursor, names the window, forges a line, turns the reading order round, and hides letters. */
export const NASTY =
  "evil\x1b[2J\x1b]0;owned\x07\x9b31m\x7f\u202e\u2066\u200f\u061c\u200b\ufeff\u{e0041}\u2028\u2029\ud800\r\nFORGED\rFORGED\bx";

/** What may be raw in what our programs print: letters and the ends of our own lines. */
export const RAW =
  /[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\u{e0000}-\u{e0fff}]/u;

export const AGENT_ID = "11111111-2222-4333-8444-555555555555";
const NOW = Date.now();

/** How it behaves. */
export interface Manner {
  /** Instead of an answer of the API. */
  api?: (url: URL, request: Request) => Response | null;
  /** What it does with a viewer's or an agent's socket. */
  socket?: (socket: Bun.ServerWebSocket<string>, message: OpenerMessage | null, text: string) => void;
  protocol?: "rexec.v1" | "rexec.v2";
  /** A name that can be typed where another one is not asked for. */
  name?: string;
  online?: boolean;
}

export class WordsServer implements AsyncDisposable {
  readonly #http: Server<string>;
  readonly #manner: Manner;

  constructor(manner: Manner) {
    this.#manner = manner;
    this.#http = Bun.serve<string>({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => this.#fetch(request, server),
      websocket: {
        open: (socket) => {
          if (socket.data === "rexec.v1") manner.socket?.(socket, null, "");
        },
        message: (socket, text) => {
          if (typeof text !== "string") return;
          const parsed = parseOpener(text);
          manner.socket?.(socket, parsed.ok ? parsed.value : null, text);
        },
      },
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#http.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http.stop(true);
  }

  // --- internal ---

  #fetch(request: Request, server: Server<string>): Response | undefined {
    const url = new URL(request.url);
    if (request.headers.get("upgrade") === "websocket") {
      if (this.#manner.online === false) return Response.json({ error: NASTY }, { status: 404 });
      const protocol = this.#manner.protocol ?? "rexec.v2";
      const headers = { "Sec-WebSocket-Protocol": protocol };
      if (server.upgrade(request, { data: protocol, headers })) return undefined;
      return new Response("no", { status: 400 });
    }
    return this.#manner.api?.(url, request) ?? Response.json(this.#answer(url, request));
  }

  #answer({ pathname, searchParams }: URL, request: Request): unknown {
    const name = this.#manner.name ?? "";
    if (pathname === "/api/agents") {
      if (searchParams.has("pending")) {
        return [NASTY, `${NASTY}2`, "box"].map((one) => ({ ...agentOf(one, AGENT_ID), pending: true }));
      }
      // Two of a beginning, so that "evil" is not clear; and the one that is asked for.
      return [
        agentOf(NASTY, "22222222"),
        agentOf(`${NASTY}2`, "33333333"),
        agentOf(`box${name}`, AGENT_ID, this.#manner.online),
      ];
    }
    if (pathname.startsWith("/api/account/sessions")) {
      const browser = {
        method: NASTY,
        address: NASTY,
        user_agent: NASTY,
        created_at: NASTY,
        last_seen_at: NASTY,
      };
      return {
        ended: 1,
        sessions: [
          { id: `evil${NASTY}`, ...browser },
          { id: "22222222", ...browser },
        ],
      };
    }
    if (pathname.startsWith("/api/device/")) return deviceAnswer(pathname);
    if (pathname === "/api/account/factors") return { totp: true, recovery_codes_left: 3, passkeys: 1 };
    if (pathname === "/api/account/totp") return { secret: NASTY, uri: NASTY, svg: NASTY };
    if (/^\/api\/account\/(totp\/confirm|recovery-codes)$/.test(pathname)) return { recovery_codes: [NASTY] };
    if (pathname.endsWith("/sessions"))
      return { sessions: [sessionOf(NASTY), sessionOf(`${NASTY}2`), sessionOf("main")] };
    if (pathname.endsWith("/shares") && request.method === "GET") return { shares: [shareOf()] };
    if (pathname.endsWith("/shares")) return { ...shareOf(), token: NASTY, link: NASTY };
    if (pathname === "/api/share") return shareOf();
    if (pathname.endsWith("/viewers")) return { viewers: [viewerOf()] };
    if (pathname.endsWith("/control")) return { mode: "only", name: NASTY };
    if (pathname.endsWith("/kick")) return { closed: 1, revoked: 1, kept: 1 };
    if (pathname === "/api/agents/register") {
      return { id: AGENT_ID, name: NASTY, token: `rexec_${"ab".repeat(32)}`, warning: NASTY };
    }
    if (pathname === "/api/tokens/validate") {
      return { valid: true, user_id: NASTY, username: NASTY, email: NASTY, tier: NASTY, scopes: [NASTY] };
    }
    if (pathname === "/api/tokens" && request.method === "GET") return { tokens: [tokenOf()] };
    if (pathname === "/api/tokens") return { ...tokenOf(), token: NASTY };
    if (pathname === "/api/grants" && request.method === "GET") return { grants: [grantOf()] };
    if (pathname === "/api/groups" && request.method === "GET") {
      return { groups: [{ id: NASTY, name: NASTY, members: [NASTY] }] };
    }
    if (pathname === "/api/users" && request.method === "GET") return { users: [userOf(NASTY), userOf("x")] };
    if (pathname.startsWith("/api/users") && request.method !== "DELETE") return userOf(NASTY);
    if (pathname.startsWith("/api/users")) return { agents: 2, transferred_to: NASTY };
    if (pathname === "/api/account") return { user: userOf(NASTY), has_password: false };
    if (pathname === "/api/invites") {
      const invite = { id: `evil${NASTY}`, name: NASTY, email: NASTY, created_at: NASTY, expires_at: NASTY };
      if (request.method === "GET") return { invites: [invite, { ...invite, used_at: NASTY }] };
      return { ...invite, url: NASTY };
    }
    const other = joinAnswer(pathname, request) ?? auditAnswer(pathname) ?? recordingAnswer(pathname);
    if (other) return other;
    if (pathname === "/api/version") return { version: NASTY, build: NASTY, agent_version: NASTY };
    if (pathname.startsWith("/api/agents/") && request.method !== "DELETE") {
      return agentOf(`box${name}`, AGENT_ID, this.#manner.online);
    }
    return { error: NASTY, message: NASTY, ok: true };
  }
}

/** The first message of a socket is answered so. */
export function refusing(socket: Bun.ServerWebSocket<string>, message: OpenerMessage | null): void {
  if (message?.type !== "attach" && message?.type !== "run") return;
  socket.send(encodeControl({ type: "refused", channel: message.channel, code: "failed", message: NASTY }));
}

// --- internal ---

/** Of a sign-in by a code: what asks, and what the CLI shows. */
function deviceAnswer(pathname: string) {
  if (pathname !== "/api/device/code") return { client: NASTY, address: NASTY, scopes: [NASTY] };
  const codes = { device_code: NASTY, user_code: NASTY, verification_uri: NASTY };
  return { ...codes, expires_in: 60, interval: 600 };
}

function joinAnswer(pathname: string, request: Request) {
  if (!pathname.startsWith("/api/joins")) return null;
  const words = { description: NASTY, token_prefix: NASTY, tags: [NASTY], name_pattern: NASTY, state: NASTY };
  const join = {
    id: `22222222${NASTY}`,
    ...words,
    created_at: NASTY,
    expires_at: NASTY,
    last_used_at: NASTY,
  };
  if (request.method !== "GET") return { ...join, token: NASTY, url: NASTY };
  return { joins: [join, { ...join, id: `33333333${NASTY}`, ephemeral: true, approve: true }] };
}

function auditAnswer(pathname: string) {
  if (pathname !== "/api/audit") return null;
  const named = { id: NASTY, name: NASTY };
  const where = { address: NASTY, session: NASTY, target: NASTY, owner_id: NASTY };
  const entry = { chain: NASTY, seq: 1, id: NASTY, at: NASTY, action: NASTY, ...where };
  const rest = { user: named, credential: named, agent: named, prev_hash: NASTY, hash: NASTY };
  return { entries: [{ ...entry, ...rest, details: { [NASTY]: NASTY, list: [NASTY, { [NASTY]: NASTY }] } }] };
}

function recordingAnswer(pathname: string) {
  if (pathname.endsWith("/recording")) return { message: NASTY };
  if (pathname.endsWith("/recording-policy")) return policyOf();
  if (pathname === "/api/recording-policies") return { ...policyOf(), policies: [policyOf()] };
  if (pathname.endsWith("/cast")) return [NASTY];
  if (pathname !== "/api/recordings") return null;
  return {
    recordings: [recordingOf(`${NASTY}first`), recordingOf(`${NASTY}second-t`), recordingOf("last-t")],
  };
}

function policyOf() {
  return { id: NASTY, kind: NASTY, target: NASTY, name: NASTY, mode: NASTY, input: true };
}

function recordingOf(id: string) {
  const words = { user: NASTY, session: NASTY, instance: NASTY, kind: NASTY, command: NASTY, reason: NASTY };
  const times = { started_at: NASTY, ended_at: NASTY, duration: 3 };
  const counts = { part: 2, bytes: 3, exit_code: 1, cols: 80, rows: 24 };
  const agent = { id: AGENT_ID, name: NASTY };
  const rest = { state: NASTY, note: NASTY, cut: { bytes: 1, reason: NASTY }, signal: NASTY };
  return { id, agent, ...words, ...times, ...counts, ...rest };
}

function tokenOf() {
  return {
    id: NASTY,
    name: `evil${NASTY}`,
    token_prefix: NASTY,
    scopes: [NASTY],
    only_agents: [NASTY],
    created_at: NASTY,
    last_used_at: NASTY,
    expires_at: NASTY,
  };
}

function grantOf() {
  return {
    id: `${NASTY}evil`,
    user: NASTY,
    target: NASTY,
    agent_name: NASTY,
    level: NASTY,
    created_at: NASTY,
  };
}

function shareOf() {
  return {
    id: NASTY,
    name: NASTY,
    level: "view",
    session: NASTY,
    agent: { id: AGENT_ID, name: NASTY },
    by: NASTY,
    state: NASTY,
    created_at: NASTY,
    expires_at: NASTY,
    last_used_at: NASTY,
    uses: 3,
  };
}

function viewerOf() {
  return {
    id: NASTY,
    user: NASTY,
    address: NASTY,
    since: NASTY,
    protocol: NASTY,
    access: NASTY,
    sessions: [NASTY],
    controls: [],
  };
}

function agentOf(name: string, id: string, online = true) {
  return {
    id,
    name,
    os: NASTY,
    arch: NASTY,
    shell: NASTY,
    description: NASTY,
    tags: [NASTY],
    status: online ? "online" : NASTY,
    created_at: NASTY,
    last_ping: NASTY,
  };
}

function userOf(username: string) {
  return { id: NASTY, username, name: NASTY, email: NASTY, created_at: NASTY, disabled_at: NASTY };
}

function sessionOf(session: string) {
  return {
    session,
    instance: crypto.randomUUID(),
    kind: "shell",
    command: NASTY,
    started_at: NOW,
    last_output_at: null,
    ended_at: session.endsWith("2") ? NOW : null,
    exit_code: null,
    signal: session.endsWith("2") ? NASTY : null,
    bytes: 0,
    cols: 80,
    rows: 24,
    viewers: 1,
  };
}
