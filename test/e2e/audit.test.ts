/** The audit log, as its readers use it: the executables, real commands, and a hand in the database file. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tamper } from "../gateway/audit/support.ts";
import { binary } from "../support/binaries.ts";
import { until, within } from "../support/wait.ts";
import { World } from "./support.ts";

const SECRET = "hunter2-in-e";

let world: World;
beforeAll(async () => {
  world = await World.start();
}, 60_000);
afterAll(() => world[Symbol.asyncDispose]());

const data = () => join(world.folder, "gateway");

async function audit(...args: string[]) {
  const { code, stdout, stderr } = await world.rexec(["audit", ...args]);
  expect([stderr, code]).toEqual(["", 0]);
  return stdout.toString();
}

interface Entry {
  action: string;
  seq: number;
  user?: { name: string };
  details: Record<string, unknown>;
}
const entries = async (...args: string[]): Promise<Entry[]> => JSON.parse(await audit("--json", ...args));

describe("rexec audit", () => {
  test("tells of commands with their exit codes, and of no value of -e", async () => {
    const ran = await world.rexec([
      "exec",
      "box",
      "-e",
      `FOO=${SECRET}`,
      "--",
      "sh",
      "-c",
      'echo "$FOO"; exit 7',
    ]);
    expect([ran.code, ran.stdout.toString()]).toEqual([7, `${SECRET}\n`]);
    const odd = await world.rexec([
      "exec",
      "box",
      "-e",
      `ODD=${SECRET}!`,
      "--cwd",
      "/",
      "--",
      "docker-ish",
      "-e",
      `BAR=${SECRET}`,
    ]);
    expect(odd.code).not.toBe(0);
    const done = await until(
      async () => {
        const found = await entries("--action", "exec.finished");
        return found.length >= 2 && found.reverse();
      },
      5_000,
      "both commands",
    );
    expect(done[0]).toMatchObject({ user: { name: "admin" }, details: { exit_code: 7, env: "FOO=…" } });
    expect(done[0]?.details.command).toBe(`sh -c 'echo "$FOO"; exit 7'`);
    expect(done[1]?.details).toMatchObject({ cwd: "/", env: "ODD=…", command: "docker-ish -e 'BAR=…'" });
    expect(JSON.stringify(await entries("--limit", "1000"))).not.toContain(SECRET);
    expect(await audit("--limit", "1000")).not.toContain(SECRET);
    // What a command line holds moves no cursor of its reader.
    await world.rexec(["exec", "box", "--", "echo", "\x1b]0;evil\x07\u202e\x9b2J"]);
    for (const form of [[], ["--json"], ["--jsonl"]]) {
      const text = await until(
        async () => {
          const shown = await audit("--action", "exec.finished", ...form);
          return shown.includes("evil") && shown;
        },
        5_000,
        "the command",
      );
      expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    }
  });

  test("hides values of exec on a terminal as well", async () => {
    await using terminal = world.terminal([
      "exec",
      "-t",
      "box",
      "-e",
      `TTY_FOO=${SECRET}`,
      "--",
      "sh",
      "-c",
      "echo ready; read x",
    ]);
    await terminal.see("ready", 15_000);
    await terminal.type("\r");
    await terminal.exit();
    const [opened] = await until(
      async () => {
        const found = await entries("--action", "session.opened");
        return found.length > 0 && found;
      },
      5_000,
      "the session",
    );
    expect(opened?.details).toMatchObject({ command: "sh -c 'echo ready; read x'" });
    expect(String(opened?.details.env)).toContain("TTY_FOO=…");
    expect(JSON.stringify(await entries("--limit", "1000"))).not.toContain(SECRET);
    await until(
      async () =>
        (await entries("--action", "session.left")).some(({ details }) => Number(details.bytes_in) > 0),
      5_000,
      "the end",
    );
  });

  test("follows what happens, and survives a restart of the gateway", async () => {
    const child = Bun.spawn(
      [binary("rexec"), "audit", "-f", "--json", "--limit", "0", "--action", "exec.started"],
      {
        env: world.stack.clientEnv,
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    let text = "";
    void (async () => {
      for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) text += piece;
    })();
    try {
      await until(
        async () => {
          await world.rexec(["exec", "box", "--", "echo", "followed"]);
          return text.includes("echo followed");
        },
        20_000,
        "the first command",
      );
      await world.stack.stopGateway();
      await world.stack.startGateway();
      await until(() => world.isOnline(), 20_000, "the agent");
      await world.rexec(["exec", "box", "--", "echo", "after-restart"]);
      await until(() => text.includes("echo after-restart"), 40_000, "the command after the restart");
      for (const line of text.split("\n").filter(Boolean))
        expect(JSON.parse(line).action).toBe("exec.started");
    } finally {
      child.kill();
    }
  }, 90_000);

  test("shows a table, lines for export, and what is wrong with a time", async () => {
    expect(await audit("--limit", "5")).toMatch(/^TIME +USER +FROM +ACTION +AGENT +WHAT\n/);
    const lines = (await audit("--jsonl", "--limit", "50"))
      .trim()
      .split("\n")
      .map((line): Entry => JSON.parse(line));
    expect(lines.map(({ seq }) => seq)).toEqual(lines.map(({ seq }) => seq).toSorted((a, b) => a - b));
    expect(await entries("--since", "1h", "--until", "30m")).toEqual([]);
    expect((await world.rexec(["audit", "--since", "yesterday-ish"])).code).toBe(2);
    expect((await world.rexec(["audit", "--limit", "-1"])).code).toBe(2);
  });
});

describe("rexec admin audit", () => {
  const verify = (...args: string[]) => world.rexec(["admin", "audit", "verify", "--data", data(), ...args]);

  test("checks and exports the log beside the running gateway", async () => {
    const first = await verify();
    expect([first.stderr, first.code]).toEqual(["", 0]);
    const [, mark = ""] = /the newest is (\d+:[0-9a-f]{64})$/m.exec(first.stdout.toString()) ?? [];
    await world.rexec(["exec", "box", "--", "true"]);
    expect((await verify("--has", mark)).code).toBe(0);
    const other = mark.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    expect((await verify("--has", other)).code).toBe(1);
    expect((await verify("--has", "x")).code).toBe(2);
    const { stdout, code } = await world.rexec(["admin", "audit", "export", "--data", data()]);
    const rows = stdout
      .toString()
      .trim()
      .split("\n")
      .map((line): Entry => JSON.parse(line));
    expect([code, rows[0]?.seq]).toEqual([0, 1]);
    expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, index) => index + 1));
    expect(stdout.toString()).not.toContain(world.stack.token.slice(12));
  });

  test("finds a row that was changed in the file while the gateway runs", async () => {
    tamper(join(data(), "gateway.db"), "UPDATE audit SET user_name = 'somebody' WHERE seq = 4");
    const found = await verify();
    expect([found.code, found.stdout.toString()]).toEqual([
      1,
      "changed: entry 4: it is not as it was written\n",
    ]);
    const { stdout } = await verify("--json");
    expect(JSON.parse(stdout.toString())).toMatchObject({
      whole: false,
      faults: [{ seq: 4, fault: "changed" }],
    });
  });

  test("says so where there is no gateway's data", async () => {
    const { code, stderr } = await world.rexec([
      "admin",
      "audit",
      "verify",
      "--data",
      join(world.folder, "nothing"),
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain("there is no gateway's data");
    expect(
      await within(Bun.file(join(world.folder, "nothing", "gateway.db")).exists(), 1_000, "the look"),
    ).toBe(false);
  });
});

test("rexec serve sends the log to a webhook and to syslog, and wants a secret for the first", async () => {
  const posted: string[] = [];
  const signatures: boolean[] = [];
  using hook = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const body = await request.text();
      const { headers } = request;
      const text = `${headers.get("x-rexec-timestamp")}.${body}`;
      const right = `sha256=${createHmac("sha256", "the key").update(text).digest("hex")}`;
      signatures.push(headers.get("x-rexec-signature") === right);
      for (const { action } of JSON.parse(body).rows) posted.push(action);
      return new Response();
    },
  });
  const datagrams: string[] = [];
  const socket = await Bun.udpSocket({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (_socket, data) => void datagrams.push(data.toString()) },
  });
  const folder = mkdtempSync(join(tmpdir(), "rexec-audit-"));
  const key = join(folder, "key");
  writeFileSync(key, "the key\n", { mode: 0o600 });
  const url = `http://127.0.0.1:${hook.port}/`;
  const gatewayArgs = ["--audit-webhook", url, "--audit-webhook-secret-file", key];
  await using other = new World({
    gatewayArgs: [...gatewayArgs, "--audit-syslog", `udp://127.0.0.1:${socket.port}`],
  });
  await other.stack.startGateway();
  await until(
    async () => {
      const headers = { authorization: `Bearer ${other.stack.token}` };
      const body = JSON.stringify({ name: "t", scopes: ["read"] });
      await fetch(`${other.stack.url}/api/tokens`, { method: "POST", headers, body });
      await Bun.sleep(100); // a collector is new, and gets what happens from now on
      const isTold = datagrams.some((text) => text.includes(" token.created [rexec@32473 "));
      return posted.includes("token.created") && isTold;
    },
    20_000,
    "both collectors",
  );
  expect(signatures).not.toContain(false);
  const { code, stderr } = await world.rexec([
    "serve",
    "--data",
    join(folder, "data"),
    "--audit-webhook",
    url,
  ]);
  expect([code, stderr]).toEqual([2, expect.stringContaining("belong together")]);
  socket.close();
  rmSync(folder, { recursive: true });
}, 60_000);
