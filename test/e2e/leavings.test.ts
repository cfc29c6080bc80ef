import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageCache } from "../../scripts/ensure-deps.ts";
import { Terminal } from "../support/terminal.ts";
import { until, within } from "../support/wait.ts";

setDefaultTimeout(60_000);

/** The README's commands, in a home and a folder for temporary files that must be as empty afterwards. */
const ROOT = join(import.meta.dir, "..", "..");
const DEMO = join(ROOT, "scripts", "demo.ts");
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rexec-leavings-"));
  for (const name of ["home", "tmp"]) mkdirSync(join(folder, name));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function environment(): Record<string, string> {
  const { PATH = "" } = process.env;
  const own = { HOME: join(folder, "home"), TMPDIR: join(folder, "tmp"), MARK: folder };
  // As package.json has it for every script.
  const runtime = { BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0", BUN_INSTALL_CACHE_DIR: packageCache() };
  return { PATH, SHELL: "/bin/bash", ...runtime, ...own };
}

/** The demo with a command that never ends, once that runs. */
async function busyDemo(launcher: readonly string[]) {
  const demo = Bun.spawn([...launcher, "--exec", "nohup sleep 4711 >/dev/null & echo rea''dy; sleep 4712"], {
    env: environment(),
    cwd: ROOT,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
    detached: true, // a process group of its own, as a shell gives it
  });
  let text = "";
  const reading = (async () => {
    for await (const chunk of demo.stdout) {
      text += Buffer.from(chunk).toString();
      if (text.includes("ready")) return;
    }
    throw new Error(`the demo ended: ${text}`);
  })();
  await within(reading, 40_000, "the demo's command to run");
  return demo;
}

/** Files in the home and the temporary folder, and processes that were started with this environment. */
function left(): { files: string[]; processes: string[] } {
  const files = readdirSync(folder, { recursive: true }).map(String);
  const processes = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => read(`/proc/${pid}/environ`).includes(`MARK=${folder}`))
    .map((pid) => read(`/proc/${pid}/cmdline`).replaceAll("\0", " "));
  return { files: files.filter((name) => name !== "home" && name !== "tmp"), processes };
}

async function nothingLeft(): Promise<void> {
  const isClean = () => left().files.length + left().processes.length === 0;
  await until(isClean, 20_000, () => `nothing to be left, but there is ${JSON.stringify(left())}`);
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // it has ended, or is another account's
  }
}

describe("the demo leaves no file and no process behind", () => {
  test("when its command has ended", async () => {
    // As the README has it, with nothing set.
    const { BUN_RUNTIME_TRANSPILER_CACHE_PATH: _, ...env } = environment();
    const demo = Bun.spawn([process.execPath, "run", "demo", "--exec", "echo done; exit 7"], {
      env,
      cwd: ROOT,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
    });
    expect(await demo.stdout.text()).toBe("done\n");
    expect(await demo.exited).toBe(7);
    expect(left()).toEqual({ files: [], processes: [] });
  });

  for (const signal of ["SIGHUP", "SIGTERM", "SIGKILL"] as const) {
    test(`when it gets ${signal}`, async () => {
      const demo = await busyDemo([process.execPath, DEMO]);
      demo.kill(signal);
      await within(demo.exited, 20_000, "the demo to end");
      await nothingLeft();
    });
  }

  test("when its whole process group is killed", async () => {
    const demo = await busyDemo([process.execPath, DEMO]);
    process.kill(-demo.pid, "SIGKILL");
    await nothingLeft();
  });

  test("when what has started it is killed", async () => {
    const demo = await busyDemo([process.execPath, "run", "demo"]);
    demo.kill("SIGKILL");
    await nothingLeft();
  });

  test("when its window is closed, and its shell's history stays there", async () => {
    const terminal = new Terminal([process.execPath, DEMO], { env: environment(), cwd: ROOT, cols: 120 });
    await terminal.see(/[$#] $/, 40_000);
    await terminal.type("echo typed-$((40+2)) in $HOME; nohup sleep 4713 >/dev/null 2>&1 &\r");
    await terminal.see("typed-42");
    await terminal[Symbol.asyncDispose]();
    await nothingLeft();
  });
});

describe("the tests leave no file and no process behind", () => {
  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    test(`when they get ${signal}`, async () => {
      const words = [process.execPath, join(ROOT, "scripts", "test.ts"), "test/pty/ending"];
      const tests = Bun.spawn(words, {
        env: environment(),
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
      });
      // The file runs.
      await until(
        () => left().processes.some((line) => line.includes("./test/pty/ending")),
        40_000,
        "a test to run",
      );
      tests.kill(signal);
      await within(tests.exited, 20_000, "the tests to end");
      await nothingLeft();
    });
  }
});
