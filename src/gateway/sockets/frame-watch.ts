/**
 * Bounds the unfinished frames of all connections. Bun keeps each until it is whole, up to `maxPayloadLength`, which is
 * one number for all roles: that of v1's results of commands. So what is held is looked at from outside: what the kernel
 * has handed over, less what came out as messages.
 */
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import { networkOf } from "../../lib/network-of.ts";
import { type TcpReceived, tcpReceived } from "../../lib/tcp-received.ts";
import { CLOSE_TOO_BIG } from "../../protocol/close-codes.ts";
import type { Connection } from "./connection.ts";

/** Unfinished frames of all connections together, bytes. */
export const UNFINISHED_BYTES = 64 * 1024 * 1024;
/** How often it is looked at, milliseconds: in that time a fast peer sends some 50 MB more. */
const LOOK_MS = 100;
/** While the process has hardly grown, every tenth look is a real one: with 1,000 connections it takes 3 ms. */
const GROWTH_BYTES = 16 * 1024 * 1024;
const EVERY = 10;
/** Handshakes, headers of fragments, and what is on its way through: not counted against a role. */
const SLACK_BYTES = 1024 * 1024;

export class FrameWatch {
  readonly #connections: Iterable<Connection>;
  readonly #logger: Logger;
  readonly #received: TcpReceived | null;
  readonly #timer: Timer | null;
  #memory = 0;
  #skipped = 0;

  /** @param connections all that are open; asked for anew each time */
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
