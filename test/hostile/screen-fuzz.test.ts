import { expect, test } from "bun:test";
import { ScreenModes } from "../../src/client/terminal/screen-modes.ts";
import { ScreenEngine } from "../../src/screen/engine.ts";
import { SkippedModes } from "../../src/screen/modes.ts";
import { OutputFilter } from "../../src/screen/output-filter.ts";
import { Prng } from "../chaos/prng.ts";
import { randomStream } from "../support/terminal-stream.ts";

/** `REXEC_FUZZ_CASES=1000000 bun run test screen-fuzz` for longer. */
const CASES = Number(process.env.REXEC_FUZZ_CASES ?? 1_500);
/** A case takes a millisecond or two; one that takes this long has found something. */
const SLOW_MS = 2_000;

/** Output of a program that has gone mad: sequences with bytes left out, doubled, swapped for others, counts blown up. */
function mutated(random: Prng): Uint8Array {
  const { parts } = randomStream(random, 60);
  const bytes = Buffer.concat(parts.map((part) => ("bytes" in part ? part.bytes : new Uint8Array(0))));
  const out: number[] = [];
  for (const byte of bytes) {
    const what = random.whole(0, 60);
    if (what === 0) continue;
    if (what === 1) out.push(random.whole(0, 255));
    else if (what === 2) out.push(byte, byte);
    else if (what === 3) out.push(0xc2, random.whole(0x80, 0x9f));
    else if (what === 4) out.push(0x1b);
    else if (byte >= 0x30 && byte <= 0x39 && what < 12) out.push(...Buffer.from("2147483647"));
    else out.push(byte);
  }
  return Uint8Array.from(out);
}

test(`mad output never throws, never stalls, and is the same in whatever pieces it comes (${CASES} cases)`, () => {
  for (let seed = 0; seed < CASES; seed += 1) {
    const random = new Prng(seed);
    const size = { cols: random.whole(2, 60), rows: random.whole(1, 20) };
    const scrollback = [0, 1, 100, 1_000][random.whole(0, 3)] ?? 0;
    const bytes = mutated(random);
    const started = performance.now();
    const [inOne, inPieces] = [new OutputFilter(), new OutputFilter()];
    const all = Buffer.from(inOne.push(bytes, size));
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = random.whole(1, 7);
      parts.push(inPieces.push(bytes.subarray(at, at + length), size));
      at += length;
    }
    expect({ seed, passed: Buffer.concat(parts).toString("latin1") }).toEqual({
      seed,
      passed: all.toString("latin1"),
    });
    expect(inPieces.openBytes).toBe(inOne.openBytes);
    const whole = new ScreenEngine(size, scrollback);
    whole.write(bytes);
    whole.resize({ cols: random.whole(2, 60), rows: random.whole(1, 20) });
    const limit = 20_000;
    expect(whole.serialize({ scrollback, limit }).length).toBeLessThan(limit * 4);
    expect({ seed, slow: performance.now() - started > SLOW_MS }).toEqual({ seed, slow: false });
    whole.dispose();
  }
}, 600_000);

test("what only looks for modes takes time by the byte, whatever the bytes are", () => {
  const repeated = [
    "\x1b[2147483647L",
    "\x1b[?1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1",
    "\x1b[?",
    "\x1b",
    "\x1b]0;",
    "\x1bP",
    "\x1b[>1u",
    "\x1b[22;2t",
    "\x1b]4;1;red\x07",
    "\x1b[;;;;;;;;;;",
    "1;".repeat(40),
    "\x1b7\x1b(0\x0e",
    "\xc2",
  ];
  for (const piece of repeated) {
    const bytes = Buffer.from(piece.repeat(Math.ceil((1024 * 1024) / piece.length)), "latin1");
    for (const looker of [new ScreenModes(), new SkippedModes()]) {
      const started = performance.now();
      for (let at = 0; at < bytes.length; at += 65_536) {
        const slice = bytes.subarray(at, at + 65_536);
        if (looker instanceof ScreenModes) looker.push(slice);
        else looker.take(slice);
      }
      expect({ piece, slow: performance.now() - started > SLOW_MS }).toEqual({ piece, slow: false });
      const left = looker instanceof ScreenModes ? looker.restore() : looker.flush();
      expect(left.length).toBeLessThan(4_096);
    }
  }
}, 120_000);
