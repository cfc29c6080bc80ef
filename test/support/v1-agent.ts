/** A scripted agent that speaks v1 and nothing else: it runs no shell, it says what the test tells it to. */

import type { TestGateway } from "./gateway.ts";
import { type Heard, TestSocket } from "./socket.ts";

export interface V1AgentOptions {
  /** Answers `shell_start` with `shell_starting` and `shell_started` by itself; default true. */
  startsShells?: boolean;
  headers?: Record<string, string>;
}

export class V1Agent extends TestSocket {
  /** Sessions that were started and not stopped. */
  readonly shells = new Set<string>();
  /** Input per session, in order. */
  readonly #input = new Map<string, Uint8Array[]>();
  readonly sizes = new Map<string, { cols: number; rows: number }>();
  readonly #startsShells: boolean;

  constructor(url: string, token: string, options: V1AgentOptions = {}) {
    super(url, { headers: { Authorization: `Bearer ${token}`, ...options.headers } });
    this.#startsShells = options.startsShells ?? true;
  }

  /** Connects as that agent. */
  static connect(
    gateway: Pick<TestGateway, "url">,
    agent: { id: string; token: string },
    options: V1AgentOptions = {},
  ): Promise<V1Agent> {
    return new V1Agent(`${gateway.url}/ws/agent/${agent.id}`, agent.token, options).open();
  }

  input(session: string): Buffer {
    return Buffer.concat(this.#input.get(session) ?? []);
  }

  output(session: string, data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    this.send({ type: "shell_output", data: { session_id: session, data: bytes.toBase64() } });
  }

  stopped(session: string, exit: { exit_code?: number; signal?: string } = {}): void {
    this.shells.delete(session);
    this.send({ type: "shell_stopped", data: { session_id: session, ...exit } });
  }

  protected override heard({ type, data }: Heard): void {
    if (type === "shell_start") this.#start(data?.new_session ? data.session_id : "main");
    if (type === "shell_input") {
      const pieces = this.#input.get(data.session_id) ?? [];
      pieces.push(Uint8Array.fromBase64(data.data));
      this.#input.set(data.session_id, pieces);
    }
    if (type === "shell_resize") this.sizes.set(data.session_id, { cols: data.cols, rows: data.rows });
    if (type === "shell_stop_session") this.shells.delete(data.session_id);
    if (type === "ping") this.send({ type: "pong" });
  }

  #start(session: string): void {
    if (!this.#startsShells) return;
    this.shells.add(session);
    this.send({ type: "shell_starting", data: { session_id: session } });
    this.send({ type: "shell_started", data: { session_id: session } });
  }
}
