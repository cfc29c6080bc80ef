/** What `rexec connect` and `exec` do where their own output is gone or full: they end, and use no CPU time. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentProcess } from "../support/agent-process.ts";
import { binary } from "../support/binaries.ts";
import { OutputPipe } from "../support/broken-output.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { until, within } from "../support/wait.ts";

let gateway: TestGateway;
let agent: AgentProcess;
let home: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "rexec-cli-output-"));
  gateway = await startGateway();
  const { id, token } = await gateway.register();
  agent = new AgentProcess({ url: gateway.url, token, agentId: id });
  await until(() => gateway.gateway.hub.presence(id), 15_000, "the agent");
});
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

const environment = () => ({
  PATH: process.env.PATH ?? "",
  HOME: home,
  TERM: "xterm",
  REXEC_HOST: gateway.url,
  REXEC_TOKEN: gateway.token,
});

const FLOOD = ["exec", "box", "--", "sh", "-c", "while :; do echo line; done"];

test("a command's endless output into a pipe whose reader leaves ends it as SIGPIPE would", async () => {
  using pipe = new OutputPipe();
  const child = Bun.spawn([binary("rexec"), ...FLOOD], {
    env: environment(),
    stdio: ["ignore", pipe.writer, "ignore"],
  });
  try {
    await until(() => pipe.drain().includes("line"), 15_000, "output");
    pipe.hangUp();
    expect(await within(child.exited, 10_000, "its end")).toBe(141);
  } finally {
    child.kill("SIGKILL");
  }
}, 40_000);

test("onto a full disk it fails with the reason, and does not try for ever", async () => {
  const fd = openSync("/dev/full", "w");
  const child = Bun.spawn([binary("rexec"), ...FLOOD], {
    env: environment(),
    stdio: ["ignore", fd, "pipe"],
  });
  try {
    const all = Promise.all([child.stderr.text(), child.exited]);
    const [err, code] = await within(all, 15_000, "its end");
    expect(err).toContain("no space left");
    expect(code).not.toBe(0);
  } finally {
    closeSync(fd);
    child.kill("SIGKILL");
  }
}, 40_000);

test("with both on a full disk it ends all the same", async () => {
  const fd = openSync("/dev/full", "w");
  const child = Bun.spawn([binary("rexec"), ...FLOOD], { env: environment(), stdio: ["ignore", fd, fd] });
  try {
    expect(await within(child.exited, 15_000, "its end")).not.toBe(0);
  } finally {
    closeSync(fd);
    child.kill("SIGKILL");
  }
}, 40_000);

test("a shell whose messages find no room goes on, and so does one without stderr", async () => {
  for (const redirect of ["2>/dev/full", "2>&-"]) {
    let shown = "";
    await using terminal = new Bun.Terminal({
      cols: 80,
      rows: 24,
      data: (_, bytes) => {
        shown += Buffer.from(bytes).toString();
      },
    });
    const child = Bun.spawn(["sh", "-c", `exec ${binary("rexec")} connect box ${redirect}`], {
      env: environment(),
      terminal,
    });
    try {
      await until(
        () => shown.includes("$ "),
        15_000,
        () => `a prompt; there is ${JSON.stringify(shown)}`,
      );
      terminal.write("echo $((40+2)); exit 7\r");
      expect(await within(child.exited, 15_000, "its end")).toBe(7);
      await until(
        () => shown.includes("42"),
        5_000,
        () => `the output; there is ${JSON.stringify(shown)}`,
      );
    } finally {
      child.kill("SIGKILL");
    }
  }
}, 60_000);

test("a shell whose terminal goes away ends, even where hangups are ignored", async () => {
  let shown = "";
  await using terminal = new Bun.Terminal({
    cols: 80,
    rows: 24,
    data: (_, bytes) => {
      shown += Buffer.from(bytes).toString();
    },
  });
  const child = Bun.spawn(["sh", "-c", `trap '' HUP; exec ${binary("rexec")} connect box`], {
    env: environment(),
    terminal,
  });
  try {
    await until(
      () => shown.includes("$ "),
      15_000,
      () => `a prompt; there is ${JSON.stringify(shown)}`,
    );
    terminal.write("while :; do echo flood; done\r");
    await until(() => shown.includes("flood\r\nflood"), 15_000, "the flood");
    terminal.close();
    await within(child.exited, 15_000, "its end");
  } finally {
    child.kill("SIGKILL");
  }
}, 60_000);
