/**
 * Mutated frames and messages against both ends of a link. `bun run fuzz link --count 1000000` does so for longer.
 */
import { expect, test } from "bun:test";
import { type Channel, Link, ProtocolError } from "../../src/link/link.ts";
import { type ChannelMessage, OpenerLink } from "../../src/link/opener.ts";
import { CLOSE_PROTOCOL, CLOSE_TOO_BIG } from "../../src/protocol/close-codes.ts";
import { MAX_CONTROL_BYTES, type OpenerMessage, parseOpener } from "../../src/protocol/v2/control.ts";
import { encodeFrame, type Frame, MAX_OFFSET, type Stream } from "../../src/protocol/v2/frames.ts";
import { Prng } from "../chaos/prng.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 1);
const CASES = Number(process.env.FUZZ_COUNT ?? 50_000);
const LIMIT_MS = 60_000 + CASES;
const CHANNELS = 8;
const HEAP_BYTES = 64 * 1024 * 1024;

/** A channel that throws now and then, of both kinds, and counts what reaches it. */
class Moody implements Channel<OpenerMessage | ChannelMessage> {
  heard = 0;
  closes = 0;
  readonly #random: Prng;

  constructor(random: Prng) {
    this.#random = random;
  }

  control(): void {
    this.#hear();
  }

  frame(): void {
    this.#hear();
  }

  close(): void {
    this.closes += 1;
    if (this.#random.next() < 0.1) throw new Error("planted in close");
  }

  #hear(): void {
    this.heard += 1;
    const mood = this.#random.next();
    if (mood < 0.01) throw new Error("planted");
    if (mood < 0.02) throw new ProtocolError("planted breach");
  }
}

/** One end under attack: what it hears, and what it said of it. */
interface Victim {
  text(text: string): unknown;
  bytes(bytes: Uint8Array): void;
  lost(): void;
}

test(
  `the owner's end takes anything, and its other channels go on (${CASES} frames from seed ${SEED})`,
  () => {
    attack((random, broken) => {
      const channels = new Map<number, Moody>();
      const put = (number: number) => {
        const channel = new Moody(random);
        channels.set(number, channel);
        link.set(number, channel);
      };
      const link = new Link<OpenerMessage & { channel?: number }, Moody>({
        parse: parseOpener,
        maxText: MAX_CONTROL_BYTES,
        take: (message) => message.type === "list" || message.type === "kill",
        invalid: (reason) => expect(reason.length).toBeLessThan(1_000),
        broken: (_, code) => broken(code),
        fault: () => {},
        failed(number, channel) {
          expect(link.get(number)).toBeUndefined();
          expect(channel.closes).toBeLessThan(2);
          put(number);
        },
      });
      for (let number = 0; number < CHANNELS; number += 1) put(number);
      return { victim: link, canary: () => reaches(link, channels.get(CHANNELS - 1)) };
    });
  },
  LIMIT_MS,
);

test(
  `the opener's end takes anything, and its other channels go on (${CASES} frames from seed ${SEED})`,
  () => {
    attack((random, broken) => {
      const link: OpenerLink = new OpenerLink(
        {
          send: () => {},
          broken: (_, code) => broken(code),
          invalid: (reason) => expect(reason.length).toBeLessThan(1_000),
          fault: () => {},
        },
        0,
      );
      for (let number = 0; number < CHANNELS - 1; number += 1) link.open(new Moody(random));
      const quiet = {
        heard: 0,
        control() {},
        frame() {
          quiet.heard += 1;
        },
      };
      link.open(quiet);
      return { victim: link, canary: () => reaches(link, quiet) };
    });
  },
  LIMIT_MS,
);

// --- internal ---

type Setup = (random: Prng, broken: (code: number) => void) => { victim: Victim; canary(): boolean };

function attack(setup: Setup): void {
  const random = new Prng(SEED);
  Bun.gc(true);
  const before = process.memoryUsage().heapUsed;
  for (let done = 0; done < CASES; ) {
    let code: number | null = null;
    const { victim, canary } = setup(random, (said) => {
      code ??= said;
    });
    // A connection lasts until it is broken, or for a while.
    for (let each = 0; each < 500 && code === null && done < CASES; each += 1, done += 1) {
      if (random.next() < 0.7) victim.bytes(mutated(frameOf(random), random));
      else
        victim.text(new TextDecoder().decode(mutated(new TextEncoder().encode(messageOf(random)), random)));
    }
    if (code === null) expect(canary()).toBe(true);
    else expect([CLOSE_PROTOCOL, CLOSE_TOO_BIG]).toContain(code);
    victim.lost();
  }
  Bun.gc(true);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(HEAP_BYTES);
}

