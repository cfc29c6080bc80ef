import { heapStats } from "bun:jsc";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isAlive, readProcess } from "../../src/pty/procfs.ts";
import { PtyClosedError } from "../../src/pty/pty.ts";
import { until, within } from "../support/wait.ts";
import { backends, inForeground, members, open, readAll, readUntil, script } from "./sessions.ts";

setDefaultTimeout(20_000);

/** The process whose pid the output names after `word=`. */
function named(word: string, text: string) {
  const pid = Number(new RegExp(`${word}=(\\d+)`).exec(text)?.[1]);
  const entry = readProcess(pid);
  if (entry === null) throw new Error(`no process ${word} in ${JSON.stringify(text)}`);
  return entry;
}

describe.each(backends)("the end of a session on the %s backend", (backend) => {
  test("comes soon after the shell's exit although a background job keeps the terminal open", async () => {
    const pty = open(backend, { file: "/bin/bash", args: ["--norc", "-i"] });
    await pty.write(Buffer.from("sleep 1000 & echo job=$!; seq 20000; exit 4\r"));
    const before = performance.now();
    const text = (await readAll(pty)).toString();
    expect(text).toContain("\r\n20000\r\n");
    expect(await pty.exited).toEqual({ exitCode: 4, signal: null });
    expect(performance.now() - before).toBeLessThan(2_000);
    const job = named("job", text);
    await pty.close(); // the leader went by itself: what it left running stays, as with any terminal
    expect(isAlive(job)).toBe(true);
    process.kill(job.pid, "SIGKILL");
  });

  test("comes although a background job writes on for ever", async () => {
    const pty = open(backend, { file: "/bin/bash", args: ["--norc", "-i"] });
    await pty.write(
      Buffer.from("(trap '' HUP; while :; do echo on; sleep 0.02; done) & echo job=$!; exit 0\r"),
    );
    const text = await within(readAll(pty), 5_000, "the end of the output");
    const job = named("job", text.toString());
    expect(await pty.exited).toEqual({ exitCode: 0, signal: null });
    // Its terminal is gone; that it ignores SIGHUP lets it run into EIO by itself.
    if (isAlive(job)) process.kill(job.pid, "SIGKILL");
  });

  test("does not come while the program has only closed its terminal for a moment", async () => {
    const pty = script(backend, "exec <&- >&- 2>&-; sleep 0.3; exec >/dev/tty; echo back; exit 6");
    const text = (await readAll(pty)).toString();
    expect(await pty.exited).toEqual({ exitCode: 6, signal: null });
    if (backend === "native") expect(text).toBe("back\r\n"); // Bun's own terminal gives up at the first EIO
  });

  if (backend === "native")
    test("is waited for without a promise more for each try, while no process has the terminal open", async () => {
      const pty = script(backend, "exec <&- >&- 2>&-; exec sleep 1000");
      const end = readAll(pty, 20_000);
      const kept = async (ms: number) => {
        await Bun.sleep(ms); // tries come by the clock
        Bun.gc(true);
        const { SlimPromiseReaction: slim = 0, PromiseReaction: other = 0 } = heapStats().objectTypeCounts;
        return slim + other;
      };
      const before = await kept(300);
      expect(await kept(2_000)).toBeLessThan(before + 10);
      await pty.close();
      expect((await end).toString()).toBe("");
    });

  test("close() ends a shell with its jobs at once", async () => {
    const pty = open(backend, { file: "/bin/bash", args: ["--norc", "-i"] });
    await pty.write(Buffer.from("sleep 1000 & sleep 1001 | cat & echo rea'dy'; sleep 1002\r"));
    await readUntil(pty, "ready");
    await until(() => members(pty.pid).length >= 5, 2_000, "the shell and its four jobs");
    const before = performance.now();
    const exit = await pty.close(2_000);
    expect(exit).toEqual({ exitCode: null, signal: "SIGHUP" });
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(members(pty.pid)).toEqual([]);
    expect(readProcess(pty.pid)).toBeNull();
  });

  test("close() ends a program at once that took the place of one which had SIGHUP in hand", async () => {
    // As a shell's child does between fork and exec: its handler takes the signal, and the next program knows nothing.
    const deaf = "trap 'exec sleep 1003' HUP; echo rea\"\"dy; while :; do sleep 0.01; done";
    const pty = script(backend, deaf);
    await readUntil(pty, "ready");
    const before = performance.now();
    expect(await pty.close(5_000)).toEqual({ exitCode: null, signal: "SIGHUP" });
    expect(performance.now() - before).toBeLessThan(4_000);
    expect(members(pty.pid)).toEqual([]);
  });

  test("close() does not go on telling a program that handles SIGHUP", async () => {
    const careful =
      "trap 'echo told >&3' HUP; echo rea\"\"dy; i=0; while [ $i -lt 40 ]; do sleep 0.02; i=$((i+1)); done";
    const file = join(mkdtempSync(join(tmpdir(), "rexec-ending-")), "told");
    const pty = script(backend, `exec 3>${file}; ${careful}`);
    await readUntil(pty, "ready");
    await pty.close(5_000);
    // By us, and by the kernel as the terminal goes.
    expect(readFileSync(file, "utf8")).toMatch(/^(told\n){1,2}$/);
    rmSync(dirname(file), { recursive: true });
  });

  test("close() right after the start ends it as well", async () => {
    const ptys = Array.from({ length: 20 }, () => script(backend, "sleep 1000 & sleep 1001; echo on"));
    const exits = await Promise.all(ptys.map((pty) => pty.close(2_000)));
    expect(exits.map((exit) => exit.signal)).toEqual(ptys.map(() => "SIGHUP"));
    expect(ptys.flatMap((pty) => members(pty.pid))).toEqual([]);
  });

  test("close() reaches stopped jobs too", async () => {
    const pty = open(backend, { file: "/bin/bash", args: ["--norc", "-i"] });
    await pty.write(Buffer.from("sleep 1000\r"));
    await inForeground(pty.pid, "sleep");
    await pty.write(Buffer.from("\x1a"));
    await readUntil(pty, "Stopped");
    await pty.close(2_000);
    expect(members(pty.pid)).toEqual([]);
  });

  test("close() kills a shell that ignores SIGHUP after the grace period, and not before", async () => {
    const pty = script(backend, "trap '' HUP; echo ready; while :; do sleep 0.05; done 2>/dev/null");
    await readUntil(pty, "ready");
    const before = performance.now();
    expect(await pty.close(300)).toEqual({ exitCode: null, signal: "SIGKILL" });
    expect(performance.now() - before).toBeWithin(290, 1_500);
    await until(() => members(pty.pid).length === 0, 1_000, "its last sleep to end");
  });

  test("close() kills a job that catches SIGHUP and stays", async () => {
    const pty = script(backend, "sh -c 'trap : HUP; echo ready; while :; do sleep 0.05; done'; exit 0");
    await readUntil(pty, "ready");
    await pty.close(300);
    await until(() => members(pty.pid).length === 0, 1_000, "the job to end");
  });

  test("close() leaves what runs under nohup", async () => {
    const pty = open(backend, { file: "/bin/bash", args: ["--norc", "-i"] });
    await pty.write(Buffer.from("nohup sleep 1000 >/dev/null 2>&1 & echo job=$! rea'dy'\r"));
    const job = named("job", await readUntil(pty, "ready"));
    await until(
      () =>
        Bun.file(`/proc/${job.pid}/comm`)
          .text()
          .then((name) => name === "sleep\n"),
      2_000,
      "sleep",
    );
    await pty.close(1_000);
    expect(isAlive(job)).toBe(true);
    process.kill(job.pid, "SIGKILL");
  });

  test("close() ends a pending read and a pending write, and may be called twice", async () => {
    const pty = script(backend, "stty raw -echo; echo ready; sleep 1000");
    await readUntil(pty, "ready");
    const write = pty.write(new Uint8Array(1_000_000)).then(
      () => "written",
      (error: unknown) => error,
    );
    const read = readAll(pty);
    const [first, second] = await Promise.all([pty.close(1_000), pty.close(1_000)]);
    expect(first).toEqual({ exitCode: null, signal: "SIGHUP" });
    expect(second).toEqual(first);
    expect(await within(write, 1_000, "the write to give up")).toBeInstanceOf(PtyClosedError);
    await within(read, 1_000, "the read to end");
  });

  test("close() works on a session that nobody has read", async () => {
    const pty = script(backend, "yes");
    await until(
      () => readProcess(pty.pid)?.state === "S" || members(pty.pid).length > 1,
      2_000,
      "yes to run",
    );
    expect((await within(pty.close(1_000), 2_000, "the end")).signal).toBe("SIGHUP");
  });
});
