/** A log that can't be written neither ends a program, nor stalls it, nor keeps it from its end. */
import { afterEach, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../support/binaries.ts";
import { OutputPipe } from "../support/broken-output.ts";
import { startGateway } from "../support/gateway.ts";
import { cpuSeconds, listeningPort } from "../support/proc.ts";
import { until, within } from "../support/wait.ts";

/** stdout and stderr of a program, and what happens to them once it runs. */
interface Output {
  /** Words of a shell that come behind the command. */
  redirect: string;
  fds: number[];
  breakIt(): void;
  terminal?: Bun.Terminal;
  end(): void;
}

const OUTPUTS: Record<string, () => Output> = {
  "a pipe whose reader goes away": () => ofPipe((pipe) => pipe.hangUp()),
  "a pipe whose reader was never there": () =>
    ofPipe(
      () => {},
      (pipe) => pipe.hangUp(),
    ),
  "a pipe whose reader ceases to read": () => ofPipe((pipe) => pipe.fill()),
  "a pipe that is full from the beginning": () =>
    ofPipe(
      () => {},
      (pipe) => pipe.fill(),
    ),
  "/dev/full": () => {
    const fd = openSync("/dev/full", "w");
    return { redirect: "", fds: [fd, fd], breakIt() {}, end: () => closeSync(fd) };
  },
  "closed descriptors": () => ({ redirect: "1>&- 2>&-", fds: [], breakIt() {}, end() {} }),
  "a closed stderr alone": () => ({ redirect: "2>&-", fds: [], breakIt() {}, end() {} }),
};

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

describe.each(Object.keys(OUTPUTS))("with its log on %s", (name) => {
  test("the gateway starts, serves, rests and stops", async () => {
    const output = OUTPUTS[name]?.();
    if (!output) throw new Error(name);
    const data = folder();
    const child = start(`${binary("rexec")} serve --port 0 --data ${data}`, output);
    try {
      await serves(child);
      output.breakIt();
      const port = await serves(child);
      await refusals(port, 40);
      await serves(child);
      await rests(child.pid);
      child.kill("SIGTERM");
      expect(await within(child.exited, 5_000, "the gateway's end")).toBe(0);
    } finally {
      child.kill("SIGKILL");
      output.end();
    }
  }, 30_000);

  test("the agent connects, comes back, rests and stops", async () => {
    const output = OUTPUTS[name]?.();
    if (!output) throw new Error(name);
    await using gateway = await startGateway();
    const { id, token } = await gateway.register();
    const config = join(folder(), "agent.json");
    writeFileSync(
      config,
      JSON.stringify({ api_url: gateway.url, token, agent_id: id, name: "box", shell: "/bin/sh" }),
      { mode: 0o600 },
    );
    const child = start(`${binary("rexec-agent")} start -c ${config}`, output);
    const connected = () => gateway.gateway.hub.presence(id);
    try {
      const first = await until(connected, 10_000, "the agent");
      output.breakIt();
      for (let round = 0, before = first.connectedAt; round < 3; round += 1) {
        gateway.gateway.hub.room(id)?.uplink?.connection.close(1001, "a test");
        const next = await until(
          () => (connected()?.connectedAt === before ? null : connected()),
          10_000,
          "the agent to come back",
        );
        before = next.connectedAt;
      }
      await rests(child.pid);
      child.kill("SIGTERM");
      expect(await within(child.exited, 5_000, "the agent's end")).toBe(0);
    } finally {
      child.kill("SIGKILL");
      output.end();
    }
  }, 60_000);
});

test("a gateway whose terminal is gone serves on, rests and stops", async () => {
  await using terminal = new Bun.Terminal({ cols: 80, rows: 24, data() {} });
  const data = folder();
  const child = Bun.spawn(
    ["sh", "-c", `trap '' HUP; exec ${binary("rexec")} serve --port 0 --data ${data}`],
    { terminal, env: environment() },
  );
  try {
    await serves(child);
    terminal.close();
    const port = await serves(child);
    await refusals(port, 40);
    await rests(child.pid);
    child.kill("SIGTERM");
    expect(await within(child.exited, 5_000, "the gateway's end")).toBe(0);
  } finally {
    child.kill("SIGKILL");
  }
}, 30_000);

test("what a slow reader has not taken yet reaches it later", async () => {
  using pipe = new OutputPipe();
  const data = folder();
  pipe.fill();
  const child = Bun.spawn([binary("rexec"), "serve", "--port", "0", "--data", data], {
    stdio: ["ignore", "ignore", pipe.writer],
    env: environment(),
  });
  try {
    await refusals(await serves(child), 10);
    let text = "";
    const complete = () => {
      text += pipe.drain();
      return /listens on/.test(text) && (text.match(/refused/g)?.length ?? 0) >= 10;
    };
    await until(complete, 10_000, "the log");
  } finally {
    child.kill("SIGKILL");
  }
}, 30_000);

test("an error that can't be shown leaves the exit code as it is", async () => {
  for (const redirect of ["2>/dev/full", "2>&-", ">/dev/full 2>/dev/full"]) {
    const words = [`${binary("rexec-agent")} start -c /no/such/file ${redirect}`];
    const child = Bun.spawn(["sh", "-c", ...words], {
      stdio: ["ignore", "ignore", "ignore"],
      env: environment(),
    });
    expect(await within(child.exited, 5_000, "its end")).toBe(3);
  }
});

// --- internal ---

function ofPipe(breakIt: (pipe: OutputPipe) => void, first: (pipe: OutputPipe) => void = () => {}): Output {
  const pipe = new OutputPipe();
  first(pipe);
  return {
    redirect: "",
    fds: [pipe.writer, pipe.writer],
    breakIt: () => breakIt(pipe),
    end: () => pipe[Symbol.dispose](),
  };
}

function start(command: string, { redirect, fds: [out, err] }: Output) {
  return Bun.spawn(["sh", "-c", `exec ${command} ${redirect}`], {
    stdio: ["ignore", out ?? "ignore", err ?? "ignore"],
    env: environment(),
  });
}

function environment(): Record<string, string> {
  return { PATH: process.env.PATH ?? "", HOME: folder() };
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "rexec-log-"));
  folders.push(made);
  return made;
}

/** @returns its port */
async function serves(child: Bun.Subprocess): Promise<number> {
  const port = await until(
    () => {
      if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}`);
      return listeningPort(child.pid);
    },
    10_000,
    "the gateway to listen",
  );
  const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(3_000) });
  expect(answer.status).toBe(200);
  return port;
}

/** Requests for a socket without a token, each from an address of its own: each gives a line. */
async function refusals(port: number, count: number, path = "x"): Promise<void> {
  const one = (index: number) =>
    new Promise<void>((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", localAddress: `127.0.0.${index + 2}` });
      socket.on("error", reject);
      socket.on("data", () => {
        socket.destroy();
        resolve();
      });
      socket.write(
        `GET /ws/agent/${path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
      );
    });
  await within(Promise.all(Array.from({ length: count }, (_, index) => one(index))), 10_000, "the refusals");
}

/** Takes next to no CPU time for a second. */
async function rests(pid: number): Promise<void> {
  const before = cpuSeconds([pid]);
  await Bun.sleep(1_000); // the time is what is measured
  expect(cpuSeconds([pid]) - before).toBeLessThan(0.4);
}
