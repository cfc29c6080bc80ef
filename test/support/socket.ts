/** A raw WebSocket for tests that folds what it hears into public state. */
import { connect } from "node:net";
import { until, within } from "./wait.ts";

export interface SocketOptions {
  headers?: Record<string, string>;
  protocols?: string[];
}

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of a message, field by field.
export type Heard = { type: string; data?: any; [field: string]: any };

export class TestSocket {
  readonly ws: WebSocket;
  /** Every JSON message, in order. */
  readonly messages: Heard[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  pings = 0;
  #opened: Promise<void>;
  #isClosed = false;
  #listeners = new Set<(message: Heard) => void>();

  constructor(url: string, options: SocketOptions = {}) {
    this.ws = new WebSocket(url.replace(/^http/, "ws"), {
      headers: options.headers ?? {},
      protocols: options.protocols ?? [],
      perMessageDeflate: false,
    });
    this.ws.binaryType = "arraybuffer";
    const opened = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<{ code: number; reason: string }>();
    this.#opened = opened.promise;
    this.#opened.catch(() => {});
    this.closed = closed.promise;
    this.ws.addEventListener("open", () => opened.resolve());
    this.ws.addEventListener("error", (event) => opened.reject(new Error(event.message)));
    this.ws.addEventListener("ping", () => {
      this.pings += 1;
    });
    this.ws.addEventListener("close", ({ code, reason }) => {
      this.#isClosed = true;
      opened.reject(new Error(`closed with ${code}`));
      closed.resolve({ code, reason });
    });
    this.ws.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      const message: Heard = JSON.parse(String(data));
      this.messages.push(message);
      this.heard(message);
      for (const listener of this.#listeners) listener(message);
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  async open(): Promise<this> {
    await within(this.#opened, 5_000, "the socket to open");
    return this;
  }

  /** For subclasses. */
  protected heard(_message: Heard): void {}

  send(message: object | string | Uint8Array<ArrayBuffer>): void {
    if (typeof message === "string" || message instanceof Uint8Array) this.ws.send(message);
    else this.ws.send(JSON.stringify(message));
  }

  /** The first message that matches, among those heard since `from` and those to come. */
  async find(matches: (message: Heard) => boolean, what: string, from = 0, ms = 5_000): Promise<Heard> {
    const { promise, resolve } = Promise.withResolvers<Heard>();
    const listener = (message: Heard) => {
      if (matches(message)) resolve(message);
    };
    this.#listeners.add(listener);
    const known = this.messages.slice(from).find(matches);
    if (known) resolve(known);
    try {
      return await within(promise, ms, what);
    } finally {
      this.#listeners.delete(listener);
    }
  }

  /** The first message of that type since `from`. */
  next(type: string, from = 0): Promise<Heard> {
    return this.find((message) => message.type === type, `a message ${type}`, from);
  }

  /** Round trip: everything that was sent before has been dealt with. */
  async settle(): Promise<void> {
    const from = this.messages.length;
    this.send({ type: "ping" });
    await this.next("pong", from);
  }

  /** Ends it as a lost line does: without a word. */
  drop(): void {
    this.ws.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ws.terminate();
    await until(() => this.isClosed, 5_000, "the socket to close");
  }
}

/** A handshake by hand, for what no WebSocket client shows: the status, the headers and the body of the answer. */
export async function knock(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; json: Heard | null; headers: Headers }> {
  const { host, hostname, port, pathname, search } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(Number(port), hostname);
  let answer = "";
  socket.on("error", reject);
  socket.on("close", () => resolve(answer));
  socket.on("data", (chunk) => {
    answer += chunk.toString("latin1");
    const [head = "", body = ""] = answer.split("\r\n\r\n");
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    if (answer.includes("\r\n\r\n") && body.length >= length) resolve(answer);
  });
  const lines = {
    Host: host,
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  };
  const text = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\n${text.join("")}\r\n`);
  try {
    const [head = "", body = ""] = (await within(promise, 5_000, "an answer to the handshake")).split(
      "\r\n\r\n",
    );
    const [first = "", ...rest] = head.split("\r\n");
    const pairs = rest.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
    const status = Number(first.split(" ")[1]);
    return { status, json: status !== 101 && body ? JSON.parse(body) : null, headers: new Headers(pairs) };
  } finally {
    socket.destroy();
  }
}
