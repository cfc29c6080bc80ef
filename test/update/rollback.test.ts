import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pauses } from "../../src/agent/update/auto.ts";
import { guardUpdate } from "../../src/agent/update/guard.ts";
import { readMark, writeMark } from "../../src/agent/update/mark.ts";
import { assertReplaceable, updatePlace } from "../../src/agent/update/place.ts";
import { COMMIT, VERSION } from "../../src/lib/version.ts";
import { recordingLogger } from "../support/agent.ts";
import { lacks, testUnless, testWith, whyNoMount, whyNoPackage, whyNotRoot } from "../support/needs.ts";
import { Releases, rewrite } from "../support/releases.ts";
import { sha256, UpdateStage } from "../support/update-stage.ts";
import { V1Viewer } from "../support/v1-viewer.ts";
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

describe("a new version that does not do", () => {
  test("is taken back where it cannot connect and the former one could", async () => {
    const mute = await releases.buildMute("1.2.0");
    await using stage = await UpdateStage.start(now, releases.offer("1.2.0", mute));
    expect((await stage.run(["start", "--daemon"])).code).toBe(0);
    const { code, err } = await stage.run(["update", "--wait=4s"]);
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringContaining("the update to 1.2.0 was taken back"),
    });
    expect(err).toContain("could not connect");
    expect(err).toContain("the agent runs as before");
    expect(stage.installed).toBe(sha256(now));
    expect(await stage.status()).toMatchObject({ running: true, version: "1.0.0", connected: true });
    // An agent that updates itself does not try that one again.
    const tried = await stage.run(["auto-update", "--verbose"]);
    expect([tried.code, tried.err]).toEqual([
      0,
      expect.stringContaining("nothing newer than 1.0.0 that works here"),
    ]);
    expect(stage.installed).toBe(sha256(now));
  }, 90_000);

  test("is taken back where it passes its test and then does not start", async () => {
    const report = { version: "1.2.0", commit: "x", os: "linux", arch: "", pty: "native", server: null };
    const arch = process.arch === "arm64" ? "arm64" : "amd64";
    const script = `#!/bin/sh\ncase $1 in self-test) echo '${JSON.stringify({ ...report, arch })}';; *) exit 3;; esac\n`;
    await using stage = await UpdateStage.start(now, releases.offer("1.2.0", Buffer.from(script)));
    expect((await stage.run(["start", "--daemon"])).code).toBe(0);
    const { code, err } = await stage.run(["update", "--wait=3s"]);
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringContaining("was taken back: it did not start"),
    });
    expect(stage.installed).toBe(sha256(now));
    expect(await stage.status()).toMatchObject({ running: true, version: "1.0.0", connected: true });
  }, 90_000);
});

describe("a new version that does not do, with nobody left who watches it", () => {
  test("makes way for the former one, in the same process", async () => {
    const mute = await releases.buildMute("1.2.0");
    await using stage = await UpdateStage.start(mute, offer);
    copyFileSync(now, `${stage.agent}.old`);
    const pending = {
      from: "1.0.0 (test)",
      to: "1.2.0 (test)",
      at: "",
      starts: 3,
      connected: true,
      watcher: 0,
    };
    writeMark(updatePlace(stage.agent), { pending });
    const agent = stage.spawn(["start"]);
    await until(async () => (await stage.status()).connected, 20_000, "the former one to be connected");
    expect(await stage.status()).toMatchObject({ running: true, version: "1.0.0", pid: agent.pid });
    expect(stage.installed).toBe(sha256(now));
    expect(readMark(updatePlace(stage.agent)).failed?.version).toBe("1.2.0");
    agent.kill("SIGTERM");
    expect(await within(agent.exited, 10_000, "its end")).toBe(0);
  }, 60_000);
});

