import { describe, expect, test } from "bun:test";
import { zstd } from "../../../src/lib/zstd.ts";
import { v2Stage } from "../../support/v2-stage.ts";
import { until } from "../../support/wait.ts";

const KIB = 1024;

describe("compressed output", () => {
  test("that claims another size than it has, or is none, is refused without being unpacked further", () => {
    const bytes = Bun.zstdCompressSync(new Uint8Array(64 * 1024 * 1024));
    expect(zstd.decompress(bytes, 64 * KIB)).toBe(null);
    expect(zstd.decompress(Bun.zstdCompressSync(Buffer.from("short")), 10)).toBe(null);
    expect(zstd.decompress(Buffer.from("no zstd at all"), 10)).toBe(null);
  });

  test("goes to a slow viewer that reads it, and to no other", async () => {
    await using here = await v2Stage();
    await using one = here.viewer({ zstd: true });
    await using other = here.viewer();
    await Promise.all([one.attach(), other.attach()]);
    const text = Buffer.alloc(8 * KIB, "some text that scrolls by\r\n");
    await here.agent.write("main", text);
    await until(() => one.next === text.length && other.next === text.length, 2_000, "the output");
    expect(one.zstdFrames).toBeGreaterThan(0);
    expect(other.zstdFrames).toBe(0);
    const keystroke = one.zstdFrames;
    await here.agent.write("main", "x");
    await until(() => one.next === text.length + 1, 2_000, "the keystroke's echo");
    expect(one.zstdFrames).toBe(keystroke);
  });

  test("of an agent is unpacked for viewers that do not read it", async () => {
    await using here = await v2Stage({}, { packs: true });
    await using viewer = here.viewer();
    await viewer.attach();
    const text = Buffer.alloc(300 * KIB, "some text that scrolls by\r\n");
    await here.agent.write("main", text);
    await until(() => viewer.received === text.length, 2_000, "the output");
    expect(viewer.text).toBe(text.toString());
  });
});

describe("the past of a session", () => {
  test("is cut to its last 256 KiB where it comes too slowly", async () => {
    // About 250 KB/s: 2 MiB would take 8 s.
    await using here = await v2Stage({}, { bytesPerTick: 500 });
    here.agent.shell("main").ring.append(Buffer.alloc(2048 * KIB - 9, "some text that scrolls by\r\n"));
    here.agent.shell("main").ring.append(Buffer.from("\r\nthe end"));
    await using viewer = here.viewer();
    const started = performance.now();
    await viewer.attach();
    await until(() => viewer.screens[0]?.data.length, 7_000, "a screen");
    expect(String(viewer.screens[0]?.data)).toContain("the end");
    expect(performance.now() - started).toBeGreaterThan(1_000);
    expect(here.agent.dataBytes).toBeLessThan(1024 * KIB);
  }, 20_000);
});
