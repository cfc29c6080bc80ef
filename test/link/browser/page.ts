/** A viewer in a web page: the same link, reader and writer as the CLI's, over the page's own WebSocket. */
import { InputWriter } from "../../../src/link/input-writer.ts";
import { ProtocolError } from "../../../src/link/link.ts";
import { type ChannelMessage, OpenerLink } from "../../../src/link/opener.ts";
import { OutputReader } from "../../../src/link/output-reader.ts";
import { LinkSocket } from "../../../src/link/socket.ts";
import { viewerQuery } from "../../../src/protocol/v1-viewer.ts";
import { type Frame, Stream, SUBPROTOCOL_V2 } from "../../../src/protocol/v2/frames.ts";

export interface PageOptions {
  /** Of the agent's terminal, without a query. */
  url: string;
  token: string;
  /** How many lines the shell prints; the line is cut in the middle of them. */
  lines: number;
}

export interface PageResult {
  answer: boolean;
  /** Bytes that were there when the socket was closed. */
  cutAt: number;
  resumed: boolean;
  screens: number;
  /** What the shell printed between its two marks. */
  printed: string;
}

/** Owned by the page; survives its connections. */
class PageShell {
  readonly #options: PageOptions;
  readonly #viewer = crypto.randomUUID();
  readonly #decoder = new TextDecoder();
  readonly #reader = new OutputReader(Stream.output, {
    push: (bytes, taken) => {
      this.text += this.#decoder.decode(bytes, { stream: true });
      taken();
      this.#changed();
    },
  });
  readonly writer = new InputWriter();
  text = "";
  screens = 0;
  instance: string | null = null;
  #socket: LinkSocket | null = null;
  #waiting: (() => void)[] = [];

  constructor(options: PageOptions) {
    this.#options = options;
  }

  async connect(): Promise<void> {
    const { url, token } = this.#options;
    const query = viewerQuery({ id: this.#viewer, newSession: false });
    const webSocket = new WebSocket(`${url}?${query}`, [SUBPROTOCOL_V2, `rexec.token.${token}`]);
    webSocket.binaryType = "arraybuffer";
    const socket = new LinkSocket(webSocket);
    const ended = socket.closed.then(({ code, reason }) => {
      throw new Error(`closed with ${code} ${reason}`);
    });
    await Promise.race([socket.opened, ended]);
    ended.catch(() => {});
    this.#socket = socket;
    const link = new OpenerLink({
      send: (frame) => socket.send(frame),
      broken: (reason, code) => socket.fail(reason, code),
      invalid: (reason) => socket.fail(reason),
      fault(error) {
        throw error;
      },
    });
    const attached = Promise.withResolvers<void>();
    const channel = link.open({
      control: (message) => {
        if (message.type === "refused") attached.reject(new Error(message.message));
        if (message.type === "attached") {
          this.#attached(message, channel, socket);
          attached.resolve();
        } else if (message.type === "screen") {
          this.screens += 1;
          this.#reader.restart(message.offset);
        }
      },
      frame: (frame) => this.#frame(frame),
    });
    socket.listen({ onText: (text) => link.text(text), onBytes: (bytes) => link.bytes(bytes) });
    link.control({
      type: "attach",
      channel,
      session: `page-${this.#viewer}`,
      create: this.instance === null,
      ...(this.instance === null ? {} : { instance: this.instance, cursor: this.#reader.cursor }),
      viewer: this.#viewer,
      cols: 80,
      rows: 24,
    });
    await Promise.race([attached.promise, ended]);
  }

  type(text: string): Promise<void> {
    return this.writer.take(new TextEncoder().encode(text), new AbortController().signal);
  }

  /** Resolves once the output has it. */
  async sees(test: () => boolean, what: string): Promise<void> {
    const limit = AbortSignal.timeout(20_000);
    while (!test()) {
      const next = Promise.withResolvers<void>();
      this.#waiting.push(next.resolve);
      const late = () => next.reject(new Error(`waited 20 s for ${what}; it ends: ${this.text.slice(-200)}`));
      limit.addEventListener("abort", late, { once: true });
      await next.promise;
      limit.removeEventListener("abort", late);
    }
  }

  /** The page drops the connection, as where it is reloaded. */
  close(): void {
    this.#reader.detached();
    this.writer.detached();
    this.#socket?.close();
  }

  // --- internal ---

  #attached(
    message: Extract<ChannelMessage, { type: "attached" }>,
    channel: number,
    socket: LinkSocket,
  ): void {
    this.instance = message.info.instance;
    this.writer.attached(message.input, { channel, send: (frame) => socket.send(frame) });
    this.#reader.attached({ channel, send: (frame) => socket.send(frame), rttMs: 0 });
  }

  #frame(frame: Frame): void {
    if (frame.kind === "data") this.#reader.data(frame.offset, frame.bytes);
    else if (frame.kind === "gap") this.#reader.gap(frame.to);
    else if (frame.kind === "ack" && !this.writer.ack(frame.consumed, frame.limit))
      throw new ProtocolError("an ack of what was not sent");
  }

  #changed(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Attaches, types, is cut off in the middle of much output, resumes, and gives what it saw. */
export async function run(options: PageOptions): Promise<PageResult> {
  const shell = new PageShell(options);
  await shell.connect();
  await shell.type("echo $((6*7))-in-a-page\r");
  await shell.sees(() => shell.text.includes("42-in-a-page"), "the answer");
  const first = shell.instance;
  await shell.type(`printf 'BE%s\\n' GIN; seq 1 ${options.lines}; printf 'EN%s\\n' D\r`);
  await shell.sees(() => shell.text.length > 50_000, "the first 50,000 characters");
  shell.close();
  const cutAt = shell.text.length;
  await shell.connect();
  await shell.sees(() => shell.text.includes("\nEND\r\n"), "the end of it");
  shell.close();
  const from = shell.text.indexOf("BEGIN\r\n") + "BEGIN\r\n".length;
  return {
    answer: true,
    cutAt,
    resumed: shell.instance === first,
    screens: shell.screens,
    printed: shell.text.slice(from, shell.text.indexOf("END\r\n", from)),
  };
}
