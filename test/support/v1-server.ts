/**
 * A Rexec server as the contract describes a public one, in miniature: registration, the agent socket, and a state
 * that folds what the agent says. A test drives it and may make it say anything.
 */
import type { Server, ServerWebSocket } from "bun";
import { decodeBytes } from "../../src/protocol/bytes.ts";
import type { ExecResult } from "../../src/protocol/v1.ts";
import { until } from "./wait.ts";

export interface V1ServerOptions {
  /** What the server does with a request before anything else; null for the usual. */
  intercept?(request: Request, url: URL): Response | Promise<Response> | null;
  tls?: { cert: string; key: string };
  port?: number;
  hostname?: string;
}

/** One session as the agent reports it. */
export interface Folded {
  chunks: Uint8Array[];
  bytes: number;
  /** Messages that end inside a UTF-8 sequence; there must be none. */
  broken: number;
  state: "starting" | "started" | "stopped" | "error";
  exitCode: number | null;
  signal: string | null;
  error: string | null;
}

type Socket = ServerWebSocket<{ auth: "header" | "query" }>;

export class V1Server {
  readonly token = `rexec_${"ab".repeat(32)}`;
  readonly agentToken = `rexec_${"cd".repeat(32)}`;
  readonly agentId = "11111111-2222-3333-4444-555555555555";
  readonly requests: { method: string; path: string; headers: Headers; body: string }[] = [];
  readonly types: string[] = [];
  readonly sessions = new Map<string, Folded>();
  readonly results: ExecResult[] = [];
  /** Every connection that was opened, in order. */
  connections = 0;
  socket: Socket | null = null;
  closed: { code: number; reason: string }[] = [];
  /** Keep the bytes of the output (otherwise only its hash and length). */
  keepOutput = true;
  readonly hashes = new Map<string, Bun.CryptoHasher>();
  readonly #server: Server<{ auth: "header" | "query" }>;
  readonly #options: V1ServerOptions;
  readonly #decoders = new TextDecoder("utf-8", { fatal: true });

