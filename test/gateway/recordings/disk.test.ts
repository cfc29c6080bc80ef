/** A disk that is full, slow or gone costs the recording, and never the session. */
import { expect, test } from "bun:test";
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DiskGate } from "../../../src/gateway/recordings/append-file.ts";
import { BLOCK_BYTES, BlockPool } from "../../../src/gateway/recordings/blocks.ts";
import { Escaper } from "../../../src/gateway/recordings/escaper.ts";
import { type Recorders, Recording } from "../../../src/gateway/recordings/recording.ts";
import { eventsIn } from "../../../src/protocol/cast.ts";
import { testUnless, testWith, whyNoMount, whyNotRoot } from "../../support/needs.ts";
import { outputOf, recordingStage } from "../../support/recording-stage.ts";
import { until } from "../../support/wait.ts";

function recorders(pool = new BlockPool()): Recorders {
  return { pool, gate: new DiskGate(), escaper: new Escaper(), blocked: () => null };
}

const HEADER = { version: 2, width: 80, height: 24 };

testWith("mkfifo")(
  "a storage that takes nothing bounds the memory, and the cut is told once it goes on",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "rexec-slow-"));
    const path = join(folder, "slow");
    Bun.spawnSync(["mkfifo", `${path}.cast`]);
    // Both ends are open: writes wait once the pipe is full.
    const reader = openSync(`${path}.cast`, constants.O_RDWR | constants.O_NONBLOCK);
    const pool = new BlockPool();
    const recording = new Recording("slow", path, HEADER, recorders(pool));
    const piece = Buffer.from("0123456789abcdef\r\n".repeat(2_000));
    const started = performance.now();
    for (let turn = 0; turn < 1_000; turn += 1) {
      recording.output("o", piece);
      if (turn % 100 === 0) await Bun.sleep(1);
    }
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(pool.used * BLOCK_BYTES).toBeLessThanOrEqual(5 * 1024 * 1024);
    expect(recording.cut?.reason).toBe("the storage is too slow");
    // The storage goes on.
    const read: Buffer[] = [];
    const drain = setInterval(() => {
      const buffer = Buffer.alloc(1024 * 1024);
      try {
        for (let n = readSync(reader, buffer); n > 0; n = readSync(reader, buffer))
          read.push(Buffer.from(buffer.subarray(0, n)));
      } catch {
        // empty for now
      }
    }, 5);
    try {
      await until(
        () => {
          recording.output("o", Buffer.from("again\r\n"));
          return !recording.isBehind;
        },
        10_000,
        "the recording to go on",
      );
      const { cut } = await recording.close();
      await until(() => Buffer.concat(read).includes("again"), 5_000, "the rest");
      const events = eventsIn(Buffer.concat(read).toString());
      const marker = events.find(([, code]) => code === "m");
      expect(marker?.[2]).toContain("the storage is too slow");
      expect(cut?.bytes).toBeGreaterThan(1_000_000);
      const output = events.reduce((sum, [, code, data]) => sum + (code === "o" ? data.length : 0), 0);
      expect(output + (cut?.bytes ?? 0)).toBeGreaterThanOrEqual(1_000 * piece.length);
    } finally {
      clearInterval(drain);
      closeSync(reader);
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

test("a folder that is gone is told as the reason", async () => {
  const recording = new Recording("gone", "/nonexistent/folder/gone", HEADER, recorders());
  recording.output("o", Buffer.from("lost\r\n"));
  const { bytes, cut } = await recording.close();
  expect(bytes).toBe(0);
  expect(cut?.reason).toBe("the folder is missing");
});

test("blocks of many recordings are bounded together", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rexec-many-"));
  const shared = recorders(new BlockPool(4));
  try {
    const all = Array.from(
      { length: 20 },
      (_, n) => new Recording(`${n}`, join(folder, `${n}`), HEADER, shared),
    );
    for (const recording of all) recording.output("o", Buffer.from("first\r\n"));
    expect(shared.pool.used).toBeLessThanOrEqual(4);
    const ends = await Promise.all(all.map((recording) => recording.close()));
    expect(ends.filter(({ cut }) => cut === null).length).toBeGreaterThanOrEqual(4);
    expect(shared.pool.used).toBe(0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

testUnless(whyNotRoot("mount file systems") ?? whyNoMount())(
  "a disk that fills up cuts the recording, and the session has every byte",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "rexec-full-"));
    const disk = join(folder, "disk");
    mkdirSync(disk);
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk]);
    try {
      expect(mounted.exitCode).toBe(0);
      await using stage = await recordingStage({ recordings: disk });
      await stage.policy("always");
      await using viewer = stage.viewer({ keeps: false });
      await viewer.attach();
      viewer.type("stty -echo; seq 1 600000; exit\n");
      await viewer.hears("ended", 0, 30_000);
      expect(viewer.received).toBeGreaterThan(4_000_000);
      const recording = await stage.recording("complete");
      expect(recording.cut?.reason).toBe("no space left on the disk");
      expect(recording.exit_code).toBe(0);
      // What is there ends with a whole line.
      const path = join(disk, `${recording.id}.cast`);
      expect(statSync(path).size).toBe(recording.bytes);
      const text = readFileSync(path, "utf8");
      expect(text).toEndWith("\n");
      expect(outputOf(text)).toContain("\r\n1000\r\n");
      expect(stage.gateway.log.filter((line) => line.startsWith("error")).length).toBeLessThan(3);
    } finally {
      Bun.spawnSync(["umount", "-l", disk]);
      rmSync(folder, { recursive: true, force: true });
    }
  },
  40_000,
);
