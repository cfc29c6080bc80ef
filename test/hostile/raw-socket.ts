/** A WebSocket client by hand: sends what no library would, and reads only when it is told to. */
import { connect, type Socket } from "node:net";
import { within } from "../support/wait.ts";

export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export class RawSocket implements AsyncDisposable {
  readonly #socket: Socket;
  #received = 0;
  #isClosed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      this.#received += chunk.length;
    });
    socket.on("close", () => {
      this.#isClosed = true;
    });
  }

  /**
   * Opens the socket at this address.
   * @throws Error with the first line of the answer where it is not 101
   */
  static async open(url: string, token: string, protocol = "rexec.v1"): Promise<RawSocket> {
    const { hostname, port, host, pathname, search } = new URL(url);
    const socket = connect(Number(port), hostname);
    const answer = Promise.withResolvers<string>();
    socket.once("error", answer.reject);
    socket.once("data", (chunk) => answer.resolve(chunk.toString("latin1")));
    socket.write(
      [
        `GET ${pathname}${search} HTTP/1.1`,
        `Host: ${host}`,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        `Sec-WebSocket-Protocol: ${protocol}`,
        `Authorization: Bearer ${token}`,
        "\r\n",
      ].join("\r\n"),
    );
    const [first = ""] = (await within(answer.promise, 10_000, "the handshake")).split("\r\n");
    if (!first.includes(" 101 ")) throw new Error(first);
    return new RawSocket(socket);
  }

  /** Bytes that came, frames and all. */
  get received(): number {
    return this.#received;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Bytes that the kernel has not taken. */
  get unsent(): number {
    return this.#socket.writableLength;
  }

  /** Stops reading. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** One frame. @param length what its header says, where that is not how much of it is sent */
  frame(
    opcode: number,
    payload: Uint8Array,
    { fin = true, length = payload.length }: { fin?: boolean; length?: number } = {},
  ): void {
    const head = Buffer.alloc(14);
    head[0] = (fin ? 0x80 : 0) | opcode;
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(length), 2); // the mask is 0: the payload travels as it is
    if (!this.#isClosed) this.#socket.write(Buffer.concat([head, payload]));
  }

  text(text: string): void {
    this.frame(Opcode.text, Buffer.from(text));
  }

  /** Any bytes. */
  write(bytes: Uint8Array): void {
    if (!this.#isClosed) this.#socket.write(bytes);
  }

  /** Resolves once the kernel has taken all, or the other side has ended it, or after `ms`. */
  async flushed(ms = 10_000): Promise<void> {
    const deadline = performance.now() + ms;
    while (this.unsent > 0 && !this.#isClosed && performance.now() < deadline) await Bun.sleep(5);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }
}
