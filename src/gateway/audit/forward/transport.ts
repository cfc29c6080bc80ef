/** Ways to a syslog server. */
import type { Socket as UdpSocket } from "node:dgram";
import type { Socket } from "node:net";
import { RexecError } from "../../../lib/errors.ts";

/** Sends messages in order. Owned by a collector. Rejects with the system's error. */
export interface Transport {
  send(messages: readonly Uint8Array[], signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Opens a Unix datagram socket to a path; the function that it returns answers false where a datagram was not taken. */
export type Datagram = (path: string) => ((bytes: Uint8Array) => boolean) | null;

/** @throws RexecError `bad_syslog` for an address of another kind */
export function transportOf(url: URL, datagram: Datagram | null): Transport {
  const { protocol, pathname } = url;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (protocol === "udp:" && host) return new Udp(host, Number(url.port || 514));
  if (protocol === "tcp:" && host) return new Stream({ host, port: Number(url.port || 601), isTls: false });
  if (protocol === "tls:" && host) return new Stream({ host, port: Number(url.port || 6514), isTls: true });
  if (protocol === "unix:" && !host && pathname.startsWith("/"))
    return new Local(decodeURI(pathname), datagram);
  throw new RexecError(`"${url.href}" is no address of a syslog server`, {
    code: "bad_syslog",
    hint: "give udp://HOST:514, tcp://HOST:601, tls://HOST:6514 or unix:///dev/log",
  });
}

// --- internal ---

class Udp implements Transport {
  readonly #host: string;
  readonly #port: number;
  #socket: UdpSocket | null = null;

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  async send(messages: readonly Uint8Array[]): Promise<void> {
    const { createSocket } = process.getBuiltinModule("node:dgram");
    this.#socket ??= createSocket(this.#host.includes(":") ? "udp6" : "udp4").unref();
    const socket = this.#socket;
    for (const message of messages) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      socket.send(message, this.#port, this.#host, (error) => (error ? reject(error) : resolve()));
      await promise;
    }
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
  }
}

/** Each message behind its length (RFC 6587 section 3.4.1, RFC 5425). A server confirms nothing: what the kernel took counts. */
class Stream implements Transport {
  readonly #to: { host: string; port: number; isTls: boolean };
  #socket: Promise<Socket> | null = null;

  constructor(to: { host: string; port: number; isTls: boolean }) {
    this.#to = to;
  }

  async send(messages: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    this.#socket ??= this.#connect(signal);
    try {
      const socket = await this.#socket;
      const frames = messages.flatMap((message) => [Buffer.from(`${message.length} `), message]);
      await written(socket, Buffer.concat(frames), signal);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    void this.#socket?.then((socket) => socket.destroy()).catch(() => {}); // it never opened
    this.#socket = null;
  }

  // --- internal ---

  async #connect(signal: AbortSignal): Promise<Socket> {
    const { host, port, isTls } = this.#to;
    const socket = isTls
      ? process.getBuiltinModule("node:tls").connect({ host, port, servername: host })
      : process.getBuiltinModule("node:net").connect({ host, port });
    socket.unref();
    const opened = Promise.withResolvers<void>();
    socket.once(isTls ? "secureConnect" : "connect", () => opened.resolve());
    socket.on("error", (error) => opened.reject(error));
    socket.on("close", () => {
      opened.reject(new Error("the connection ended"));
      this.#socket = null; // the next delivery opens another one
    });
    socket.resume(); // a server says nothing; its end has to be noticed
    const give = () => socket.destroy();
    signal.addEventListener("abort", give, { once: true });
    try {
      await opened.promise;
      return socket;
    } finally {
      signal.removeEventListener("abort", give);
    }
  }
}

/** A socket of this machine: of datagrams, as /dev/log, or of a stream. */
class Local implements Transport {
  readonly #path: string;
  readonly #datagram: Datagram | null;
  #put: ((bytes: Uint8Array) => boolean) | null = null;

  constructor(path: string, datagram: Datagram | null) {
    this.#path = path;
    this.#datagram = datagram;
  }

  async send(messages: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    this.#put ??= this.#datagram?.(this.#path) ?? null;
    for (const message of messages) {
      // Its queue is short: it takes more once its reader has.
      while (!this.#put?.(message)) {
        signal.throwIfAborted();
        await Bun.sleep(FULL_MS);
      }
    }
  }

  close(): void {
    this.#put = null;
  }
}

/** ms */
const FULL_MS = 50;

async function written(socket: Socket, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = () => reject(new Error("the connection ended"));
  socket.once("close", fail);
  signal.addEventListener("abort", fail, { once: true });
  socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  try {
    await promise;
  } finally {
    socket.off("close", fail);
    signal.removeEventListener("abort", fail);
  }
}
