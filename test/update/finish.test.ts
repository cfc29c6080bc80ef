import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, linkSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { guardUpdate } from "../../src/agent/update/guard.ts";
import { readMark, writeMark } from "../../src/agent/update/mark.ts";
import { updatePlace } from "../../src/agent/update/place.ts";
import { COMMIT, VERSION } from "../../src/lib/version.ts";
import { tryLock } from "../../src/pty/libc.ts";
import { recordingLogger } from "../support/agent.ts";
import { Releases, rewrite } from "../support/releases.ts";
import { sha256, UpdateStage } from "../support/update-stage.ts";
import { until, within } from "../support/wait.ts";

const releases = new Releases();
let now: string;
let newer: string;
let offer: string;
beforeAll(async () => {
  now = await releases.build("1.0.0");
  newer = await releases.build("1.1.0");
  offer = releases.offer("1.1.0", newer);
}, 60_000);
afterAll(() => releases[Symbol.dispose]());

/** Puts another file in the place of that name. */
function replace(path: string, by: string): void {
  linkSync(by, `${path}.other`);
  renameSync(`${path}.other`, path);
}

function lock(path: string): Disposable {
  const fd = openSync(path, "r");
  expect(tryLock(fd, "exclusive")).toBe(true);
  return { [Symbol.dispose]: () => closeSync(fd) };
}

describe("finishing an update", () => {
  test.each([{ words: ["update"] }, { words: ["auto-update", "--finish=1.1.0"] }])(
    "is one process's work at a time: $words",
    async ({ words }) => {
      await using stage = await UpdateStage.start(now, offer);
      expect((await stage.run(["start", "--daemon"])).code).toBe(0);
      // As an update leaves it that is killed before it restarts the agent.
      linkSync(stage.agent, `${stage.agent}.old`);
      replace(stage.agent, newer);
      for (const path of [stage.agent, `${stage.agent}.old`]) {
        using _other = lock(path);
        const { code, err } = await stage.run(words);
        expect([code, err]).toEqual([1, expect.stringContaining("is under way")]);
        expect(await stage.status()).toMatchObject({ running: true, version: "1.0.0" });
      }
      expect((await stage.run(words)).code).toBe(0);
      expect(await stage.status()).toMatchObject({ running: true, version: "1.1.0", connected: true });
      // Nothing that it started holds the lock.
      for (const path of [stage.agent, `${stage.agent}.old`]) lock(path)[Symbol.dispose]();
    },
    60_000,
  );

  test("goes back to the version that it replaced, and to no other file of that name", async () => {
    const mute = await releases.buildMute("1.2.0");
    await using stage = await UpdateStage.start(now, releases.offer("1.2.0", mute));
    expect((await stage.run(["start", "--daemon"])).code).toBe(0);
    const updating = stage.run(["update", "--wait=4s"]);
    const isSwapped = () => stage.files.includes("rexec-agent.old") && stage.installed === sha256(mute);
    await until(isSwapped, 30_000, "the new version to be in place");
    replace(`${stage.agent}.old`, newer);
    const { code, err } = await updating;
    expect([code, err]).toEqual([
      1,
      expect.stringContaining("rexec-agent.old is not the version that 1.2.0 has replaced"),
    ]);
    expect([stage.installed, sha256(`${stage.agent}.old`)]).toEqual([sha256(mute), sha256(newer)]);
  }, 60_000);

  test("is not begun by a program that another update has replaced", async () => {
    await using stage = await UpdateStage.start(now, offer);
    const asked = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    await using slow = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      async fetch(request) {
        asked.resolve();
        await answered.promise;
        return fetch(new URL(new URL(request.url).pathname, stage.gateway.url));
      },
    });
    const updating = stage.run(["update", `--host=${slow.url.origin}`]);
    await within(asked.promise, 10_000, "its question");
    replace(stage.agent, newer);
    answered.resolve();
    const { code, err } = await updating;
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(
        /was replaced while this update began|which this program was started from, is gone/,
      ),
    ]);
    expect([stage.installed, stage.files]).toEqual([sha256(newer), ["rexec-agent"]]);
  }, 60_000);
});

describe("a new version that nobody watches", () => {
  const sums = { same: new Bun.CryptoHasher("sha256").update("old").digest("hex"), other: "0".repeat(64) };

  test.each([
    [sums.same, "old"],
    [sums.other, "new"],
    [undefined, "old"], // noted by an earlier version
  ])("goes back where what is kept is what it replaced (noted: %p)", (kept, content) => {
    const folder = join(releases.folder, crypto.randomUUID());
    mkdirSync(folder);
    const executable = join(folder, "rexec-agent");
    writeFileSync(executable, "new");
    rewrite(`${executable}.old`, "old");
    const place = updatePlace(executable);
    const at = new Date().toISOString();
    const pending = {
      from: "0.0.9 (x)",
      to: `${VERSION} (${COMMIT})`,
      at,
      starts: 3,
      connected: true,
      watcher: 0,
    };
    writeMark(place, { pending: { ...pending, ...(kept ? { kept } : {}) } });
    const logger = recordingLogger();
    let backs = 0;
    using _guard = guardUpdate({ executable, logger, onBack: () => backs++ });
    expect([readFileSync(executable, "utf8"), backs]).toEqual([content, content === "old" ? 1 : 0]);
    expect(readMark(place).failed?.version).toBe(content === "old" ? VERSION : undefined);
    expect(logger.lines.some((line) => line.includes("is not the version"))).toBe(content === "new");
  });
});
