import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Terminal } from "../support/terminal.ts";
import { attachmentsOf } from "../support/v2-attachment.ts";
import { V2Gateway } from "../support/v2-gateway.ts";
import { settled, until, within } from "../support/wait.ts";
import { ENTRY, rexec } from "./support/cli.ts";
import { namedPipe, rssOf, sha256, start, startInto, text } from "./support/running.ts";

setDefaultTimeout(20_000);

const sh = (line: string, ...options: string[]) => ["exec", ...options, "box", "--", "sh", "-c", line];
const theRun = (gateway: V2Gateway) => until(() => [...gateway.runs.values()][0], 8_000, "a command");

/** Cuts the line each time that so much more output came, until the promise is settled. @returns how often */
async function cutWhile(gateway: V2Gateway, everyBytes: number, done: Promise<unknown>): Promise<number> {
  const run = await theRun(gateway);
  let cuts = 0;
  let over = false;
  const end = done.finally(() => {
    over = true;
  });
  for (let next = everyBytes; !over; await Promise.race([Bun.sleep(2), end])) {
    if (run.rings[0].end < next || gateway.cut() === 0) continue;
    cuts += 1;
    next = run.rings[0].end + everyBytes;
  }
  return cuts;
}

describe("exec over rexec.v2", () => {
  test("keeps stdout and stderr apart, byte for byte, and hands on the exit code", async () => {
    await using gateway = new V2Gateway();
    const ran = await rexec(sh("printf '\\000\\377out'; printf err >&2; exit 7"), gateway.env);
    expect(ran).toMatchObject({ code: 7, stderr: "err" });
    expect(ran.stdout).toEqual(Buffer.from([0, 0xff, ...Buffer.from("out")]));
  });

  test("hands on stdin, folder and environment", async () => {
    await using gateway = new V2Gateway();
    const args = sh('cat; pwd; echo "$A"', "--cwd", "/usr", "-e", "A=a b");
    const ran = await rexec(args, gateway.env, Buffer.from([1, 2, 0xff, 10]));
    expect(ran.stdout).toEqual(Buffer.concat([Buffer.from([1, 2, 0xff, 10]), Buffer.from("/usr\na b\n")]));
  });

  test("sends no stdin with -n", async () => {
    await using gateway = new V2Gateway();
    const ran = await rexec(["exec", "-n", "box", "--", "wc", "-c"], gateway.env, "not read");
    expect(ran.stdout.toString().trim()).toBe("0");
  });

  test("sends no stdin of a terminal", async () => {
    await using gateway = new V2Gateway();
    const args = ["exec", "box", "--", "wc", "-c"];
    await using terminal = new Terminal([process.execPath, ENTRY, ...args], { env: gateway.env });
    expect((await terminal.exit()).exitCode).toBe(0);
    expect(terminal.shown.trim()).toBe("0");
  });

  test("shows output as it comes, and takes input as it is typed", async () => {
    await using gateway = new V2Gateway();
    await using child = start(["exec", "box", "--", "cat"], gateway.env, "pipe");
    const reader = child.stdout.getReader();
    for (const line of ["one\n", "two\n"]) {
      child.stdin?.write(line);
      await child.stdin?.flush();
      const { value } = await within(reader.read(), 5_000, line);
      expect(Buffer.from(value ?? []).toString()).toBe(line);
    }
    await child.stdin?.end();
    expect(await within(child.exited, 5_000, "the end")).toBe(0);
    expect(await child.stderr.text()).toBe("");
  });

  test("ends with the command, also where stdin is still open", async () => {
    await using gateway = new V2Gateway();
    await using child = start(sh("exit 5"), gateway.env, "pipe");
    expect(await within(child.exited, 8_000, "the end")).toBe(5);
  });

  test("exits with 128 and the number of the signal, and 124 where the time was up", async () => {
    await using gateway = new V2Gateway();
    expect((await rexec(sh("kill -SEGV $$"), gateway.env)).code).toBe(139);
    const late = await rexec(sh("sleep 60", "--timeout", "200ms"), gateway.env);
    expect(late.code).toBe(124);
    expect(late.stderr).toContain("the time was up");
  });

  test("prints one JSON object where that is asked for", async () => {
    await using gateway = new V2Gateway();
    const ran = await rexec(sh("printf '\\377'; echo e >&2; exit 3", "--json"), gateway.env);
    expect(ran.code).toBe(3);
    const said = JSON.parse(ran.stdout.toString());
    expect(said).toMatchObject({
      agent: { name: "box" },
      success: false,
      exit_code: 3,
      signal: null,
      timed_out: false,
      truncated: false,
      stdout: "\ufffd",
      stdout_base64: "/w==",
      stderr: "e\n",
    });
    expect(said.duration_ms).toBeNumber();
  });

  test("collects no more than 16 MiB for that, and says that it is cut", async () => {
    await using gateway = new V2Gateway();
    const ran = await rexec(sh("head -c 20000000 /dev/zero | tr '\\000' a", "--json"), gateway.env);
    const said = JSON.parse(ran.stdout.toString());
    expect(said.truncated).toBe(true);
    expect(said.stdout.length).toBe(16 * 1024 * 1024);
    expect(ran.code).toBe(0);
  });

  test("says why a command could not be started", async () => {
    await using gateway = new V2Gateway({
      onRun: ({ channel }) => ({ type: "refused", channel, code: "failed", message: "fork: no memory" }),
    });
    const ran = await rexec(sh("true"), gateway.env);
    expect(ran).toMatchObject({ code: 255, stderr: "rexec: fork: no memory\n" });
  });
});

