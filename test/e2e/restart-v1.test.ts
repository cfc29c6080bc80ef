/** Restarting in place where the server speaks rexec.v1, and where it does not go well. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readProcess } from "../../src/pty/procfs.ts";
import { binary } from "../support/binaries.ts";
import { BuiltAgent } from "../support/built-agent.ts";
import { V1Server } from "../support/v1-server.ts";
import { until } from "../support/wait.ts";

setDefaultTimeout(60_000);

const CHECKED = `if [ "$REXEC_HANDOVER" = check ]; then echo '{"handover":[1],"version":"9.9.9"}'; AFTER; exit 0; fi`;

/** Server and agent, with one shell that has printed its prompt. */
async function start(env: Record<string, string> = {}) {
  const server = new V1Server();
  const agent = new BuiltAgent(server, env);
  await server.connected();
  server.start();
  await server.printed("$ ");
  return {
    server,
    agent,
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await server.stop();
    },
  };
}

describe.each(["native", "bun"])("with a server of rexec.v1, terminals on the %s backend", (backend) => {
  test("a shell and its output go on, byte for byte, and its exit code arrives", async () => {
    await using world = await start({ REXEC_PTY: backend });
    const { server, agent } = world;
    server.type("stty -echo; kept=yes; echo be''gin; seq 1 300000; echo en''d pid=$$\n");
    await server.printed("begin");
    for (let turn = 1; turn <= 3; turn += 1) {
      agent.signal("SIGUSR2");
      await agent.restarted(turn);
    }
    await server.printed(/end pid=\d+/);
    const [, shown = ""] = /begin\r\n(.*)end pid=/s.exec(server.output()) ?? [];
    const wanted = Array.from({ length: 300_000 }, (_, at) => `${at + 1}\r\n`).join("");
    expect(shown === wanted).toBe(true);
    server.type("echo [$kept]; exit 3\n");
    await server.printed("[yes]");
    expect((await server.reached("stopped")).exitCode).toBe(3);
  });

  test("another shell can be started, resized and ended afterwards", async () => {
    await using world = await start({ REXEC_PTY: backend });
    const { server, agent } = world;
    expect((await agent.command("restart")).code).toBe(0);
    server.send("shell_resize", { session_id: "main", cols: 91, rows: 33 });
    server.type("stty size\n");
    await server.printed("33 91");
    server.start("other", true);
    await server.printed("$ ", "other");
    server.type("grep SigIgn /proc/self/status; ls /proc/self/fd | wc -l\n", "other");
    await server.printed(/SigIgn:\s+0{16}/, "other");
    server.send("shell_stop", {});
    await server.reached("stopped");
    expect((await server.reached("stopped")).signal).toBe("SIGHUP");
  });
});

test("a paste that was refused in its middle stays refused afterwards: it has one end and no hole", async () => {
  await using world = await start();
  const { server, agent } = world;
  server.type("stty raw -echo; echo rea''dy; sleep 600\n");
  await server.printed("ready");
  const refused = () =>
    until(() => server.session()?.error?.includes("does not read"), 10_000, "the refusal");
  const piece = Buffer.alloc(64_000, "x");
  for (let sent = 0; sent < 9_000_000; sent += piece.length) server.type(piece);
  await refused();
  agent.signal("SIGUSR2");
  await agent.restarted(1);
  const session = server.session();
  if (session) session.error = "";
  server.type("a piece that there would be room for");
  await refused();
});

