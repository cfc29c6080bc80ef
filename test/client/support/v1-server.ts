/**
 * A small server of the v1 contract with real shells behind it: agents that are listed, viewer sockets that are PTYs
 * of this machine, commands that run. It writes down what it heard.
 */
import type { Server, ServerWebSocket } from "bun";
import type { Agent } from "../../../src/protocol/http.ts";
import { MAIN_SESSION, splitSessionId } from "../../../src/protocol/ids.ts";
import type { ExecResult } from "../../../src/protocol/v1.ts";
import { encodeToViewer, parseViewerMessage, type ViewerMessage } from "../../../src/protocol/v1-viewer.ts";
import { openPty } from "../../../src/pty/open.ts";
import type { Pty } from "../../../src/pty/pty.ts";
import { Utf8Splitter } from "../../support/utf8-splitter.ts";

export const TOKEN = `rexec_${"ab".repeat(32)}`;
export const AGENT_ID = "11111111-2222-4333-8444-555555555555";

interface Viewer {
  id: string;
  session: string;
  query: URLSearchParams;
}
type Socket = ServerWebSocket<Viewer>;
type ExecMessage = Extract<ViewerMessage, { type: "exec" }>["data"];

export interface V1ServerOptions {
  agents?: Agent[];
  /** How a command is answered; by default it is run as our agent would. */
  exec?: (request: ExecMessage, socket: Socket) => Promise<ExecResult | null>;
  /** `shell_start` starts this. */
  shell?: { file: string; args: string[] };
  /** Every answer waits for this. */
  hold?: (url: URL) => Promise<void>;
  /** Answers before everything else, where it answers at all. */
  intercept?: (request: Request, url: URL) => Response | undefined;
}

export function agent(name: string, overrides: Partial<Agent> = {}): Agent {
  return { id: AGENT_ID, name, os: "linux", arch: "amd64", shell: "/bin/sh", status: "online", ...overrides };
}

export class V1Server {
  readonly port: number;
  readonly resizes: [number, number][] = [];
  readonly queries: string[] = [];
  readonly input: Buffer[] = [];
  /** Characters of output that were sent, to all viewers. */
  sent = 0;
  readonly requests: string[] = [];
  readonly sessions = new Map<string, Pty>();
  readonly sockets = new Set<Socket>();
  readonly #options: V1ServerOptions;
  #http: Server<Viewer>;

  constructor(options: V1ServerOptions = {}) {
    this.#options = options;
    this.#http = this.#listen(0);
    this.port = this.#http.port ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Cuts every connection without a word, and refuses new ones. */
  async kill(): Promise<void> {
    await this.#http.stop(true);
  }

  /** Back on the same port, with the same shells. */
  revive(): void {
    this.#http = this.#listen(this.port);
  }

  /** To every viewer. */
  broadcast(text: string): void {
    for (const socket of this.sockets) socket.send(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Promise.all([...this.sessions.values()].map((pty) => pty.close(200)));
  }

  // --- internal ---

  #listen(port: number): Server<Viewer> {
    return Bun.serve<Viewer>({
      hostname: "127.0.0.1",
      port,
      fetch: (request, server) => this.#route(request, server),
      websocket: {
        maxPayloadLength: 64 * 1024 * 1024,
        backpressureLimit: 256 * 1024 * 1024,
        open: (socket) => void this.#open(socket),
        message: (socket, message) => this.#message(socket, message),
        close: (socket) => void this.sockets.delete(socket),
        drain: (socket) => this.#waiting.get(socket)?.(),
      },
    });
  }

  readonly #waiting = new Map<Socket, () => void>();

  async #route(request: Request, server: Server<Viewer>): Promise<Response | undefined> {
    const url = new URL(request.url);
    await this.#options.hold?.(url);
    this.requests.push(`${request.method} ${url.pathname}`);
    const early = this.#options.intercept?.(request, url);
    if (early) return early;
    if (request.headers.get("authorization") !== `Bearer ${TOKEN}`) return refuse(401, "invalid token");
    const agents = this.#options.agents ?? [agent("box")];
    const [, kind, id, terminal] =
      /^\/(api\/agents|ws\/agent)\/([^/]+)(\/terminal)?$/.exec(url.pathname) ?? [];
    const wanted = agents.find((each) => each.id === id);
    if (url.pathname === "/api/agents") return Response.json(agents);
    if (url.pathname === "/api/tokens/validate") {
      return Response.json({
        valid: true,
        user_id: "u1",
        username: "ada",
        email: "ada@example.com",
        scopes: ["*"],
      });
    }
    if (!kind || !wanted) return refuse(404, "not found");
    if (kind === "api/agents") return Response.json(wanted);
    if (!terminal || wanted.status !== "online") return refuse(404, "agent offline");
    this.queries.push(url.search);
    const viewer = url.searchParams.get("id") ?? "";
    const session = url.searchParams.get("newSession") === "true" ? splitSessionId(viewer) : MAIN_SESSION;
    const data = { id: viewer, session, query: url.searchParams };
    // Left out, Bun would answer with the first one offered.
    const headers = { "Sec-WebSocket-Protocol": "rexec.v1" };
    return server.upgrade(request, { data, headers }) ? undefined : refuse(400, "no websocket");
  }

