import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ptyTerminal } from "../../bench/terminals.ts";
import { begin, heard } from "../../bench/workloads.ts";
import { buildTarget, readStamp, TARGETS } from "../../build.ts";
import { Stack } from "../../scripts/stack.ts";
import { arm64Runner, binary } from "../support/binaries.ts";
import { describeUnless } from "../support/needs.ts";
import { within } from "../support/wait.ts";

/** The arm64 agent, built here and run under qemu's user mode, on a real gateway of this machine's own. */
const runner = arm64Runner();
const why = "missing" in runner ? runner.missing : null;
const command = "command" in runner ? runner.command : [];

describeUnless(why)("the arm64 agent", () => {
  const folder = mkdtempSync(join(tmpdir(), "rexec-arm64-"));
  const agent = join(folder, "rexec-agent-linux-arm64");
  const offered = join(folder, "downloads");
  let stack: Stack;
  let id = "";

  beforeAll(async () => {
    const target = TARGETS.find(({ file }) => file === "rexec-agent-linux-arm64");
    if (!target) throw new Error("no such target");
    await buildTarget(target, folder, readStamp());
    stack = new Stack({
      rexec: binary("rexec"),
      agent,
      folder: join(folder, "stack"),
      agentRunner: command,
      env: { SHELL: "/bin/sh" },
      gatewayArgs: ["--downloads", offered],
    });
    // What runs an arm64 program by itself on such a machine is here in front of it.
    mkdirSync(offered);
    const wrapper = `#!/bin/sh\nexec ${[...command, agent].join(" ")} "$@"\n`;
    writeFileSync(join(offered, "rexec-agent-linux-arm64"), wrapper);
    await stack.startGateway();
  }, 120_000);

  afterAll(async () => {
    await stack?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("tells its version", () => {
    const { stdout, exitCode } = Bun.spawnSync([...command, agent, "--version"]);
    expect(stdout.toString()).toStartWith(`rexec-agent ${readStamp().version} (`);
    expect(exitCode).toBe(0);
  }, 60_000);

  test("is what the installer takes on such a machine, and is registered by it", async () => {
    const path = join(folder, "path");
    mkdirSync(path);
    writeFileSync(join(path, "uname"), '#!/bin/sh\n[ "$1" = -m ] && echo aarch64 || echo Linux\n', {
      mode: 0o755,
    });
    const script = `curl -fsSL ${stack.url}/install-agent.sh | sh -s -- --name pi --no-service`;
    const child = Bun.spawn(["sh", "-c", script], {
      env: {
        PATH: `${path}:${process.env.PATH}`,
        HOME: folder,
        SHELL: "/bin/sh",
        REXEC_TOKEN: stack.token,
        REXEC_BIN_DIR: join(folder, "bin"),
        REXEC_CONFIG: join(folder, "stack", "agent.yaml"),
      },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    const [out, err, code] = await within(all, 50_000, "the installer");
    expect(err).not.toContain("error:");
    expect(out).toContain("/downloads/rexec-agent-linux-arm64");
    expect(out).toContain("checksum is right");
    expect(code).toBe(0);
  }, 60_000);

  test("registers as arm64, and keeps its configuration to itself", async () => {
    expect(statSync(join(folder, "stack", "agent.yaml")).mode & 0o777).toBe(0o600);
    const response = await fetch(`${stack.url}/api/agents`, {
      headers: { authorization: `Bearer ${stack.token}` },
    });
    expect(await response.json()).toMatchObject([{ name: "pi", os: "linux", arch: "arm64" }]);
  }, 60_000);

  test("connects", async () => {
    ({ id } = await stack.startAgent());
    expect(id).not.toBe("");
  }, 60_000);

  test("serves a shell on a real terminal", async () => {
    const terminal = ptyTerminal([binary("rexec"), "connect", "--new", id], stack.clientEnv);
    await within(begin(terminal), 30_000, "a prompt");
    const answer = heard(terminal, "is a tty: /dev/pts/");
    terminal.write("echo is a tty: $(tty)\n");
    await within(answer, 30_000, "the shell's answer");
    await terminal.close();
  }, 60_000);

  test("runs a command, with its streams apart and its exit code", async () => {
    const child = Bun.spawn(
      [binary("rexec"), "exec", "pi", "--", "sh", "-c", "echo out; echo err >&2; exit 7"],
      {
        env: stack.clientEnv,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    const [out, err, code] = await within(
      Promise.all([child.stdout.text(), child.stderr.text(), child.exited]),
      50_000,
      "the command",
    );
    expect({ out, err, code }).toEqual({ out: "out\n", err: "err\n", code: 7 });
  }, 60_000);
});