describe("a cut line", () => {
  test("changes nothing of stdin, stdout and stderr", async () => {
    await using gateway = new V2Gateway();
    const body = text(30_000_000, 3);
    const done = rexec(["exec", "box", "--", "bash", "--norc", "-c", "tee >(cat >&2)"], gateway.env, body);
    const cuts = await cutWhile(gateway, 2_000_000, done);
    const ran = await done;
    expect(ran.code).toBe(0);
    expect(cuts).toBeGreaterThan(5);
    expect(ran.stdout.length).toBe(body.length);
    expect(sha256(ran.stdout)).toBe(sha256(body));
    expect(sha256(ran.stderr)).toBe(sha256(body));
    expect(gateway.runs.size).toBe(1);
    const asked = gateway.heard.flatMap((message) => (message.type === "run" ? [message.resume] : []));
    expect(asked[0]).toBe(false);
    expect(asked.slice(1).every(Boolean)).toBe(true);
  }, 90_000);

  test("changes nothing of an endless output, in flat memory", async () => {
    await using gateway = new V2Gateway();
    using pipe = namedPipe();
    const bytes = 200_000_000;
    await using child = startInto(pipe.fd, sh(`yes exactly-this | head -c ${bytes}`), gateway.env, "ignore");
    const run = await theRun(gateway);
    await until(() => (attachmentsOf(run)[0]?.cursors[0]?.sent ?? 0) > 0, 10_000, "the flow");
    await settled(() => attachmentsOf(run)[0]?.cursors[0]?.sent ?? 0, 10_000, "the flow to stop", 500);
    const idle = rssOf(child.pid);
    const [hash, expected] = [new Bun.CryptoHasher("sha256"), new Bun.CryptoHasher("sha256")];
    const lines = Buffer.from("exactly-this\n".repeat(1000));
    for (let left = bytes; left > 0; left -= lines.length) expected.update(lines.subarray(0, left));
    let most = 0;
    const reading = (async () => {
      for (let read = 0; read < bytes; ) {
        const chunk = await pipe.read();
        hash.update(chunk);
        read += chunk.length;
        most = Math.max(most, rssOf(child.pid));
      }
    })();
    const cuts = await cutWhile(gateway, 8_000_000, Promise.all([reading, child.exited]));
    expect(cuts).toBeGreaterThan(5);
    expect(hash.digest("hex")).toBe(expected.digest("hex"));
    expect(child.exitCode).toBe(0);
    expect(most - idle).toBeLessThan(40);
  }, 90_000);

  test("that lasts until after the end loses neither output nor exit code", async () => {
    await using gateway = new V2Gateway();
    await using child = start(sh("echo one; sleep 0.7; echo two; exit 9"), gateway.env);
    const run = await theRun(gateway);
    await until(() => attachmentsOf(run)[0]?.cursors[0]?.consumed === 4, 5_000, "the first line");
    await gateway.down();
    await until(() => run.end !== null, 5_000, "the end of the command");
    gateway.up();
    expect(await within(child.exited, 8_000, "the end")).toBe(9);
    expect(await child.stdout.text()).toBe("one\ntwo\n");
  });

  test("between gateway and agent is one more", async () => {
    await using gateway = new V2Gateway();
    await using child = start(sh("echo one; sleep 0.5; echo two"), gateway.env);
    const run = await theRun(gateway);
    await until(() => attachmentsOf(run)[0]?.cursors[0]?.consumed === 4, 5_000, "the first line");
    for (const attachment of attachmentsOf(run)) attachment.close();
    gateway.broadcast({ type: "refused", channel: 0, code: "lost", message: "the agent went offline" });
    expect(await within(child.exited, 8_000, "the end")).toBe(0);
    expect(await child.stdout.text()).toBe("one\ntwo\n");
  });

  test("over which the agent forgot the command is an error that says that it may have run", async () => {
    await using gateway = new V2Gateway();
    await using child = start(sh("echo one; sleep 60"), gateway.env);
    const run = await theRun(gateway);
    await until(() => attachmentsOf(run)[0]?.cursors[0]?.consumed === 4, 5_000, "the first line");
    run.kill();
    gateway.runs.clear();
    gateway.cut();
    expect(await within(child.exited, 8_000, "the end")).toBe(255);
    const said = await child.stderr.text();
    expect(said).toContain("error: the command is gone");
    expect(said).toContain("it may have run");
  });

  test("before the first answer never runs it a second time", async () => {
    let asked = 0;
    await using gateway = new V2Gateway({
      onRun: () => {
        asked += 1;
        if (asked === 1) gateway.cut();
        return undefined;
      },
    });
    const ran = await rexec(sh("echo ran"), gateway.env);
    expect(gateway.runs.size).toBe(1);
    expect(ran.stdout.toString()).toBe("ran\n");
    const resumes = gateway.heard.flatMap((message) => (message.type === "run" ? [message.resume] : []));
    expect(resumes).toEqual([false, true]);
  });
});

