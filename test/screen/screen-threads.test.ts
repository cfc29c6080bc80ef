import { expect, test } from "bun:test";
import { ScreenPool } from "../../src/screen/pool.ts";
import { Screen } from "../../src/screen/screen.ts";
import { ByteRing } from "../../src/stream/byte-ring.ts";
import { until } from "../support/wait.ts";

const SIZE = { cols: 80, rows: 24 };

class Session {
  readonly ring = new ByteRing(2 * 1024 * 1024);
  readonly screen: Screen;

  constructor(pool: ScreenPool, size = SIZE) {
    this.screen = new Screen(this.ring, size, 100, pool);
  }

  write(text: string): void {
    this.ring.append(Buffer.from(text));
  }

  async shown(): Promise<string | null> {
    await this.screen.catchUp(this.ring.end);
    const snapshot = await this.screen.snapshot();
    return snapshot && Buffer.from(snapshot.bytes).toString();
  }
}

test("a task that takes too long costs its own session the screen; the others of its thread are made anew", async () => {
  const warnings: string[] = [];
  const pool = new ScreenPool({ taskMs: 500, warn: (text) => warnings.push(text) });
  const innocent = new Session(pool);
  innocent.write("\x1b[31mred\x1b[0m \x1b[?2004hprompt $ ");
  const before = await innocent.shown();
  expect(before).toContain("prompt $");

  const guilty = new Session(pool, { cols: 1000, rows: 500 });
  guilty.write("\x1b#8".repeat(16_000));
  const [shown] = await Promise.all([guilty.shown(), innocent.shown()]);
  expect(shown).toBeNull();
  expect(guilty.screen.hasFailed).toBe(true);
  expect(warnings).toEqual(["a session has no screen any more: it took too long"]);

  expect(innocent.screen.hasFailed).toBe(false);
  expect(await innocent.shown()).toBe(before);
  innocent.write("and on");
  expect(await innocent.shown()).toContain("prompt $ and on");
  expect(await guilty.shown()).toBeNull();
  pool.stop();
});

test("a screen that was kept is the same in another thread, with what came since", async () => {
  const pool = new ScreenPool({ taskMs: 500 });
  const innocent = new Session(pool);
  innocent.write(`\x1b[5;10r\x1b[?6h\x1b(0\x1b[?1049h${"line\r\n".repeat(50)}`);
  await innocent.shown();
  await innocent.screen.rest();
  innocent.write("since then");
  const before = await innocent.shown();
  const guilty = new Session(pool, { cols: 1000, rows: 500 });
  guilty.write("\x1b#8".repeat(16_000));
  expect(await guilty.shown()).toBeNull();
  expect(await innocent.shown()).toBe(before);
  pool.stop();
});

test("a thread that grows too large is ended, and the largest of its screens is to blame", async () => {
  const pool = new ScreenPool({ heapBytes: 32 * 1024 * 1024 });
  const innocent = new Session(pool);
  innocent.write("prompt $ ");
  expect(await innocent.shown()).toContain("prompt $");
  const guilty = new Session(pool, { cols: 1000, rows: 500 });
  // Each cell with an object of its own: some hundred bytes instead of twelve.
  for (let round = 0; round < 30 && !guilty.screen.hasFailed; round += 1) {
    let text = "";
    for (let cell = 0; cell < 20_000; cell += 1) text += `\x1b[4:3;58;5;${cell % 256}mx`;
    guilty.write(text);
    await guilty.screen.catchUp(guilty.ring.end);
  }
  expect(guilty.screen.hasFailed).toBe(true);
  expect(await innocent.shown()).toContain("prompt $");
  pool.stop();
}, 60_000);

test("threads begin with the first screen, are shared, and end with the last", async () => {
  const pool = new ScreenPool({ threads: 2, screensPerThread: 2, idleMs: 50 });
  expect(pool.threads).toBe(0);
  const sessions = Array.from({ length: 6 }, () => new Session(pool));
  for (const session of sessions) {
    session.write("text");
    expect(await session.shown()).toContain("text");
  }
  expect(pool.threads).toBe(2);
  for (const { screen } of sessions) screen.dispose();
  await until(() => pool.threads === 0, 5_000, "the threads to end");
  pool.stop();
});

test("what a terminal throws at is left out, and the screen goes on", async () => {
  const pool = new ScreenPool();
  // With no scrollback xterm.js threw at a wrapped line, two sizes and a new line.
  const ring = new ByteRing(64 * 1024);
  const screen = new Screen(ring, { cols: 20, rows: 4 }, 0, pool);
  const write = (text: string) => ring.append(Buffer.from(text));
  write("0123456789".repeat(9));
  screen.resize({ cols: 7, rows: 3 });
  write("x");
  screen.resize({ cols: 30, rows: 9 });
  write("\r\n\r\nafter");
  await screen.catchUp(ring.end);
  expect(screen.hasFailed).toBe(false);
  write(" that");
  await screen.catchUp(ring.end);
  expect(Buffer.from((await screen.snapshot())?.bytes ?? []).toString()).toContain("that");
  pool.stop();
});

test("what is kept of all screens together is bounded, and one that was forgotten is made anew", async () => {
  const pool = new ScreenPool({ keptBytes: 4_000 });
  const sessions = Array.from({ length: 12 }, () => new Session(pool));
  for (const [index, session] of sessions.entries()) {
    session.write(`\x1b[3${index % 8}mnumber ${index} ${"x".repeat(1_000)}\x1b[?2004h`);
    await session.shown();
    await session.screen.rest();
  }
  expect(pool.keptBytes).toBeLessThanOrEqual(4_000);
  for (const [index, session] of sessions.entries()) {
    expect(await session.shown()).toContain(`number ${index} x`);
    await session.screen.rest();
    expect(pool.keptBytes).toBeLessThanOrEqual(4_000);
  }
  for (const { screen } of sessions) screen.dispose();
  expect(pool.keptBytes).toBe(0);
  pool.stop();
});
