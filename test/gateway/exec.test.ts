import { describe, expect, test } from "bun:test";
import { startGateway } from "../support/gateway.ts";
import type { Heard } from "../support/socket.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { V1Viewer } from "../support/v1-viewer.ts";
import { until } from "../support/wait.ts";

async function stage(timings = {}) {
  const gateway = await startGateway({ timings });
  const registered = await gateway.register();
  const agent = await V1Agent.connect(gateway, registered);
  const requests = () => agent.messages.filter(({ type }) => type === "exec").map(({ data }) => data);
  return {
    gateway,
    registered,
    agent,
    requests,
    viewer: (id: string) => V1Viewer.connect(gateway, registered.id, id, "newSession=true&exec=1"),
    asked: (count: number) => until(() => requests().length >= count, 5_000, `${count} requests`),
    answer: (data: object) => agent.send({ type: "exec_result", data }),
    async [Symbol.asyncDispose]() {
      agent.drop();
      await gateway[Symbol.asyncDispose]();
    },
  };
}

const results = (viewer: V1Viewer): Heard[] => viewer.messages.filter(({ type }) => type === "exec_result");

describe("commands", () => {
  test("of two viewers with the same id each get their own result, whatever the order", async () => {
    await using here = await stage();
    await using a = await here.viewer("a");
    await using b = await here.viewer("b");
    a.send({
      type: "exec",
      data: { id: "1", command: "one", timeout_ms: 9_000, cwd: "/", env: { X: "y" }, stdin: "AAEC" },
    });
    await here.asked(1);
    b.send({ type: "exec", data: { id: "1", command: "two" } });
    await here.asked(2);
    const [first, second] = here.requests();
    expect(first).toMatchObject({
      command: "one",
      timeout_ms: 9_000,
      cwd: "/",
      env: { X: "y" },
      stdin: "AAEC",
    });
    expect(first.id).not.toBe(second.id);
    here.answer({ id: second.id, command: "two", output: "2", success: true, exit_code: 0, stdout: "Mg==" });
    here.answer({ id: first.id, command: "one", output: "1", success: false, exit_code: 4, signal: null });
    expect((await a.next("exec_result")).data).toMatchObject({
      id: "1",
      output: "1",
      success: false,
      exit_code: 4,
    });
    expect((await b.next("exec_result")).data).toMatchObject({ id: "1", output: "2", stdout: "Mg==" });
    expect([results(a).length, results(b).length]).toEqual([1, 1]);
  });

  test("of a v1 agent come back without ids, and go to the oldest that reads the same", async () => {
    await using here = await stage();
    await using a = await here.viewer("a");
    await using b = await here.viewer("b");
    a.send({ type: "exec", data: { command: "date", id: "mine" } });
    await here.asked(1);
    b.send({ type: "exec", data: { command: "date" } });
    b.send({ type: "exec", data: { command: "id" } });
    await here.asked(3);
    here.answer({ command: "id", output: "root", success: true });
    here.answer({ command: "date", output: "first", success: true });
    here.answer({ command: "date", output: "second", success: true });
    here.answer({ command: "date", output: "nobody's", success: true });
    expect((await a.next("exec_result")).data).toEqual({
      command: "date",
      output: "first",
      success: true,
      id: "mine",
    });
    await until(() => results(b).length === 2, 5_000, "both results");
    expect(results(b).map(({ data }) => data)).toEqual([
      { command: "id", output: "root", success: true },
      { command: "date", output: "second", success: true },
    ]);
  });

  test("keep their place when their viewer leaves", async () => {
    await using here = await stage();
    const a = await here.viewer("a");
    a.send({ type: "exec", data: { command: "date" } });
    await here.asked(1);
    await using b = await here.viewer("b");
    b.send({ type: "exec", data: { command: "date" } });
    await here.asked(2);
    a.drop();
    await until(() => here.gateway.gateway.hub.viewerCount(here.registered.id) === 1, 5_000, "the drop");
    here.answer({ command: "date", output: "for a", success: true });
    here.answer({ command: "date", output: "for b", success: true });
    expect((await b.next("exec_result")).data.output).toBe("for b");
  });

  test("fail in words when the agent goes, and at once while it is away", async () => {
    await using here = await stage();
    await using a = await here.viewer("a");
    a.send({ type: "exec", data: { command: "sleep 9", id: "x" } });
    await here.asked(1);
    here.agent.drop();
    const lost = await a.next("exec_result");
    expect(lost.data).toMatchObject({
      id: "x",
      command: "sleep 9",
      success: false,
      output: "",
      exit_code: null,
    });
    expect(lost.data.error).toContain("connection was lost");
    const from = a.messages.length;
    a.send({ type: "exec", data: { command: "date" } });
    expect((await a.next("exec_result", from)).data.error).toContain("offline");
  });

  test("fail when the agent keeps silent beyond their timeout", async () => {
    await using here = await stage({ execGraceMs: 50 });
    await using a = await here.viewer("a");
    a.send({ type: "exec", data: { command: "date", id: "x", timeout_ms: 50 } });
    expect((await a.next("exec_result")).data).toMatchObject({ id: "x", success: false, timed_out: true });
  });

  test("beyond a limit are refused instead of piling up", async () => {
    await using here = await stage();
    await using a = await here.viewer("a");
    for (let i = 0; i < 70; i += 1) a.send({ type: "exec", data: { command: `c${i}`, id: `${i}` } });
    await a.settle();
    expect(results(a).map(({ data }) => data.id)).toEqual(["64", "65", "66", "67", "68", "69"]);
  });

  test("carry results of many megabytes", async () => {
    await using here = await stage();
    await using a = await here.viewer("a");
    a.send({ type: "exec", data: { command: "big", id: "x", omit_output: true } });
    await here.asked(1);
    const stdout = Buffer.alloc(16 * 1024 * 1024, "x").toBase64();
    here.answer({ id: here.requests()[0].id, command: "big", output: "", success: true, stdout });
    expect((await a.next("exec_result")).data.stdout).toBe(stdout);
  });
});