describe("signals", () => {
  test("reach the command first: the exit code is what it makes of them", async () => {
    await using gateway = new V2Gateway();
    for (const [signal, code] of [
      ["SIGINT", 11],
      ["SIGTERM", 12],
    ] as const) {
      gateway.runs.clear();
      const line = "trap 'exit 11' INT; trap 'exit 12' TERM; echo up; while :; do sleep 0.05; done";
      await using child = start(sh(line), gateway.env);
      const run = await theRun(gateway);
      await until(() => attachmentsOf(run)[0]?.cursors[0]?.consumed === 3, 5_000, "the command");
      child.kill(signal);
      expect(await within(child.exited, 5_000, "the end")).toBe(code);
      expect(run.signals).toEqual([signal]);
    }
  });

  test("end a command that does not mind: 128 and the number", async () => {
    await using gateway = new V2Gateway();
    await using terminal = new Terminal([process.execPath, ENTRY, ...sh("echo up; exec sleep 60")], {
      env: gateway.env,
    });
    await terminal.see("up");
    await terminal.type("\x03");
    expect((await terminal.exit()).exitCode).toBe(130);
  });

  test("that come twice leave at once, and hang the command up", async () => {
    await using gateway = new V2Gateway();
    await using child = start(sh("trap '' INT; echo up; sleep 60"), gateway.env);
    const run = await theRun(gateway);
    await until(() => attachmentsOf(run)[0]?.cursors[0]?.consumed === 3, 5_000, "the command");
    child.kill("SIGINT");
    await until(() => run.signals.length === 1, 5_000, "the signal");
    child.kill("SIGINT");
    expect(await within(child.exited, 5_000, "the end")).toBe(130);
    expect(gateway.heard.at(-1)?.type).toBe("detach");
    expect(await child.stderr.text()).toContain("interrupted; the command was hung up");
  });

  test("are not needed where nobody reads any more: the command is hung up", async () => {
    await using gateway = new V2Gateway();
    const line = `${process.execPath} ${ENTRY} exec box -- yes | head -n 1; echo $PIPESTATUS`;
    const shell = Bun.spawn(["/bin/bash", "--norc", "-c", line], { env: gateway.env, stdin: "ignore" });
    expect(await within(shell.stdout.text(), 8_000, "the end")).toBe("y\n141\n");
    await until(() => gateway.heard.at(-1)?.type === "detach", 2_000, "the farewell");
  });

  test("that come while the line is cut are delivered afterwards", async () => {
    await using gateway = new V2Gateway();
    await using child = start(sh("trap 'exit 11' INT; echo up; while :; do sleep 0.05; done"), gateway.env);
    const run = await theRun(gateway);
    await until(() => attachmentsOf(run)[0]?.cursors[0]?.consumed === 3, 5_000, "the command");
    await gateway.down();
    await Bun.sleep(100);
    child.kill("SIGINT");
    await Bun.sleep(100);
    gateway.up();
    expect(await within(child.exited, 5_000, "the end")).toBe(11);
  });
});

describe("exec -t", () => {
  test("is refused where the agent would have started a shell in its place, and that shell is ended", async () => {
    await using gateway = new V2Gateway();
    const ran = await within(rexec(["exec", "-t", "box", "--", "x"], gateway.env), 10_000, "the end");
    expect(ran.code).toBe(255);
    expect(ran.stderr).toContain("cannot run a single command on a terminal");
    await until(() => gateway.heard.some(({ type }) => type === "kill"), 2_000, "the shell's end");
  });
});