describe("where it does not go well", () => {
  test("a program that is not there, none, broken or too old is refused, and nothing happens", async () => {
    await using world = await start();
    const { server, agent } = world;
    const bad = {
      missing: "/nowhere/rexec-agent",
      notExecutable: "/etc/hostname",
      broken: agent.program("broken", "echo cannot run >&2; exit 1"),
      old: agent.program("old", `echo '{"handover":[],"version":"0.0.1"}'`),
    };
    for (const path of Object.values(bad)) {
      expect(await agent.restartWith(path)).toMatchObject({ ok: false, code: "restart_refused" });
    }
    expect(server.connections).toBe(1);
    server.type("echo a''live\n");
    await server.printed("alive");
  });

  test("a configuration that will not do any more is refused", async () => {
    await using world = await start();
    const { server, agent } = world;
    await Bun.write(`${agent.folder}/agent.json`, "{ nonsense");
    const answer = await agent.restartWith(binary("rexec-agent"));
    expect(answer).toMatchObject({ ok: false, code: "restart_refused" });
    server.type("echo a''live\n");
    await server.printed("alive");
  });

  test("where execve fails the agent goes on as before", async () => {
    await using world = await start();
    const { server, agent } = world;
    const before = agent.descriptors;
    const vanishing = agent.program("vanishing", CHECKED.replace("AFTER", 'rm "$0"'));
    server.type("kept=yes; stty -echo; echo be''gin; seq 1 300000; echo en''d\n");
    await server.printed("begin");
    expect(await agent.restartWith(vanishing)).toMatchObject({ ok: true, version: "9.9.9" });
    await server.connected(2);
    await until(
      async () => (await agent.status())?.restart?.problem,
      5_000,
      () => "the problem to be told",
    );
    await server.printed("end");
    const [, shown = ""] = /begin\r\n(.*)end/s.exec(server.output()) ?? [];
    expect(shown === Array.from({ length: 300_000 }, (_, at) => `${at + 1}\r\n`).join("")).toBe(true);
    server.type("echo [$kept]\n");
    await server.printed("[yes]");
    expect(agent.descriptors).toBeLessThanOrEqual(before);
    expect((await agent.command("restart")).text).toContain("1 shell and 0 commands kept");
  });

  test("a program that cannot read what it is left hangs the shells up and says so", async () => {
    await using world = await start();
    const { server, agent } = world;
    // The envelope begins behind 16 bytes with {"version":1
    const scrambler = agent.program(
      "scrambler",
      `${CHECKED.replace("AFTER", ":")}
      printf 9 | dd of=/proc/self/fd/$REXEC_HANDOVER bs=1 seek=27 conv=notrunc 2>/dev/null
      exec ${binary("rexec-agent")} "$@"`,
    );
    server.type("echo pid=$$\n");
    await server.printed(/pid=\d+/);
    const pid = Number(/pid=(\d+)/.exec(server.output())?.[1]);
    const before = agent.descriptors;
    expect(await agent.restartWith(scrambler)).toMatchObject({ ok: true });
    await server.connected(2);
    await until(
      () => readProcess(pid) === null,
      5_000,
      () => `the shell to be gone; the agent says:\n${agent.log}`,
    );
    expect(agent.log).toContain("1 shell(s) and command(s) are ended");
    await until(
      () => agent.descriptors <= before,
      5_000,
      () => `${agent.descriptors} to be ${before}`,
    );
    server.start();
    await until(
      () => server.session()?.state === "started",
      5_000,
      () => "another shell",
    );
  });
});

test("50 shells go on, and 20 restarts leave neither descriptors nor memory behind", async () => {
  await using world = await start();
  const { server, agent } = world;
  const names = Array.from({ length: 49 }, (_, at) => `shell-${at}`);
  for (const name of names) server.start(name, true);
  for (const name of names) {
    await server.printed("$ ", name);
    server.type(`n=${name}\n`, name);
  }
  expect((await agent.command("restart")).text).toContain("50 shells");
  const before = { descriptors: agent.descriptors, rss: agent.rss };
  for (let turn = 2; turn <= 21; turn += 1) {
    agent.signal("SIGUSR2");
    await agent.restarted(turn);
  }
  // Whoever asked over the control socket a moment ago may still be connected.
  await until(
    () => agent.descriptors <= before.descriptors,
    5_000,
    () => `${agent.descriptors} descriptors to be ${before.descriptors}`,
  );
  expect(agent.rss).toBeLessThan(before.rss + 8 * 1024 * 1024);
  for (const name of names) {
    server.type("echo [$n]\n", name);
    await server.printed(`[${name}]`, name);
  }
  expect((await agent.status())?.sessions).toBe(50);
});
