/** The link of both ends over a line in memory: every byte once, whatever the line does. No real time passes. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { InputWriter } from "../../src/link/input-writer.ts";
import { type Channel, Link } from "../../src/link/link.ts";
import { OpenerLink } from "../../src/link/opener.ts";
import { OutputReader } from "../../src/link/output-reader.ts";
import { type FrameSource, type OutFrame, Sender } from "../../src/link/sender.ts";
import { LinkSocket } from "../../src/link/socket.ts";
import { encodeControl, type OpenerMessage, parseOpener } from "../../src/protocol/v2/control.ts";
import { encodeFrame, type Frame, Stream } from "../../src/protocol/v2/frames.ts";
import { ByteRing } from "../../src/stream/byte-ring.ts";
import { StreamCursor, StreamReceiver } from "../../src/stream/stream.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { type PairEnd, SocketPair } from "../support/socket-pair.ts";

/** A session of one output and one input, without a terminal behind it. */
class Session {
  readonly ring: ByteRing;
  readonly input = new StreamReceiver(0);
  readonly typed: number[] = [];

  constructor(output: Uint8Array) {
    this.ring = new ByteRing(output.length + 1);
    this.ring.append(output);
  }
}

/** The owner's channel of that session on one connection. */
class SessionChannel implements Channel<OpenerMessage>, FrameSource {
  readonly #session: Session;
  readonly #sender: Sender;
  readonly #channel: number;
  readonly #cursor: StreamCursor;

  constructor(session: Session, sender: Sender, channel: number, from: number) {
    this.#session = session;
    this.#sender = sender;
    this.#channel = channel;
    this.#cursor = new StreamCursor(session.ring, from);
  }

  get pending(): number {
    return this.#cursor.ready ? this.#cursor.limit - this.#cursor.sent : 0;
  }

  takeFrame(): OutFrame | null {
    const piece = this.#cursor.next(500);
    return piece && encodeFrame({ stream: Stream.output, channel: this.#channel, ...piece });
  }

  control(): void {}

  /** Says what was taken of the input, and how much more may come. */
  grant(): void {
    const { next } = this.#session.input;
    const ack = { consumed: next, limit: next + 4096 };
    this.#sender.control(encodeFrame({ kind: "ack", stream: Stream.input, channel: this.#channel, ...ack }));
  }

  frame(frame: Frame): void {
    if (frame.kind === "ack") {
      this.#cursor.ack(frame.consumed, frame.limit);
      this.#sender.ready(this);
    } else if (frame.kind === "data") {
      const fresh = this.#session.input.accept(frame.offset, frame.bytes);
      this.#session.typed.push(...(fresh ?? []));
      this.grant();
    }
  }
}

/** The end that owns the session, for one connection. */
function serve(end: PairEnd, session: Session, clock: FakeClock): void {
  const sender = new Sender({ clock });
  const link = new Link<OpenerMessage & { channel?: number }, SessionChannel>({
    parse: parseOpener,
    take(message) {
      if (message.type !== "attach") return false;
      const { channel, cursor = 0 } = message;
      const opened = new SessionChannel(session, sender, channel, cursor);
      link.set(channel, opened);
      sender.control(
        encodeControl({
          type: "attached",
          channel,
          info: INFO,
          starts: [cursor, 0],
          input: session.input.next,
          created: false,
        }),
      );
      opened.grant();
      return true;
    },
    invalid: (reason) => end.close(1002, reason),
    broken: (reason, code) => end.close(code, reason),
    fault: rethrow,
    failed: () => {},
  });
  end.addEventListener("message", (event) => {
    const data: unknown = "data" in event ? event.data : null;
    if (typeof data === "string") link.text(data);
    else if (data instanceof ArrayBuffer) link.bytes(new Uint8Array(data));
  });
  end.addEventListener("open", () => {
    sender.attach({
      send: (frame) => end.send(frame),
      get buffered() {
        return end.bufferedAmount;
      },
      highWater: 2_000,
      drains: true,
      drop: (reason) => end.close(1008, reason),
      fail: (reason) => end.close(1002, reason),
    });
    end.onDrain = () => sender.flush();
  });
  end.addEventListener("close", () => {
    sender.detach();
    link.lost();
  });
}

/** The viewer: it connects anew for as long as something is missing. */
function view(output: Uint8Array, input: Uint8Array, cuts: readonly number[], latencyMs: number) {
  const clock = new FakeClock();
  const session = new Session(output);
  const seen: number[] = [];
  const sink = {
    push(bytes: Uint8Array, taken: () => void) {
      seen.push(...bytes);
      taken();
    },
  };
  const reader = new OutputReader(Stream.output, sink, 0, clock);
  const writer = new InputWriter();
  void writer.take(input, new AbortController().signal);
  const isDone = () => seen.length >= output.length && session.typed.length >= input.length;
  for (let attempt = 0; attempt <= cuts.length; attempt += 1) {
    const cutAfter = cuts[attempt];
    const pair = new SocketPair({
      clock,
      latencyMs,
      rate: 50,
      ...(cutAfter === undefined ? {} : { cutAfter }),
    });
    serve(pair.b, session, clock);
    const socket = new LinkSocket(pair.a);
    const fail = (reason: string) => socket.fail(reason);
    const link = new OpenerLink({
      send: (frame) => socket.send(frame),
      broken: fail,
      invalid: fail,
      fault: rethrow,
    });
    const channel = link.open({
      control(message) {
        if (message.type !== "attached") return;
        const to = { channel, send: (frame: Uint8Array<ArrayBuffer>) => socket.send(frame), rttMs: 0 };
        writer.attached(message.input, to);
        reader.attached(to);
      },
      frame(frame) {
        if (frame.kind === "data") reader.data(frame.offset, frame.bytes);
        else if (frame.kind === "ack") writer.ack(frame.consumed, frame.limit);
      },
    });
    socket.listen({ onText: (text) => link.text(text), onBytes: (bytes) => link.bytes(bytes) });
    link.control({
      type: "attach",
      channel,
      session: "main",
      cursor: reader.cursor,
      instance: INFO.instance,
      viewer: "v1",
    });
    for (let steps = 0; steps < 100_000 && !isDone() && pair.a.readyState === 1; steps += 1) {
      if (!clock.step()) throw new Error("nothing is due, and not all is there");
    }
    reader.detached();
    writer.detached();
    socket.close();
    while (clock.step());
    if (isDone()) break;
  }
  return { seen: Uint8Array.from(seen), typed: Uint8Array.from(session.typed) };
}

test("a line that is cut at any byte, any number of times, costs no byte and repeats none", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 20_000 }),
      fc.uint8Array({ minLength: 1, maxLength: 5_000 }),
      fc.array(fc.integer({ min: 1, max: 4_000 }), { maxLength: 6 }),
      fc.integer({ min: 0, max: 200 }),
      (output, input, cuts, latencyMs) => {
        const { seen, typed } = view(output, input, cuts, latencyMs);
        expect(Buffer.from(seen).equals(Buffer.from(output))).toBe(true);
        expect(Buffer.from(typed).equals(Buffer.from(input))).toBe(true);
      },
    ),
    { numRuns: 300 },
  );
}, 60_000);

// --- internal ---

function rethrow(error: unknown): void {
  throw error;
}

const INFO = {
  session: "main",
  instance: "11111111-2222-4333-8444-555555555555",
  kind: "shell",
  command: "sh",
  started_at: 0,
  last_output_at: null,
  ended_at: null,
  exit_code: null,
  signal: null,
  bytes: 0,
  cols: 80,
  rows: 24,
  viewers: 1,
} as const;
