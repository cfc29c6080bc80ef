/**
 * Random terminal streams with resizes against a screen that keeps no line above it, one, a hundred and a thousand.
 * `bun run fuzz screen --count 100000` does so for longer.
 */
import { expect, test } from "bun:test";
import { ScreenEngine } from "../../src/screen/engine.ts";
import { Prng } from "../chaos/prng.ts";
import { Random } from "../hostile/fuzz/random.ts";
import { terminalStream } from "../hostile/fuzz/terminal-stream.ts";
import { screenCase } from "../support/screen-case.ts";
import { randomStream } from "../support/terminal-stream.ts";

const SCROLLBACKS = [0, 1, 100, 1_000];
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const CASES = Number(process.env.FUZZ_COUNT ?? 3_000);
const LIMIT_MS = 60_000 + CASES * 20;
/** Of a cell of the heap, with what is around it; and what the runtime itself may take more. */
const CELL_BYTES = 12;
const HEAP_BYTES = 64 * 1024 * 1024;

test(
  `a snapshot gives what the screen has, at each scrollback (${CASES} streams from seed ${SEED})`,
  () => {
    const heap = heapAfter(() => {
      for (let seed = SEED; seed < SEED + CASES; seed += 1) {
        const scrollback = SCROLLBACKS[seed % SCROLLBACKS.length];
        expect({ seed, scrollback, difference: screenCase(seed, 40, scrollback) }).toEqual({
          seed,
          scrollback,
          difference: null,
        });
      }
    });
    expect(heap).toBeLessThan(HEAP_BYTES);
  },
  LIMIT_MS,
);

test(
  `any size at any time throws nowhere and loses no row (${CASES} streams from seed ${SEED})`,
  () => {
    const heap = heapAfter(() => {
      for (let seed = SEED; seed < SEED + CASES; seed += 1) {
        const scrollback = SCROLLBACKS[seed % SCROLLBACKS.length] ?? 0;
        expect({ seed, scrollback, problem: problemOf(seed, scrollback) }).toEqual({
          seed,
          scrollback,
          problem: null,
        });
      }
    });
    expect(heap).toBeLessThan(HEAP_BYTES);
  },
  LIMIT_MS,
);

test.each([
  ["cut off", "ab\x1b[1;7H\u6f22", 4, "\u200d"],
  ["kept", "ab\u6f22", 10, "\u0301"],
])(
  "a character that a new size has %s is the same to the next one for a viewer that attaches then",
  (_, text, cols, next) => {
    const engine = new ScreenEngine({ cols: 8, rows: 4 }, 100);
    engine.write(Buffer.from(text));
    engine.resize({ cols, rows: 4 });
    const attached = new ScreenEngine({ cols, rows: 4 }, 100);
    attached.write(Buffer.from(engine.serialize({ scrollback: 100, limit: 20_000 })));
    const [live, later] = [engine, attached].map((each) => {
      each.write(Buffer.from(`${next}z`));
      const { active } = each.core.buffers;
      return [active.x, active.y, each.core.buffers.active.lines.get(active.ybase + active.y)?.getString(3)];
    });
    expect(live).toEqual(later);
    for (const each of [engine, attached]) each.dispose();
  },
);

test.each([
  ["left, which it was not in", "\x1b[>5u\x1b[?47l", 5],
  ["left twice", "\x1b[>5u\x1b[?1049h\x1b[>1u\x1b[?1049l\x1b[?1049l", 5],
  ["left twice and entered again", "\x1b[>5u\x1b[?1049h\x1b[>1u\x1b[?1049l\x1b[?1047l\x1b[?47h", 1],
  ["entered twice", "\x1b[>5u\x1b[?1049h\x1b[>1u\x1b[?1047h", 1],
  ["entered twice and left", "\x1b[>5u\x1b[?1049h\x1b[>1u\x1b[?1049h\x1b[?1049l", 5],
])("each screen keeps its kitty flags where the alternate one is %s", (_, text, flags) => {
  const engine = new ScreenEngine({ cols: 20, rows: 5 }, 100);
  engine.write(Buffer.from(text));
  expect(engine.core.coreService.kittyKeyboard.flags).toBe(flags);
  engine.dispose();
});

// --- internal ---

/** What goes wrong in one stream of long lines, line ends, hostile sequences and sizes, or null. */
function problemOf(seed: number, scrollback: number): string | null {
  const random = new Prng(seed);
  const size = () => ({ cols: random.whole(1, 60), rows: random.whole(1, 20) });
  const engine = new ScreenEngine(size(), scrollback);
  const done: string[] = [`${engine.core.cols}x${engine.core.rows}`];
  const write = (bytes: Uint8Array) => {
    done.push(JSON.stringify(Buffer.from(bytes).toString("latin1")));
    engine.write(bytes);
  };
  const resize = (to: { cols: number; rows: number }) => {
    done.push(`${to.cols}x${to.rows}`);
    engine.resize(to);
  };
  try {
    for (let step = random.whole(1, 50); step > 0; step -= 1) {
      const what = random.whole(0, 4);
      if (what === 0) resize(size());
      else if (what === 1) write(Buffer.from("x".repeat(random.whole(1, 150))));
      else if (what === 2) write(Buffer.from("\r\n".repeat(random.whole(1, 12))));
      else if (what === 3) write(terminalStream(new Random(seed + step), random.whole(1, 10)));
      else
        for (const part of randomStream(random, 4).parts)
          "size" in part ? resize(part.size) : write(part.bytes);
      const wrong = disorder(engine, scrollback);
      if (wrong !== null) return `${wrong}: ${done.slice(-12).join(" ")}`;
      if (random.whole(0, 4) === 0) engine.serialize({ scrollback, limit: 20_000 });
    }
    engine.serialize({ scrollback, limit: 20_000 });
    return null;
  } catch (error) {
    return `${error instanceof Error ? error.stack : error}: ${done.slice(-12).join(" ")}`;
  } finally {
    engine.dispose();
  }
}

/** Rows that are not there, a screen below the last of them, or more of them than are kept. */
function disorder({ core, weight }: ScreenEngine, scrollback: number): string | null {
  const { cols, rows, buffers } = core;
  if (weight > (2 * rows + scrollback) * cols * CELL_BYTES) return `it has ${weight} bytes`;
  for (const buffer of [buffers.normal, buffers.alt]) {
    const { lines, ybase, y } = buffer;
    if (buffer === buffers.alt && lines.length === 0) continue;
    if (ybase + rows > lines.length || y < 0 || y >= rows)
      return `row ${y} of the screen at ${ybase} of ${lines.length}`;
    for (let row = 0; row < lines.length; row += 1) if (!lines.get(row)) return `no row ${row}`;
  }
  return null;
}

/** What the heap has grown by, bytes. */
function heapAfter(work: () => void): number {
  Bun.gc(true);
  const before = process.memoryUsage().heapUsed;
  work();
  Bun.gc(true);
  return process.memoryUsage().heapUsed - before;
}
