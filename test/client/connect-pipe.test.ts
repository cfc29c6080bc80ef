import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { until, within } from "../support/wait.ts";
import { ENTRY, loggedIn, rexec, temporaryHome } from "./support/cli.ts";
import { AGENT_ID, V1Server } from "./support/v1-server.ts";

describe("connect without a terminal", () => {
  test("runs what comes through the pipe in a shell of its own and exits as that does", async () => {
    await using server = new V1Server();
    const ran = await rexec(["connect", "box"], loggedIn(server.url), "echo $((6*7)); exit 3\n");
    expect(ran).toMatchObject({ code: 3, stderr: "" });
    expect(ran.stdout.toString()).toMatch(/[\r\n]42\r\n/);
    expect(server.queries[0]).toContain("newSession=true");
  });

  test("ends the shell where the pipe ends, also after a command that takes its time", async () => {
    await using server = new V1Server();
    const ran = await rexec(["connect", "box"], loggedIn(server.url), "sleep 1; echo a$((6*7))\nfalse\n");
    expect(ran.code).toBe(1);
    expect(ran.stdout.toString()).toContain("a42");
  });

  test("passes 30 MB on whole, to a reader that takes its time", async () => {
    const size = 30_000_000;
    const text = Buffer.alloc(size, `${"x".repeat(99)}\n`);
    using home = temporaryHome();
    const file = join(home.path, "big");
    await Bun.write(file, text);
    await using server = new V1Server({
      shell: { file: "/bin/sh", args: ["-c", `stty raw -echo; cat ${file}; exit 9`] },
    });
    const script = `"$0" "$1" connect box </dev/null | (sleep 1; sha256sum); echo "\${PIPESTATUS[0]}"`;
    const child = Bun.spawn(["/bin/bash", "-c", script, process.execPath, ENTRY], {
      env: loggedIn(server.url),
      stdin: "ignore",
      stdout: "pipe",
    });
    const hash = new Bun.CryptoHasher("sha256").update(text).digest("hex");
    expect(await child.stdout.text()).toBe(`${hash}  -\n9\n`);
  }, 30_000);

  test("does not read ahead of a screen that stands still", async () => {
    await using server = new V1Server({
      shell: { file: "/bin/sh", args: ["-c", "stty raw -echo; exec yes"] },
    });
    // A pipe that nobody reads: Bun would read one of its own.
    const script = 'exec 3> >(exec sleep 30 >&2); exec "$0" "$1" connect box </dev/null >&3';
    const child = Bun.spawn(["/bin/bash", "-c", script, process.execPath, ENTRY], {
      env: loggedIn(server.url),
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
      detached: true, // a process group of its own: nobody ends the reader otherwise
    });
    const memory = () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]);
    expect(await steady(() => server.sent)).toBeLessThan(64 * 1024 * 1024);
    expect(memory()).toBeLessThan(200 * 1024); // KiB
    process.kill(child.pid, "SIGTERM");
    expect(await within(child.exited, 3_000, "the end")).toBe(143);
    process.kill(-child.pid, "SIGKILL");
  }, 15_000);

  test("fails where the connection is lost: nobody would see what was not done", async () => {
    await using server = new V1Server();
    const child = Bun.spawn([process.execPath, ENTRY, "connect", "box"], {
      env: loggedIn(server.url),
      stdin: "pipe",
      stdout: "ignore",
      stderr: "pipe",
    });
    await until(() => server.sockets.size === 1, 5_000, "the connection");
    await server.kill();
    expect(await within(child.exited, 5_000, "the end")).toBe(255);
    expect(await child.stderr.text()).toContain("error: the connection was lost");
  });

  test("is quiet where the reader leaves", async () => {
    await using server = new V1Server({
      shell: { file: "/bin/sh", args: ["-c", "stty raw -echo; exec yes abc"] },
    });
    const script = `"$0" "$1" connect box </dev/null | head -1; echo "\${PIPESTATUS[0]}"`;
    const child = Bun.spawn(["/bin/bash", "-c", script, process.execPath, ENTRY], {
      env: loggedIn(server.url),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    expect(await child.stdout.text()).toBe("abc\n141\n");
    expect(await child.stderr.text()).toBe("");
  });
});

test("agents are reached by their full id, too", async () => {
  await using server = new V1Server();
  const ran = await rexec(["connect", `agent:${AGENT_ID}`], loggedIn(server.url), "exit 2\n");
  expect(ran.code).toBe(2);
});

/** Waits until a figure has stopped growing, and tells it. */
async function steady(read: () => number): Promise<number> {
  let last = -1;
  let same = 0;
  return until(
    () => {
      const now = read();
      same = now === last ? same + 1 : 0;
      last = now;
      return same > 30 && now > 0 ? now : null;
    },
    10_000,
    "it to stand still",
  );
}
