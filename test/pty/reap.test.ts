import { expect } from "bun:test";
import { join } from "node:path";
import { testUnless, whyNoUserNamespace } from "../support/needs.ts";
import { within } from "../support/wait.ts";

const source = join(import.meta.dir, "../../src/pty");

testUnless(whyNoUserNamespace())(
  "as process 1 it reaps the orphans it is given, and takes no exit status from PTYs or children",
  async () => {
    // Run as process 1 of a namespace of its own. Each shell leaves an orphan behind that dies 50 ms later.
    const program = `
    import { startReaper, inheritsOrphans } from "${source}/reap.ts";
    import { listProcesses } from "${source}/procfs.ts";
    import { loadAddon } from "${source}/addon.ts";
    import { NativePty } from "${source}/native.ts";
    import { BunTerminalPty } from "${source}/bun-terminal.ts";
    const zombies = () => listProcesses().filter((p) => p.state === "Z").length;
    const options = { file: "/bin/sh", args: ["-c", "(setsid sleep 0.05 &) ; sleep 0.0$((RANDOM % 9)); exit 5"],
      env: { PATH: "/usr/bin:/bin" }, cwd: "/", cols: 80, rows: 24 };
    const addon = loadAddon();
    const run = async (pty) => { while ((await pty.read()) !== null); return (await pty.exited).exitCode; };
    const some = () => Promise.all([...Array(10)].flatMap(() => [
      run(new NativePty(addon, options)), run(new BunTerminalPty(options)), Bun.spawn(["sh", "-c", "exit 5"]).exited ]));
    const codes = await some();
    await Bun.sleep(200);
    const unreaped = zombies();
    const stop = startReaper({ everyMs: 20, confirmMs: 100 });
    codes.push(...await some(), ...await some());
    for (const end = performance.now() + 3000; zombies() > 0 && performance.now() < end; ) await Bun.sleep(20);
    stop();
    console.log(JSON.stringify({ pid: process.pid, inherits: inheritsOrphans(), unreaped, left: zombies(),
      codes: codes.length, wrong: codes.filter((c) => c !== 5).length }));`;
    const child = Bun.spawn(
      [
        "unshare",
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--mount-proc",
        process.execPath,
        "-e",
        program,
      ],
      { stderr: "pipe" },
    );
    const [out, err] = await within(
      Promise.all([child.stdout.text(), child.stderr.text()]),
      15_000,
      "process 1",
    );
    if (out === "") throw new Error(err);
    const result = JSON.parse(out);
    expect(result).toMatchObject({ pid: 1, inherits: true, left: 0, codes: 90, wrong: 0 });
    expect(result.unreaped).toBeGreaterThan(0); // without the reaper they stay
  },
  20_000,
);
