import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../support/binaries.ts";
import { describeUnless, lacks } from "../support/needs.ts";
import { until, within } from "../support/wait.ts";

/** A gateway with a certificate of a private authority, and an agent and a CLI that are told to trust it. */
const folder = mkdtempSync(join(tmpdir(), "rexec-e2e-tls-"));
const children: Bun.Subprocess[] = [];
const { PATH = "" } = process.env;
const base = { PATH, HOME: folder, SHELL: "/bin/sh", REXEC_CONFIG: join(folder, "agent.yaml") };
const said: string[] = [];
let url = "";
let token = "";

function spawn(program: "rexec" | "rexec-agent", args: string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([binary(program), ...args], {
    env: { ...base, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  children.push(child);
  return child;
}

async function run(program: "rexec" | "rexec-agent", args: string[], env: Record<string, string> = {}) {
  const child = spawn(program, args, env);
  const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const [out, err, code] = await within(all, 20_000, `${program} ${args[0]} to end`);
  return { out, err, code };
}

async function listen(stream: ReadableStream<Uint8Array>): Promise<void> {
  for await (const chunk of stream) said.push(Buffer.from(chunk).toString());
}

describeUnless(lacks("openssl"))("a gateway with a certificate of a private authority", () => {
  beforeAll(async () => {
    const made = Bun.spawnSync(
      [
        ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
        ...["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        ...["-keyout", "key.pem", "-out", "cert.pem"],
      ],
      { cwd: folder, stderr: "pipe" },
    );
    if (made.exitCode !== 0) throw new Error(`openssl: ${made.stderr.toString()}`);
    const tls = ["--tls-cert", join(folder, "cert.pem"), "--tls-key", join(folder, "key.pem")];
    const gateway = spawn("rexec", ["serve", "--port", "0", "--data", join(folder, "gateway"), ...tls]);
    void listen(gateway.stdout);
    void listen(gateway.stderr);
    const all = () => said.join("");
    url = await until(
      () => /https:\/\/[\w.]+:\d+/.exec(all())?.[0],
      10_000,
      () => `an https address in ${all()}`,
    );
    const file = join(folder, "gateway", "admin-token");
    // Not by a `Bun.file` that is kept: one that was asked before there was a file stays empty.
    token = await until(() => existsSync(file) && readFileSync(file, "utf8").trim(), 10_000, "the token");
  });
  afterAll(async () => {
    for (const child of children.reverse()) {
      child.kill("SIGTERM");
      await within(child.exited, 10_000, "a program to end").catch(() => child.kill("SIGKILL"));
    }
    rmSync(folder, { recursive: true, force: true });
  });

  test("is not trusted unasked, and the error says what to do", async () => {
    const { code, err } = await run("rexec-agent", ["register", "--host", url], { REXEC_TOKEN: token });
    expect(code).toBe(1);
    expect(err).toMatch(/cannot trust .*\nhint: .*ca_file/);
    expect(await Bun.file(base.REXEC_CONFIG).exists()).toBe(false);
  });

  test("serves an agent and a CLI that were given its authority, over HTTP and WebSocket", async () => {
    const ca = join(folder, "cert.pem");
    const registered = await run("rexec-agent", ["register", "--name", "tls-box", "--host", url], {
      REXEC_TOKEN: token,
      REXEC_CA_FILE: ca,
    });
    expect(registered).toMatchObject({ code: 0 });
    // The agent the runtime's way, the CLI ours.
    const agent = spawn("rexec-agent", ["start"], { NODE_EXTRA_CA_CERTS: ca });
    const lines: string[] = [];
    void (async () => {
      for await (const chunk of agent.stderr) lines.push(Buffer.from(chunk).toString());
    })();
    await until(
      () => lines.join("").includes("connected to"),
      10_000,
      () => `the agent to connect: ${lines.join("")}`,
    );
    const env = { REXEC_HOST: url, REXEC_TOKEN: token };
    const ran = await run("rexec", ["exec", "--ca-file", ca, "tls-box", "--", "echo", "over tls"], env);
    expect(ran).toEqual({ out: "over tls\n", err: "", code: 0 });
  });
});
