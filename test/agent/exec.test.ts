import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MAX_COMMANDS } from "../../src/agent/v1/exec-manager.ts";
import { type RunningAgent, startAgent } from "../support/agent.ts";
import { V1Server } from "../support/v1-server.ts";
import { until } from "../support/wait.ts";

let server: V1Server;
let agent: RunningAgent;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "rexec-exec-"));
  server = new V1Server();
  agent = startAgent({ host: server.url, token: server.token, agentId: server.agentId });
  await server.connected();
});
afterAll(async () => {
  expect(await agent.stop()).toBeNull();
  await server.stop();
  rmSync(folder, { recursive: true });
});

const text = (base64: string | undefined) => Buffer.from(base64 ?? "", "base64").toString();

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

describe("exec", () => {
  test("answers a plain request with output, success and no fields of ours that a stock server must read", async () => {
    const result = await server.exec({ command: "echo out; sleep 0.05; echo err >&2" });
    expect(result).toMatchObject({ output: "out\nerr\n", success: true, exit_code: 0 });
    expect(result.stdout).toBeUndefined();
    expect(result.error).toBeUndefined();
  });

  test("keeps stdout and stderr apart where the request has an id", async () => {
    const result = await server.exec({ id: "x1", command: "echo out; echo err >&2; exit 3" });
    expect(result).toMatchObject({
      id: "x1",
      exit_code: 3,
      success: false,
      error: "exit status 3",
      signal: null,
    });
    expect([text(result.stdout), text(result.stderr)]).toEqual(["out\n", "err\n"]);
  });

  test("names the signal that ended it", async () => {
    const result = await server.exec({ command: "kill -9 $$" });
    expect(result).toMatchObject({
      exit_code: null,
      signal: "SIGKILL",
      error: "signal: killed",
      success: false,
    });
  });

  test("takes stdin byte for byte, env and a folder", async () => {
    const bytes = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 31) & 0xff);
    const command = "sha256sum; pwd; echo $EXTRA; echo [$REXEC_TOKEN]";
    const result = await server.exec({
      id: "s",
      command,
      stdin: bytes.toBase64(),
      cwd: folder,
      env: { EXTRA: "a b" },
    });
    const hash = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    expect(text(result.stdout)).toBe(`${hash}  -\n${folder}\na b\n[]\n`);
  });

  test("has an empty stdin where none is given", async () => {
    expect(await server.exec({ command: "wc -c" })).toMatchObject({ output: "0\n" });
  });

  test("takes a stdin of a megabyte, whether the command reads it or not", async () => {
    const stdin = Buffer.alloc(1_000_000, "x").toString("base64");
    expect(await server.exec({ command: "wc -c", stdin })).toMatchObject({ output: "1000000\n" });
    expect(await server.exec({ command: "exit 3", stdin })).toMatchObject({ exit_code: 3 });
  });

  test("cuts a process that it leaves and that never stops printing, and is not late for its timeout", async () => {
    const command = "(while sleep 0.02; do echo x; done) & echo $!; exit 5";
    const result = await server.exec({ id: "p", command, timeout_ms: 200, linger_ms: 500 });
    process.kill(Number.parseInt(text(result.stdout), 10));
    expect(result).toMatchObject({ exit_code: 5, left_open: true });
    expect(result.timed_out).toBeUndefined();
  });

  test("says what is wrong with a folder that does not exist", async () => {
    const result = await server.exec({ id: "d", command: "true", cwd: "/no/such" });
    expect(result).toMatchObject({ success: false, exit_code: null });
    expect(result.error).toStartWith("the working folder /no/such does not exist");
  });

  test("ends the whole process group at the timeout, those that ignore SIGTERM included", async () => {
    const file = join(folder, "pids");
    const command = `(trap "" TERM; echo $$ > ${file}; sh -c 'trap "" TERM; echo $$ >> ${file}; sleep 60; sleep 60') & sleep 60`;
    const result = await server.exec({ id: "t", command, timeout_ms: 300 });
    expect(result).toMatchObject({ timed_out: true, success: false });
    expect(result.error).toContain("timed out");
    const pids = readFileSync(file, "utf8").trim().split("\n").map(Number);
    await until(() => !pids.some(isAlive), 5_000, "the group to be gone");
  });

  test("does not wait for a background process that keeps the pipes open", async () => {
    const started = performance.now();
    const result = await server.exec({ command: "sleep 30 & echo $!; exit 4" });
    expect(performance.now() - started).toBeLessThan(4_000);
    expect(result.exit_code).toBe(4);
    process.kill(Number(result.output));
  });

  test("cuts a stream at 16 MiB, marks it, and lets the command end", async () => {
    const result = await server.exec(
      { id: "big", command: "head -c 20000000 /dev/zero; echo done >&2", omit_output: true },
      30_000,
    );
    expect(result).toMatchObject({ truncated: true, exit_code: 0, output: "" });
    expect(Buffer.from(result.stdout ?? "", "base64").length).toBe(16 * 1024 * 1024);
    expect(text(result.stderr)).toBe("done\n");
  }, 30_000);

  test("does not garble characters that arrive in pieces", async () => {
    const command = "printf '\\346\\227'; sleep 0.1; echo e >&2; sleep 0.1; printf '\\245'";
    expect((await server.exec({ command })).output).toBe("e\n日");
  });

  test("refuses more commands at a time than it can hold", async () => {
    const before = server.results.length;
    const gate = join(folder, "gate");
    for (let count = 0; count <= MAX_COMMANDS; count += 1) {
      server.send("exec", { id: `c${count}`, command: `while ! [ -e ${gate} ]; do sleep 0.05; done` });
    }
    const refused = await until(() => server.results[before], 5_000, "the refusal");
    expect(refused).toMatchObject({ id: `c${MAX_COMMANDS}`, success: false });
    expect(refused.error).toContain("limit");
    await Bun.write(gate, "");
    await until(() => server.results.length === before + MAX_COMMANDS + 1, 5_000, "all results");
  });

  test("sends a result that came while there was no connection after the reconnect", async () => {
    const before = server.results.length;
    const mark = join(folder, "finished");
    const began = join(folder, "began");
    server.send("exec", { id: "later", command: `touch ${began}; sleep 0.2; echo kept; touch ${mark}` });
    const connections = server.connections;
    await until(() => existsSync(began), 5_000, "the command to have begun");
    server.cut();
    await server.connected(connections + 1);
    const result = await until(() => server.results[before], 5_000, "the result");
    expect(result).toMatchObject({ id: "later", success: true });
    expect(existsSync(mark)).toBe(true);
  });
});
