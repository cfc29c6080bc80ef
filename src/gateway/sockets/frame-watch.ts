/**
 * Bounds the unfinished frames of all connections. Bun keeps each until it is whole, up to `maxPayloadLength`, which is
 * one number for all roles: the size of a v1 command result. So they are measured from outside: the bytes that the kernel
 * has handed over, less those that came out as messages.
 */
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import { networkOf } from "../../lib/network-of.ts";
import { type TcpReceived, tcpReceived } from "../../lib/tcp-received.ts";
import { CLOSE_TOO_BIG } from "../../protocol/close-codes.ts";
import type { Connection } from "./connection.ts";

/** Bound of all unfinished frames together, bytes. */
export const UNFINISHED_BYTES = 64 * 1024 * 1024;
/** Interval of the check, milliseconds: in that time a fast peer sends some 50 MB more. */
const LOOK_MS = 100;
/** While the process has hardly grown, only every tenth check asks the kernel: with 1,000 connections it takes 3 ms. */
const GROWTH_BYTES = 16 * 1024 * 1024;
const EVERY = 10;
/** Allowance for handshakes, headers of fragments and messages in delivery. */
const SLACK_BYTES = 1024 * 1024;

/**
 * Closes connections whose unfinished frames are too large, alone or together (`UNFINISHED_BYTES`). One for the gateway;
 * does nothing where the kernel does not tell (see `tcpReceived`).
 */
export class FrameWatch {
  readonly #connections: Iterable<Connection>;
  readonly #logger: Logger;
  readonly #received: TcpReceived | null;
  readonly #timer: Timer | null;
  #memory = 0;
  #skipped = 0;

  /** @param connections all open ones; iterated at each check */
  constructor(connections: Iterable<Connection>, logger: Logger) {
    this.#connections = connections;
    this.#logger = logger;
    this.#received = tcpReceived();
    this.#timer = this.#received ? setInterval(() => this.#look(), LOOK_MS) : null;
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
  }

  // --- internal ---

  /** What Bun holds of frames is memory of this process. */
  get #isCalm(): boolean {
    const memory = process.memoryUsage.rss();
    this.#skipped += 1;
    if (memory < this.#memory + GROWTH_BYTES && this.#skipped < EVERY) return true;
    this.#memory = memory;
    this.#skipped = 0;
    return false;
  }

  #look(): void {
    if (this.#isCalm) return;
    const open = [...this.#connections].filter(({ isOpen }) => isOpen);
    if (open.length === 0) return;
    const received = this.#received?.();
    if (!received) return;
    const held = open.map((connection) => ({ connection, bytes: connection.unfinished(received) }));
    let sum = held.reduce((total, { bytes }) => total + bytes, 0);
    // Viewers before agents, and the largest first: an agent's result may be large, and takes its shells with it.
    held.sort(
      (a, b) => Number(a.connection.info.isAgent) - Number(b.connection.info.isAgent) || b.bytes - a.bytes,
    );
    for (const { connection, bytes } of held) {
      const isTooLarge = bytes > connection.info.largestFrame + SLACK_BYTES;
      if (!isTooLarge && (sum <= UNFINISHED_BYTES || bytes <= SLACK_BYTES)) continue;
      sum -= bytes;
      const { address } = connection.info;
      gather(
        this.#logger,
        { level: "warn", kind: "unfinished frames", who: networkOf(address) },
        `${address} has sent ${bytes} bytes of a frame that is not whole: its connection is closed`,
      );
      connection.abort(CLOSE_TOO_BIG, "too much of a frame that is not whole");
    }
  }
}
