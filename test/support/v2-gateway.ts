/**
 * A small gateway of rexec.v2 whose sessions a test scripts: real sockets, real offsets and credit, and a line that
 * can be cut. It writes down what it heard.
 */
import type { Server, ServerWebSocket } from "bun";
import {
  encodeControl,
  type OpenerMessage,
  type OwnerMessage,
  parseOpener,
  type SessionInfo,
} from "../../src/protocol/v2/control.ts";
import { decodeFrame, type Frame } from "../../src/protocol/v2/frames.ts";
import { V2Attachment } from "./v2-attachment.ts";
import { V2Run } from "./v2-run.ts";
import { V2Shell } from "./v2-shell.ts";

export const TOKEN = `rexec_${"cd".repeat(32)}`;
export const AGENT = {
  id: "11111111-2222-4333-8444-555555555555",
  name: "box",
  os: "linux",
  arch: "amd64",
  status: "online",
};

interface Viewer {
  id: string;
  attachments: Map<number, V2Attachment>;
}
export type V2Socket = ServerWebSocket<Viewer>;

export interface V2GatewayOptions {
  port?: number;
  /** A new shell: a test may write to it and listen to its input. */
  onShell?: (shell: V2Shell) => void;
  /** How a command is answered, where it is not run; asked for each `run`. */
  onRun?: (message: Extract<OpenerMessage, { type: "run" }>) => OwnerMessage | undefined;
  /** Answers before everything else, where it answers at all. */
  intercept?: (request: Request, url: URL) => Response | undefined;
  agents?: object[];
}

export class V2Gateway {
  readonly shells = new Map<string, V2Shell>();
  readonly runs = new Map<string, V2Run>();
  /** Every control message, in order. */
  readonly heard: OpenerMessage[] = [];
  /** Every subprotocol list that was offered. */
  readonly offered: string[] = [];
  readonly requests: string[] = [];
  readonly sockets = new Set<V2Socket>();
  /** Viewers that attached, over all connections. */
  attaches = 0;
  /** ACKs that viewers sent for output. */
  acks = 0;
  /** Takes acks of what it never sent: a test has sent it by hand. */
  tolerant = false;
  readonly #options: V2GatewayOptions;
  readonly #port: number;
  #http: Server<Viewer>;

  constructor(options: V2GatewayOptions = {}) {
    this.#options = options;
    this.#http = this.#listen(options.port ?? 0);
    this.#port = this.#http.port ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** A login for `rexec`. */
  get env(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? "",
      HOME: "/nonexistent",
      TERM: "xterm-256color",
      NO_COLOR: "1",
      REXEC_HOST: this.url,
      REXEC_TOKEN: TOKEN,
    };
  }

  /** Cuts every connection without a word; new ones go through. */
  cut(): number {
    const count = this.sockets.size;
    for (const socket of this.sockets) socket.terminate();
    return count;
  }

  /** Cuts everything, and refuses new connections. */
  async down(): Promise<void> {
    await this.#http.stop(true);
  }

  /** Back on the same port, with the same sessions. */
  up(): void {
    this.#http = this.#listen(this.port);
  }

  /** To every viewer. */
  broadcast(message: Parameters<typeof encodeControl>[0]): void {
    for (const socket of this.sockets) socket.send(encodeControl(message));
  }

  sessionList(): SessionInfo[] {
    return [...this.shells.values(), ...this.runs.values()].map((session) => session.info);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
    for (const run of this.runs.values()) run.kill();
  }

  // --- internal ---