  constructor(options: V1ServerOptions = {}) {
    this.#options = options;
    this.#server = Bun.serve<{ auth: "header" | "query" }>({
      port: options.port ?? 0,
      hostname: options.hostname ?? "127.0.0.1",
      ...(options.tls ? { tls: options.tls } : {}),
      fetch: (request, server) => this.#fetch(request, server),
      websocket: {
        perMessageDeflate: true,
        maxPayloadLength: 256 * 1024 * 1024,
        sendPings: false,
        idleTimeout: 0,
        backpressureLimit: 512 * 1024 * 1024,
        open: (socket) => {
          this.connections += 1;
          this.socket = socket;
        },
        message: (_, text) => this.#message(String(text)),
        close: (socket, code, reason) => {
          this.closed.push({ code, reason });
          if (this.socket === socket) this.socket = null;
        },
      },
    });
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  get url(): string {
    return `${this.#options.tls ? "https" : "http"}://127.0.0.1:${this.port}`;
  }

  send(type: string, data?: unknown): void {
    this.raw(JSON.stringify({ type, data }));
  }

  raw(frame: string | Uint8Array): void {
    if (!this.socket) throw new Error("no agent is connected");
    this.socket.send(frame);
  }

  start(sessionId = "main", isNew = false): void {
    this.send("shell_start", { session_id: sessionId, new_session: isNew });
  }

  /** Types into a session. */
  type(text: string | Uint8Array, sessionId = "main"): void {
    this.send("shell_input", { session_id: sessionId, data: Buffer.from(text).toString("base64") });
  }

  /** What a session printed, as text. */
  output(sessionId = "main"): string {
    return Buffer.concat(this.sessions.get(sessionId)?.chunks ?? []).toString("utf8");
  }

  session(sessionId = "main"): Folded | undefined {
    return this.sessions.get(sessionId);
  }

  connected(count = 1, ms = 5_000): Promise<true> {
    return until(
      () => this.connections >= count && this.socket !== null,
      ms,
      `connection ${count} of the agent`,
    );
  }

  printed(text: string | RegExp, sessionId = "main", ms = 10_000): Promise<true> {
    const has = () =>
      typeof text === "string" ? this.output(sessionId).includes(text) : text.test(this.output(sessionId));
    return until(
      has,
      ms,
      `${text} from session ${sessionId}; it printed ${JSON.stringify(this.output(sessionId).slice(-300))}`,
    );
  }

  reached(state: Folded["state"], sessionId = "main", ms = 10_000): Promise<Folded> {
    return until(
      () => {
        const session = this.sessions.get(sessionId);
        return session?.state === state ? session : null;
      },
      ms,
      `session ${sessionId} to be ${state}`,
    );
  }

  /** Runs a command and gives its result. */
  async exec(data: Record<string, unknown>, ms = 10_000): Promise<ExecResult> {
    const before = this.results.length;
    this.send("exec", data);
    return until(
      () => this.results[before] ?? null,
      ms,
      `the result of ${JSON.stringify(data).slice(0, 100)}`,
    );
  }

  /** Cuts the TCP connection, without a close frame. */
  cut(): void {
    this.socket?.terminate();
  }

  stop(): Promise<void> {
    return this.#server.stop(true);
  }

  async #fetch(
    request: Request,
    server: Server<{ auth: "header" | "query" }>,
  ): Promise<Response | undefined> {
    const url = new URL(request.url);
    const intercepted = await this.#options.intercept?.(request, url);
    const isUpgrade = request.headers.get("upgrade") === "websocket";
    const body = isUpgrade ? "" : await request.clone().text();
    this.requests.push({ method: request.method, path: url.pathname, headers: request.headers, body });
    if (intercepted) return intercepted;
    const bearer = request.headers.get("authorization")?.replace("Bearer ", "");
    const token = bearer ?? url.searchParams.get("token");
    if (token !== this.token && token !== this.agentToken) return fail(401, "invalid token");
    if (url.pathname === `/ws/agent/${this.agentId}`) {
      // Bun would take the first that is offered, which is not ours.
      const headers = { "Sec-WebSocket-Protocol": "rexec.v1" };
      if (server.upgrade(request, { data: { auth: bearer ? "header" : "query" }, headers })) return undefined;
      return fail(400, "not an upgrade");
    }
    if (url.pathname.startsWith("/ws/agent/")) return fail(404, "agent not found");
    if (url.pathname === "/api/agents/register" && request.method === "POST") {
      if (token === this.agentToken) return fail(403, "an agent's token may not register");
      const answer = {
        id: this.agentId,
        name: JSON.parse(body).name,
        token: this.agentToken,
        token_info: { id: "t1", name: "agent", scopes: ["agent"], note: "" },
      };
      return Response.json(answer, { status: 201 });
    }
    if (url.pathname === "/api/tokens/validate") return Response.json({ valid: true });
    if (url.pathname === `/api/agents/${this.agentId}`) {
      if (token === this.agentToken) return fail(403, "an agent's token may only connect it");
      return Response.json({ id: this.agentId, name: "x", status: "offline", message: "agent updated" });
    }
    return fail(404, "not found");
  }

  #message(text: string): void {
    const { type, data } = JSON.parse(text);
    this.types.push(type);
    if (type === "exec_result") this.results.push(data);
    const id = data?.session_id;
    if (typeof id !== "string") return;
    // A new server hears of a running session by `shell_started` alone.
    if (type === "shell_starting" || (type === "shell_started" && !this.sessions.has(id))) {
      const fresh = { chunks: [], bytes: 0, broken: 0, exitCode: null, signal: null, error: null };
      this.sessions.set(id, { ...fresh, state: "starting" });
    }
    const session = this.sessions.get(id);
    if (type === "shell_error") {
      const error = String(data.error);
      if (session)
        Object.assign(session, { state: session.state === "starting" ? "error" : session.state, error });
      else
        this.sessions.set(id, {
          chunks: [],
          bytes: 0,
          broken: 0,
          state: "error",
          exitCode: null,
          signal: null,
          error,
        });
    }
    if (!session) return;
    if (type === "shell_started") session.state = "started";
    if (type === "shell_output") this.#output(id, session, data.data);
    if (type === "shell_stopped") {
      Object.assign(session, { state: "stopped", exitCode: data.exit_code, signal: data.signal });
    }
  }

  #output(id: string, session: Folded, base64: string): void {
    const bytes = decodeBytes(base64);
    if (!bytes) throw new Error(`the agent sent bad base64: ${base64.slice(0, 80)}`);
    session.bytes += bytes.length;
    try {
      this.#decoders.decode(bytes);
    } catch {
      session.broken += 1;
    }
    this.hashes.get(id)?.update(bytes);
    if (this.keepOutput) session.chunks.push(bytes);
  }
}

function fail(status: number, error: string): Response {
  return Response.json({ error }, { status });
}
