import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accountOf } from "../../src/lib/account.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { ExitCode, errnoOf, messageOf, RexecError, UsageError } from "../../src/lib/errors.ts";
import { distro, goArch, goOs } from "../../src/lib/platform.ts";
import { closest } from "../../src/lib/suggest.ts";
import { within } from "../support/wait.ts";

const ACCOUNT = new URL("../../src/lib/account.ts", import.meta.url).pathname;

describe("the clock", () => {
  test("wakes up early when told to, and at once when it was told before", async () => {
    const controller = new AbortController();
    const sleep = systemClock.sleep(60_000, controller.signal);
    controller.abort();
    await within(sleep, 1_000, "the sleep to end with its signal");
    await within(
      systemClock.sleep(60_000, controller.signal),
      1_000,
      "a sleep under a signal that is aborted",
    );
  });

  test("sleeps about as long as asked", async () => {
    const start = systemClock.now();
    await systemClock.sleep(30);
    expect(systemClock.now() - start).toBeGreaterThanOrEqual(29);
  });

  test("leaves no listener on a signal that outlives many sleeps", async () => {
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    for (let i = 0; i < 5; i += 1) await systemClock.sleep(1, signal);
    expect(listeners).toBe(0);
  });
});

describe("errors", () => {
  test("carry an exit code that fits", () => {
    expect(new RexecError("x", { code: "c" }).exitCode).toBe(ExitCode.failed);
    expect(new UsageError("x").exitCode).toBe(ExitCode.usage);
    expect(new UsageError("x", "do y").hint).toBe("do y");
  });

  test("become one line, whatever was thrown", () => {
    expect(messageOf(new Error("first\nsecond"))).toBe("first");
    expect(messageOf("text")).toBe("text");
    expect(messageOf(undefined)).toBe("undefined");
    expect(messageOf({ toString: () => "odd" })).toBe("odd");
  });

  test("give the system's code where there is one", () => {
    expect(errnoOf(Object.assign(new Error("x"), { code: "ENOENT" }))).toBe("ENOENT");
    expect(errnoOf(Object.assign(new Error("x"), { code: 5 }))).toBeUndefined();
    expect(errnoOf(null)).toBeUndefined();
    expect(errnoOf("ENOENT")).toBeUndefined();
  });
});

describe("the platform", () => {
  test("has Go's names", () => {
    expect(goOs()).toBe("linux");
    expect(goArch()).toBe(process.arch === "x64" ? "amd64" : "arm64");
  });

  test.each([
    ["NAME=x\nID=debian\nID_LIKE=y\n", "debian"],
    ['ID="opensuse-leap"\n', "opensuse-leap"],
    ["ID='alpine'", "alpine"],
    ["VERSION_ID=12\n", undefined],
    ["", undefined],
  ])("reads the distribution from %p", (text, id) => {
    const folder = mkdtempSync(join(tmpdir(), "rexec-distro-"));
    const file = join(folder, "os-release");
    writeFileSync(file, text);
    expect(distro([file])).toBe(id);
    expect(distro([join(folder, "missing"), file])).toBe(id);
    rmSync(folder, { recursive: true });
  });
});

describe("the account", () => {
  test("is the system's, whatever the environment says", () => {
    const id = Bun.spawnSync(["id", "-un"]).stdout.toString().trim();
    const program = `import { accountOf } from ${JSON.stringify(ACCOUNT)}; console.log(JSON.stringify(accountOf(process.getuid())))`;
    for (const env of [{}, { USER: "somebody", SHELL: "/bin/no", LOGNAME: "somebody" }]) {
      const { stdout } = Bun.spawnSync([process.execPath, "-e", program], { env });
      expect(JSON.parse(stdout.toString()).name).toBe(id);
    }
  });

  test("is read from its line, and is a number where it has none", () => {
    const folder = mkdtempSync(join(tmpdir(), "rexec-passwd-"));
    const file = join(folder, "passwd");
    writeFileSync(
      file,
      "root:x:0:0::/root:/bin/zsh\nada:x:100042:7:Ada,,:/home/ada:\nweb:x:33:33::/var/www:/usr/sbin/nologin\n",
    );
    expect(accountOf(0, file)).toEqual({ name: "root", home: "/root", shell: "/bin/zsh" });
    expect(accountOf(100_042, file)).toEqual({ name: "ada", home: "/home/ada", shell: null });
    expect(accountOf(33, file)).toEqual({ name: "web", home: "/var/www", shell: null });
    expect(accountOf(100_043, file)).toMatchObject({ name: "100043", shell: null });
    rmSync(folder, { recursive: true });
  });
});

describe("closest", () => {
  const commands = ["register", "start", "stop", "status", "unregister", "install", "connect"];
  test.each([
    ["regster", "register"],
    ["sart", "start"],
    ["conect", "connect"],
    ["INSTALL", "install"],
    ["stat", "status"],
    ["xyz", undefined],
    ["", undefined],
  ])("%p means %p", (typed, meant) => {
    expect(closest(typed, commands)).toBe(meant);
  });
});