/** Whether a good frame still arrives. */
function reaches(link: Victim, channel: { heard: number } | undefined): boolean {
  const heard = channel?.heard ?? 0;
  const good = { kind: "fin", stream: 1, channel: CHANNELS - 1, offset: 1 } as const;
  // A moody channel may be gone by it, but it has heard.
  link.bytes(encodeFrame(good));
  return (channel?.heard ?? 0) === heard + 1;
}

function frameOf(random: Prng): Uint8Array {
  const stream = streams[random.whole(0, 2)] ?? 0;
  const channel = random.whole(0, CHANNELS + 2);
  const offset = number(random);
  const bytes = new Uint8Array(random.whole(0, 64)).map(() => random.whole(0, 255));
  const frames: Frame[] = [
    { kind: "data", stream, channel, offset, bytes },
    { kind: "zstd", stream, channel, offset, length: random.whole(0, 65_536), bytes },
    { kind: "ack", stream, channel, consumed: Math.floor(offset / 2), limit: offset },
    { kind: "fin", stream, channel, offset },
    { kind: "gap", stream, channel, from: Math.floor(offset / 2), to: offset },
    { kind: "screen", stream, channel, position: offset, bytes },
  ];
  return encodeFrame(frames[random.whole(0, frames.length - 1)] ?? { kind: "fin", stream, channel, offset });
}

const streams: readonly Stream[] = [0, 1, 2];

function number(random: Prng): number {
  const size = random.whole(0, 3);
  if (size === 0) return random.whole(0, 100);
  return size === 1 ? random.whole(0, 2 ** 31) : MAX_OFFSET - random.whole(0, 100);
}

function messageOf(random: Prng): string {
  const channel = random.whole(0, CHANNELS + 2);
  const id = "11111111-2222-4333-8444-555555555555";
  const messages = [
    { type: "resize", channel, cols: random.whole(0, 70_000), rows: random.whole(0, 70_000) },
    { type: "signal", channel, signal: "INT" },
    { type: "hold", channel, hold: true },
    { type: "attach", channel, session: "main", viewer: id, cursor: number(random) },
    { type: "run", channel, run: id, command: "true", cursors: [0, number(random)] },
    { type: "ended", channel, exit_code: 0, signal: null },
    { type: "size", channel, cols: 80, rows: 24, by: id },
    { type: "screen", channel, offset: 1, bytes: number(random), cols: 80, rows: 24, skipped: 0 },
    { type: "refused", channel, code: "gone", message: "x".repeat(random.whole(0, 9_000)) },
    { type: "sessions", sessions: [] },
    { type: "list" },
    { type: "kill", session: "main" },
    { type: "agent_status", status: "online" },
    { type: "new in a later version", channel },
  ];
  return JSON.stringify(messages[random.whole(0, messages.length - 1)]);
}

/** Nothing, or some of: bytes changed, put in, taken out, cut off, doubled. */
function mutated(bytes: Uint8Array, random: Prng): Uint8Array {
  let result = Uint8Array.from(bytes);
  for (let times = random.whole(0, 4) - 1; times > 0 && result.length > 0; times -= 1) {
    const at = random.whole(0, result.length - 1);
    const way = random.whole(0, 4);
    if (way === 0) result[at] = random.whole(0, 255);
    else if (way === 1) result = joined(result.subarray(0, at), [random.whole(0, 255)], result.subarray(at));
    else if (way === 2) result = joined(result.subarray(0, at), [], result.subarray(at + random.whole(1, 4)));
    else if (way === 3) result = result.slice(0, at);
    else result = joined(result, [], result.subarray(at));
  }
  return result;
}

function joined(head: Uint8Array, middle: readonly number[], tail: Uint8Array) {
  return Uint8Array.from([...head, ...middle, ...tail]);
}