  #listen(port: number): Server<Viewer> {
    return Bun.serve<Viewer>({
      hostname: "127.0.0.1",
      port,
      fetch: (request, server) => this.#route(request, server),
      websocket: {
        backpressureLimit: 64 * 1024 * 1024,
        open: (socket) => void this.sockets.add(socket),
        message: (socket, data) => this.#message(socket, data),
        drain: (socket) => {
          for (const attachment of socket.data.attachments.values()) attachment.pump();
        },
        close: (socket) => {
          this.sockets.delete(socket);
          for (const attachment of socket.data.attachments.values()) attachment.close();
        },
      },
    });
  }

  #route(request: Request, server: Server<Viewer>): Response | undefined {
    const url = new URL(request.url);
    this.requests.push(`${request.method} ${url.pathname}`);
    const early = this.#options.intercept?.(request, url);
    if (early) return early;
    if (request.headers.get("authorization") !== `Bearer ${TOKEN}`) return refuse(401, "invalid token");
    const agents = this.#options.agents ?? [AGENT];
    if (url.pathname === "/api/agents") return Response.json(agents);
    const [, kind, id, rest = ""] = /^\/(api\/agents|ws\/agent)\/([^/]+)(\/.+)?$/.exec(url.pathname) ?? [];
    if (!kind || id !== AGENT.id) return refuse(404, "no such agent", "agent_not_found");
    if (kind === "api/agents") return this.#api(request.method, rest);
    const offered = request.headers.get("sec-websocket-protocol") ?? "";
    this.offered.push(offered);
    if (!offered.split(/, */).includes("rexec.v2")) return refuse(400, "only rexec.v2 is spoken here");
    const data: Viewer = { id: url.searchParams.get("id") ?? "", attachments: new Map() };
    const headers = { "Sec-WebSocket-Protocol": "rexec.v2" };
    return server.upgrade(request, { data, headers }) ? undefined : refuse(400, "no websocket");
  }

  #api(method: string, rest: string): Response {
    if (rest === "") return Response.json(AGENT);
    if (rest === "/sessions") return Response.json({ sessions: this.sessionList() });
    const name = decodeURIComponent(/^\/sessions\/([^/]+)$/.exec(rest)?.[1] ?? "");
    const session = this.shells.get(name) ?? this.runs.get(name);
    if (!session || method !== "DELETE") return refuse(404, "no such session", "session_not_found");
    session.kill();
    return Response.json({ ok: true });
  }

  #message(socket: V2Socket, data: string | Buffer): void {
    if (typeof data !== "string") {
      const decoded = decodeFrame(data);
      if (!decoded.ok) throw new Error(`the viewer sent nonsense: ${decoded.reason}`);
      return void this.#frame(socket, decoded.frame);
    }
    const parsed = parseOpener(data);
    if (!parsed.ok) throw new Error(`the viewer sent nonsense: ${parsed.reason}`);
    const message = parsed.value;
    this.heard.push(message);
    if (message.type === "attach") this.#attach(socket, message);
    else if (message.type === "run") this.#run(socket, message);
    else if (message.type === "detach") {
      socket.data.attachments.get(message.channel)?.close(true);
      socket.data.attachments.delete(message.channel);
    } else if (message.type === "signal") {
      socket.data.attachments.get(message.channel)?.session.signal(message.signal);
    } else if (message.type === "resize") {
      socket.data.attachments.get(message.channel)?.session.resize(message.cols, message.rows);
    }
  }

  #frame(socket: V2Socket, frame: Frame): void {
    if (frame.kind === "ack") this.acks += 1;
    if (frame.kind === "ack" && frame.stream > 0 && this.tolerant) return;
    socket.data.attachments.get(frame.channel)?.frame(frame);
  }

  #attach(socket: V2Socket, message: Extract<OpenerMessage, { type: "attach" }>): void {
    const { channel, session, instance, cursor } = message;
    let shell = this.shells.get(session);
    const created = !shell && message.create;
    if (created) {
      shell = new V2Shell(session);
      this.shells.set(session, shell);
      this.#options.onShell?.(shell);
    }
    if (!shell || (instance !== undefined && shell.instance !== instance)) {
      socket.send(encodeControl({ type: "refused", channel, code: "gone", message: "no such session" }));
      return;
    }
    this.attaches += 1;
    const attachment = new V2Attachment(socket, channel, shell, message.viewer);
    socket.data.attachments.set(channel, attachment);
    // Who starts a shell sees all of it as it is written.
    const start = created ? 0 : cursor;
    attachment.begin(start === undefined ? null : [start, 0], created);
  }

  #run(socket: V2Socket, message: Extract<OpenerMessage, { type: "run" }>): void {
    const { channel, cursors } = message;
    let run = this.runs.get(message.run);
    const answer = run ? undefined : this.#options.onRun?.(message);
    if (answer) return void socket.send(encodeControl(answer));
    if (!run && message.resume) {
      socket.send(encodeControl({ type: "refused", channel, code: "gone", message: "no such command" }));
      return;
    }
    const created = !run;
    run ??= new V2Run(message);
    this.runs.set(message.run, run);
    this.attaches += 1;
    const attachment = new V2Attachment(socket, channel, run, message.run);
    socket.data.attachments.set(channel, attachment);
    attachment.begin(cursors, created);
  }
}

function refuse(status: number, error: string, code?: string): Response {
  return Response.json({ error, code }, { status });
}