describe("an update that is killed", () => {
  const CALLS = "chmod,fchmod,fsync,link,linkat,rename,renameat,renameat2,unlink,unlinkat";

  testWith("strace")(
    "leaves a whole executable, and the next one works, at whatever step it was",
    async () => {
      await using stage = await UpdateStage.start(now, offer);
      const update = (inject: string) => {
        const command = [
          "strace",
          "-f",
          "-qq",
          "-o",
          join(stage.folder, "trace"),
          ...(inject ? ["-e", `inject=${inject}`] : []),
        ];
        return Bun.spawn(
          [...command, "-e", `trace=${CALLS},write`, stage.agent, "update", `--config=${stage.config}`],
          {
            env: stage.env,
            stdio: ["ignore", "ignore", "ignore"],
          },
        ).exited;
      };
      const [old, fresh] = [sha256(now), sha256(newer)];
      await update("");
      expect(stage.installed).toBe(fresh);
      const calls = readFileSync(join(stage.folder, "trace"), "utf8").split("\n");
      const steps = calls.filter((line) => /^\d+ +[a-z0-9]+\(/.test(line) && !/ write\(/.test(line)).length;
      const writes = calls.filter((line) => / write\(/.test(line) && line.includes("= 1048576")).length;
      expect(steps).toBeGreaterThan(5);
      const points = [
        ...Array.from({ length: steps }, (_, index) => `${CALLS}:signal=KILL:when=${index + 1}`),
        // In the middle of the download, and of the unpacking.
        ...[0.1, 0.4, 0.7, 0.95].map((part) => `write:signal=KILL:when=${Math.round(writes * part) + 1}`),
      ];
      let survived = 0;
      for (const point of points) {
        stage.install(now);
        const code = await within(update(point), 60_000, `the update that is killed at ${point}`);
        if (code === 0) survived += 1;
        const installed = stage.installed;
        expect([point, [old, fresh].includes(installed)]).toEqual([point, true]);
        expect([point, (await stage.run(["--version"])).code]).toEqual([point, 0]);
      }
      expect(survived).toBeLessThan(points.length / 2);
      stage.install(now);
      expect((await stage.run(["update"])).code).toBe(0);
      expect(stage.installed).toBe(fresh);
      expect(stage.files).toEqual(["rexec-agent", "rexec-agent.old"]);
    },
    240_000,
  );

  testWith("strace")(
    "before it restarted the agent is finished by the next one",
    async () => {
      await using stage = await UpdateStage.start(now, offer);
      expect((await stage.run(["start", "--daemon"])).code).toBe(0);
      // Renames: the note, the old one, the new one; and the note again, before the agent is told.
      const point = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "inject=rename:signal=KILL:when=4",
        "-e",
        "trace=rename",
      ];
      const command = [...point, stage.agent, "update", `--config=${stage.config}`];
      const killed = Bun.spawn(command, { env: stage.env, stdio: ["ignore", "ignore", "ignore"] });
      expect(await within(killed.exited, 30_000, "the update to be killed")).not.toBe(0);
      expect(stage.installed).toBe(sha256(newer));
      const { code, err } = await stage.run(["update"]);
      expect([code, err]).toEqual([0, expect.stringContaining("1.1.0 is here already")]);
      expect(err).toContain("the agent runs 1.1.0, and is connected");
      expect(await stage.status()).toMatchObject({ running: true, version: "1.1.0", connected: true });
      expect(stage.files).toEqual(["rexec-agent", "rexec-agent.old"]);
    },
    60_000,
  );
});

describe("the first life of a new version, with nobody who watches it", () => {
  const self = `${VERSION} (${COMMIT})`;
  const connected = { phase: "connected", auth: "header", failures: 0, since: 0 } as const;
  const dialling = { phase: "dialling", auth: "header", failures: 0 } as const;

  function stage(pending: object = {}) {
    const folder = join(releases.folder, crypto.randomUUID());
    mkdirSync(folder);
    const executable = join(folder, "rexec-agent");
    writeFileSync(executable, "new");
    writeFileSync(`${executable}.old`, "old");
    const place = updatePlace(executable);
    const base = {
      from: "0.0.9 (x)",
      to: self,
      at: new Date().toISOString(),
      starts: 0,
      connected: true,
      watcher: 0,
    };
    writeMark(place, { pending: { ...base, ...pending } });
    let backs = 0;
    const logger = recordingLogger();
    const guard = (limitMs = 60_000) =>
      guardUpdate({
        executable,
        logger,
        limitMs,
        onBack: () => {
          backs += 1;
        },
      });
    return {
      place,
      executable,
      logger,
      guard,
      backs: () => backs,
      content: () => readFileSync(executable, "utf8"),
    };
  }

  test("is proved by a connection", () => {
    const { place, guard, content, logger } = stage();
    using watching = guard();
    watching.state(dialling);
    expect(readMark(place).pending?.starts).toBe(1);
    watching.state(connected);
    expect(readMark(place)).toEqual({});
    expect(content()).toBe("new");
    expect(logger.lines.join("\n")).toContain(`updated from 0.0.9 (x) to ${self}`);
  });

  test("ends in the former one where no connection comes in time", async () => {
    const { place, guard, content, backs } = stage();
    using watching = guard(50);
    watching.state(dialling);
    await until(() => backs() === 1, 5_000, "it to go back");
    expect(content()).toBe("old");
    expect(readMark(place)).toEqual({ failed: expect.objectContaining({ version: VERSION }) });
  });

  test("ends in the former one where it has started thrice for nothing", () => {
    const { guard, content, place, backs } = stage();
    for (let start = 1; start <= 3; start += 1) guard()[Symbol.dispose]();
    expect(content()).toBe("new");
    guard();
    expect([content(), backs()]).toEqual(["old", 1]);
    expect(readMark(place).failed?.version).toBe(VERSION);
  });

  test("ends in the former one where the server refuses it for good", () => {
    const { guard, content, backs } = stage();
    using watching = guard();
    watching.state(dialling);
    watching.failed("401");
    expect([content(), backs()]).toEqual(["old", 1]);
  });

  test("is over with the connection: what ends it later is no cause to go back", () => {
    const { guard, content, backs } = stage();
    using watching = guard();
    watching.state(connected);
    watching.failed("401");
    expect([content(), backs()]).toEqual(["new", 0]);
  });

  test("goes on where the former one was not connected either", async () => {
    const { guard, content, backs } = stage({ connected: false });
    using _watching = guard(20);
    await Bun.sleep(100); // five times the limit
    expect([content(), backs()]).toEqual(["new", 0]);
  });

  test("is nobody's business in another version, or with a note that cannot be read", () => {
    const other = stage({ to: "9.9.9 (x)" });
    using _other = other.guard();
    expect([readMark(other.place), other.content()]).toEqual([{}, "new"]);
    const odd = stage();
    rewrite(odd.place.mark, "{");
    using _odd = odd.guard();
    expect(odd.content()).toBe("new");
  });
});

describe("an executable that may not be replaced", () => {
  testUnless(whyNotRoot("be another account") ?? lacks("setpriv"))(
    "is one in another's folder: the command that may is named",
    async () => {
      await using stage = await UpdateStage.start(now, offer);
      chmodSync(stage.config, 0o644);
      const child = Bun.spawn(
        [
          "setpriv",
          "--reuid=65534",
          "--regid=65534",
          "--clear-groups",
          stage.agent,
          "update",
          `--config=${stage.config}`,
        ],
        { env: { ...stage.env, HOME: "/nonexistent" }, stdout: "ignore", stderr: "pipe" },
      );
      const err = await child.stderr.text();
      expect([await child.exited, err]).toEqual([1, expect.stringContaining(`cannot write to ${stage.bin}`)]);
      expect(err).toContain(`sudo ${stage.agent} update`);
      expect(stage.files).toEqual(["rexec-agent"]);
    },
  );

  testUnless(whyNoMount())("is one on a read-only file system", async () => {
    await using stage = await UpdateStage.start(now, offer);
    const script = `mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$1/rexec-agent" update "--config=$2"`;
    const command = ["unshare", "--mount", "sh", "-c", script, "sh", stage.bin, stage.config];
    const child = Bun.spawn(command, { env: stage.env, stdout: "ignore", stderr: "pipe" });
    const err = await child.stderr.text();
    expect([await child.exited, err]).toEqual([1, expect.stringContaining("is on a read-only file system")]);
  });

  testUnless(whyNoMount())("is one where the disk is full: nothing of the attempt stays", async () => {
    await using stage = await UpdateStage.start(now, offer);
    const script = `mount -t tmpfs -o size=130m none "$1" && cp "$2" "$1/rexec-agent" &&
      { "$1/rexec-agent" update "--config=$3"; echo "code $?"; ls -A "$1"; "$1/rexec-agent" --version; }`;
    const command = ["unshare", "--mount", "sh", "-c", script, "sh", stage.bin, now, stage.config];
    const child = Bun.spawn(command, { env: stage.env, stdout: "pipe", stderr: "pipe" });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    expect({ out, err }).toEqual({
      out: "code 1\nrexec-agent\nrexec-agent 1.0.0 (test)\n",
      err: expect.stringContaining("make room on the disk"),
    });
  });

  testUnless(whyNoPackage("/usr/bin/env", "coreutils"))("is a package's", () => {
    const path = Bun.which("env", { PATH: "/usr/bin" }) ?? "";
    const asked = () => assertReplaceable({ ...updatePlace(path), folder: releases.folder }, ["x"]);
    expect(asked).toThrow("belongs to the Debian package coreutils");
  });

  test("is one that another update is working at", async () => {
    await using stage = await UpdateStage.start(now, offer);
    const first = stage.spawn(["update"]);
    await until(() => stage.files.some((name) => name.endsWith(".part")), 20_000, "the first one's download");
    const second = await stage.run(["update"]);
    expect([second.code, second.err]).toEqual([1, expect.stringContaining("another update")]);
    expect(await within(first.exited, 60_000, "the first update")).toBe(0);
  });

  test("is no executable at all, or one that trusts nobody", async () => {
    await using stage = await UpdateStage.start(now, offer);
    const entry = join(import.meta.dir, "../../src/rexec-agent.ts");
    const source = Bun.spawn([process.execPath, entry, "update", `--config=${stage.config}`], {
      env: stage.env,
      stdout: "ignore",
      stderr: "pipe",
    });
    expect([await source.exited, await source.stderr.text()]).toEqual([
      1,
      expect.stringContaining("not the sources"),
    ]);
  });
});

describe("auto_update", () => {
  test("brings a connected agent to the newer version by itself", async () => {
    await using stage = await UpdateStage.start(now, offer, { auto_update: true, update_interval: "1s" });
    expect((await stage.run(["start", "--daemon"])).code).toBe(0);
    await until(async () => (await stage.status()).version === "1.1.0", 40_000, "the agent to update itself");
    await until(() => stage.files.length === 2, 10_000, "the note to be taken away");
    expect(await stage.status()).toMatchObject({ running: true, connected: true });
    expect(stage.files).toEqual(["rexec-agent", "rexec-agent.old"]);
  }, 90_000);

  test("ends no shell that somebody has open", async () => {
    await using stage = await UpdateStage.start(now, offer, { auto_update: true, update_interval: "2s" });
    expect((await stage.run(["start", "--daemon"])).code).toBe(0);
    const { agent_id: id } = JSON.parse(readFileSync(stage.config, "utf8"));
    const viewer = await V1Viewer.connect(stage.gateway, id, "v1");
    viewer.send({ type: "input", data: "kept=$((40+2)); echo set-$kept\n" });
    await viewer.sees("set-42", 10_000);
    await until(() => stage.installed === sha256(newer), 40_000, "the new executable to be in place");
    await Bun.sleep(2_500); // another look, which could end it too
    viewer.send({ type: "input", data: "echo still-$kept\n" });
    await viewer.sees("still-42", 10_000);
    viewer.send({ type: "input", data: "exit\n" });
    await until(
      async () => (await stage.status()).version === "1.1.0",
      40_000,
      "the agent to be the new one",
    );
    await until(() => stage.files.length === 2, 10_000, "the note to be taken away");
    viewer.ws.close();
  }, 120_000);

  test("looks first at some moment of the first hour, then once a day, give or take a tenth", () => {
    const day = 86_400_000;
    const first = Array.from({ length: 200 }, () => pauses(day, Math.random).next().value);
    expect(Math.max(...first)).toBeLessThan(3_600_000);
    expect(Math.max(...first) - Math.min(...first)).toBeGreaterThan(2_400_000);
    for (const random of [0, 0.5, 0.999]) {
      const looks = pauses(day, () => random);
      looks.next();
      const later = looks.next().value;
      expect(later).toBeGreaterThanOrEqual(day * 0.9);
      expect(later).toBeLessThanOrEqual(day * 1.1);
    }
  });
});