  async #open(socket: Socket): Promise<void> {
    this.sockets.add(socket);
    const { session, query } = socket.data;
    if (query.get("exec") === "1") return;
    const running = this.sessions.get(session);
    if (!running) await this.#start(session);
    socket.send(encodeToViewer.shellStarted(session));
  }

  async #start(session: string): Promise<void> {
    const { file, args } = this.#options.shell ?? {
      file: "/bin/bash",
      args: ["--norc", "--noprofile", "-i"],
    };
    const env = {
      PATH: process.env.PATH ?? "",
      TERM: "xterm-256color",
      PS1: "$ ",
      HOME: "/tmp",
      HISTFILE: "/dev/null",
    };
    const pty = await openPty({ file, args, env, cwd: "/tmp", cols: 120, rows: 30 });
    this.sessions.set(session, pty);
    void this.#pump(session, pty);
  }

  async #pump(session: string, pty: Pty): Promise<void> {
    const splitter = new Utf8Splitter();
    for (let chunk = await pty.read(); chunk; chunk = await pty.read()) {
      await this.#output(session, Buffer.from(splitter.push(chunk)).toString());
    }
    await this.#output(session, Buffer.from(splitter.flush()).toString());
    const { exitCode, signal } = await pty.exited;
    this.sessions.delete(session);
    const stopped = encodeToViewer.shellStopped({ session_id: session, exit_code: exitCode, signal });
    for (const socket of this.#viewersOf(session)) socket.send(stopped);
  }

  async #output(session: string, text: string): Promise<void> {
    if (!text) return;
    for (const socket of this.#viewersOf(session)) {
      this.sent += text.length;
      if (socket.send(encodeToViewer.output(text)) >= 0) continue;
      await new Promise<void>((resolve) => this.#waiting.set(socket, resolve));
    }
  }

  #viewersOf(session: string): Socket[] {
    return [...this.sockets].filter((socket) => socket.data.session === session);
  }

  #message(socket: Socket, message: string | Buffer): void {
    const pty = this.sessions.get(socket.data.session);
    if (typeof message !== "string") {
      this.input.push(Buffer.from(message));
      pty?.write(Buffer.from(message)).catch(() => {});
      return;
    }
    const parsed = parseViewerMessage(message);
    if (!parsed.ok) return;
    if (parsed.value.type === "resize") {
      const [cols, rows] = [Number(parsed.value.cols), Number(parsed.value.rows)];
      this.resizes.push([cols, rows]);
      pty?.resize(cols, rows);
    }
    if (parsed.value.type === "exec") void this.#exec(socket, parsed.value.data);
  }

  async #exec(socket: Socket, request: ExecMessage): Promise<void> {
    const result = await (this.#options.exec ?? runLikeOurAgent)(request, socket);
    if (result) socket.send(encodeToViewer.execResult(result));
  }
}

/** As our agent: stdout and stderr apart, exit code, signal, timeout. */
export async function runLikeOurAgent(request: ExecMessage): Promise<ExecResult> {
  const child = Bun.spawn(["/bin/sh", "-c", request.command], {
    stdin: request.stdin ?? null,
    stdout: "pipe",
    stderr: "pipe",
    cwd: request.cwd ?? "/tmp",
    env: { PATH: process.env.PATH ?? "", ...request.env },
    detached: true, // a process group of its own, to be killed as one
  });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    process.kill(-child.pid, "SIGKILL");
  }, request.timeout_ms ?? 60_000);
  const [stdout, stderr] = await Promise.all([child.stdout.bytes(), child.stderr.bytes()]);
  await child.exited;
  clearTimeout(timer);
  const signal = child.signalCode === null ? null : String(child.signalCode);
  return {
    command: request.command,
    output: "",
    success: child.exitCode === 0,
    ...(request.id === undefined ? {} : { id: request.id }),
    exit_code: signal ? null : child.exitCode,
    signal,
    stdout: stdout.toBase64(),
    stderr: stderr.toBase64(),
    timed_out: timedOut,
  };
}

function refuse(status: number, error: string): Response {
  return Response.json({ error }, { status });
}
