import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settled, until, within } from "../support/wait.ts";
import { backends, hashAll, readAll, readUntil, script, sha256, watchLoop } from "./sessions.ts";

setDefaultTimeout(30_000);

const folder = mkdtempSync(join(tmpdir(), "rexec-pty-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Bytes with every value in them, the same at each run: a xorshift generator's. */
function bytes(length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let x = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** Bytes that the process has written, to whatever, as the kernel counts them. */
async function written(pid: number): Promise<number> {
  return Number(/^wchar: (\d+)/m.exec(await Bun.file(`/proc/${pid}/io`).text())?.[1]);
}

describe.each(backends)("much data on the %s backend", (backend) => {
  test("50 MB of output arrive unchanged, and the event loop goes on", async () => {
    const sent = bytes(50_000_000);
    const path = join(folder, "output");
    writeFileSync(path, sent);
    const expected = sha256(sent);
    const longest = watchLoop();
    const pty = script(backend, `stty raw; exec cat ${path}`);
    expect(await hashAll(pty)).toBe(expected);
    expect(longest()).toBeLessThan(100);
    expect((await pty.exited).exitCode).toBe(0);
  });

  test("a 5 MB paste into a program that reads late arrives unchanged, and the event loop goes on", async () => {
    const sent = bytes(5_000_000);
    const pty = script(backend, `stty raw -echo; echo ready; sleep 1; head -c ${sent.length} | sha256sum`);
    await readUntil(pty, "ready");
    const longest = watchLoop();
    const output = readAll(pty);
    await within(pty.write(sent), 20_000, "the paste to be taken");
    expect(longest()).toBeLessThan(50);
    expect((await output).toString()).toContain(sha256(sent));
  });

  test("pieces arrive in the order of the calls", async () => {
    const pty = script(backend, "stty raw -echo; echo ready; sleep 0.2; head -c 300000 | sha256sum");
    await readUntil(pty, "ready");
    const pieces = Array.from({ length: 100 }, (_, i) => new Uint8Array(3_000).fill(i));
    const output = readAll(pty);
    await Promise.all(pieces.map((piece) => pty.write(piece)));
    expect((await output).toString()).toContain(sha256(Buffer.concat(pieces)));
  });

  test("not reading blocks the program while memory stays flat, and reading sets it going", async () => {
    const pty = script(backend, "exec yes");
    await readUntil(pty, "y\r\ny"); // it runs
    const stuck = await settled(() => written(pty.pid), 5_000, "the program to block");
    expect(stuck).toBeGreaterThan(0);
    expect(stuck).toBeLessThan(3_000_000);
    const memory = process.memoryUsage.rss();
    await Bun.sleep(500);
    expect(await written(pty.pid)).toBe(stuck);
    expect(process.memoryUsage.rss() - memory).toBeLessThan(8_000_000);
    for (let got = 0; got < 10_000_000; )
      got += (await within(pty.read(), 2_000, "more output"))?.length ?? 0;
    expect(await written(pty.pid)).toBeGreaterThan(stuck);
    await pty.close();
  });

  test("no output is lost to a reader that stops and goes", async () => {
    const sent = bytes(12_000_000);
    const path = join(folder, "stop-and-go");
    writeFileSync(path, sent);
    const pty = script(backend, `stty raw; exec cat ${path}`);
    const hash = new Bun.CryptoHasher("sha256");
    for (let reads = 0; ; reads++) {
      const chunk = await within(pty.read(), 5_000, "more output");
      if (chunk === null) break;
      hash.update(chunk);
      if (reads % 200 === 0) await Bun.sleep(20);
    }
    expect(hash.digest("hex")).toBe(sha256(sent));
  });

  test("output that pours, stops and pours again arrives unchanged", async () => {
    const sent = bytes(12_000_000);
    const path = join(folder, "bursts");
    writeFileSync(path, sent);
    const part = `dd if=${path} bs=400000 count=1 status=none`;
    const pty = script(
      backend,
      `stty raw; i=0; while [ $i -lt 30 ]; do ${part} skip=$i; sleep 0.0$((i % 4)); i=$((i+1)); done`,
    );
    expect(await hashAll(pty)).toBe(sha256(sent));
  });

  test("a reader that is frozen and drained in the middle of it all loses nothing", async () => {
    const sent = bytes(12_000_000);
    const path = join(folder, "frozen");
    writeFileSync(path, sent);
    const pty = script(backend, `stty raw; exec cat ${path}`);
    const hash = new Bun.CryptoHasher("sha256");
    let freezes = 0;
    let total = 0;
    for (;;) {
      const next = within(pty.read(), 5_000, "more output");
      // Once each megabyte, while a read is under way.
      if (total >= freezes * 1_000_000) {
        freezes += 1;
        pty.freeze();
        void pty.drain().then(() => pty.thaw());
      }
      const chunk = await next;
      if (!chunk) break;
      total += chunk.length;
      hash.update(chunk);
    }
    expect(hash.digest("hex")).toBe(sha256(sent));
    expect(freezes).toBeGreaterThan(5);
  });
});

test("a terminal that pours leaves the others their turns", async () => {
  const flood = script("native", "exec cat /dev/zero");
  const other = script("native", "stty raw -echo; echo ready; exec cat");
  await readUntil(other, "ready");
  const sizes: number[] = [];
  let isOver = false;
  const reading = (async () => {
    while (!isOver) sizes.push((await flood.read())?.length ?? 0);
  })();
  await until(() => sizes.length > 100, 10_000, "the flood");
  const before = sizes.length;
  const between: number[] = [];
  for (let key = 0; key < 100; key += 1) {
    const count = sizes.length;
    await other.write(Uint8Array.of(120));
    await within(other.read(), 5_000, "the echo");
    between.push(sizes.length - count);
  }
  isOver = true;
  await reading;
  // Of the runtime's own reader a chunk has up to 140 KB.
  expect(Math.max(...sizes.slice(before))).toBeLessThanOrEqual(32 * 1024);
  expect(between.sort((a, b) => a - b)[50]).toBeLessThan(8);
  await Promise.all([flood.close(), other.close()]);
});
