/** What a gateway records of people and machines, over real sockets. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { verifyAudit } from "../../../src/gateway/audit/verify.ts";
import type { AuditView } from "../../../src/gateway/audit/view.ts";
import { commandLine } from "../../../src/lib/quote.ts";
import { Stream } from "../../../src/protocol/v2/frames.ts";
import type { TestGateway } from "../../support/gateway.ts";
import { startGateway } from "../../support/gateway.ts";
import { V1Agent } from "../../support/v1-agent.ts";
import { V1Viewer } from "../../support/v1-viewer.ts";
import { v2Stage } from "../../support/v2-stage.ts";
import { until } from "../../support/wait.ts";
import { hold } from "./support.ts";

/** Waits until the API tells of that many rows of an action, and answers them, the oldest first. */
function rowsOf(gateway: TestGateway, action: string, count = 1): Promise<AuditView[]> {
  return until(
    async () => {
      const { json } = await gateway.api("GET", `/api/audit?action=${action}`);
      return json.entries.length >= count && json.entries.reverse();
    },
    5_000,
    `${count} rows of ${action}`,
  );
}

const ADMIN = expect.objectContaining({ name: "admin" });
const SECRET = "hunter2";

describe("the audit log", () => {
  test("tells of tokens and agents, by whom and from where", async () => {
    await using gateway = await startGateway();
    const { id } = await gateway.mint(["read"]);
    await gateway.api("DELETE", `/api/tokens/${id}`);
    const agent = await gateway.register("web-1");
    await gateway.api("PATCH", `/api/agents/${agent.id}`, { name: "web-2", tags: ["prod"] });
    await gateway.api("DELETE", `/api/agents/${agent.id}`);
    const [first, made] = await rowsOf(gateway, "token.created", 2);
    expect(first).toMatchObject({ target: "admin", details: { user: "admin" } });
    expect(made).toMatchObject({
      user: ADMIN,
      address: "127.0.0.1",
      target: "minted",
      details: { id, scopes: "read" },
    });
    expect(made?.credential).toMatchObject({ name: "admin" });
    expect(await rowsOf(gateway, "token.revoked")).toMatchObject([
      { user: ADMIN, target: "minted", details: { id } },
    ]);
    expect(await rowsOf(gateway, "agent.registered")).toMatchObject([
      { user: ADMIN, agent: { id: agent.id, name: "web-1" } },
    ]);
    expect(await rowsOf(gateway, "agent.removed")).toMatchObject([{ user: ADMIN, agent: { id: agent.id } }]);
    const all = JSON.stringify((await gateway.api("GET", "/api/audit")).json);
    expect(all).not.toContain(gateway.token.slice(12));
    expect(all).not.toContain(agent.token.slice(12));
  });

  test("gathers wrong tokens, and never holds one", async () => {
    await using gateway = await startGateway();
    const wrong = `rexec_${"9".repeat(64)}`;
    for (let n = 0; n < 25; n += 1) await gateway.api("GET", "/api/agents", undefined, wrong);
    expect(await rowsOf(gateway, "token.refused")).toMatchObject([
      { address: "127.0.0.1", details: { reason: "token_unknown" } },
    ]);
    await gateway.restart(); // what was counted is written at the end
    const rows = await rowsOf(gateway, "token.refused", 2);
    expect(rows[1]).toMatchObject({ details: { count: 24 } });
    expect(JSON.stringify(rows)).not.toContain("99999999");
  });

  test("tells of an agent's coming and going, and of each viewer of a session", async () => {
    await using here = await v2Stage();
    const { gateway, agent, agentId } = here;
    expect(await rowsOf(gateway, "agent.connected")).toMatchObject([
      { user: ADMIN, address: "127.0.0.1", agent: { id: agentId, name: "box" }, details: { protocol: "v2" } },
    ]);
    await using viewer = here.viewer({ create: true });
    await viewer.attach();
    await agent.write("main", "hello");
    await viewer.sees("hello");
    viewer.type("0123456789");
    await until(() => viewer.inputConsumed === 10, 5_000, "the input");
    await using other = here.viewer();
    await other.attach();
    await agent.write("main", "more");
    await other.sees("more");
    other.detach();
    const [opened] = await rowsOf(gateway, "session.opened");
    expect(opened).toMatchObject({
      user: ADMIN,
      address: "127.0.0.1",
      agent: { id: agentId },
      session: "main",
    });
    expect(await rowsOf(gateway, "session.attached")).toMatchObject([{ session: "main" }]);
    expect(await rowsOf(gateway, "session.left")).toMatchObject([{ details: { bytes_in: 0, bytes_out: 4 } }]);
    agent.end("main", 3);
    const [, left] = await rowsOf(gateway, "session.left", 2);
    expect(left?.details).toMatchObject({ bytes_in: 10, bytes_out: 9, exit_code: 3, signal: null });
    expect(left?.details.seconds).toBeGreaterThan(0);
    expect(await rowsOf(gateway, "session.ended")).toMatchObject([
      { session: "main", details: { exit_code: 3, bytes_out: 9 } },
    ]);
    agent.drop();
    const [gone] = await rowsOf(gateway, "agent.disconnected");
    expect(gone).toMatchObject({ agent: { id: agentId } });
  });

  test("tells of a viewer that dropped off and came back, and of one that ends a session", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer({ create: true });
    await viewer.attach();
    await here.agent.write("main", "before");
    await viewer.sees("before");
    viewer.reconnects();
    viewer.drop();
    await here.agent.write("main", "after");
    await viewer.sees("after");
    const [again] = await rowsOf(here.gateway, "session.attached");
    expect(again?.details).toMatchObject({ resumed: true });
    viewer.send({ type: "kill", session: "main" });
    expect(await rowsOf(here.gateway, "session.killed")).toMatchObject([{ user: ADMIN, session: "main" }]);
  });

  test("tells of a command by rexec.v2 with its exit, and hides values", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer();
    await viewer.connect();
    const run = {
      type: "run",
      channel: 3,
      run: "run-1",
      cwd: "/srv",
      cursors: [0, 0] as [number, number],
    } as const;
    viewer.send({
      ...run,
      command: `deploy --password ${SECRET} -e API=${SECRET} now`,
      env: { A: SECRET, TOKEN: SECRET },
    });
    const command = await until(() => here.agent.commands[0] ?? null, 5_000, "the command");
    const { channel } = command;
    expect(command.run).toMatchObject({ env: { A: SECRET } }); // what runs has it
    const info = { ...here.agent.shell("unused").info, kind: "run" as const };
    here.agent.send({ type: "attached", channel, info, starts: [0, 0], input: 0, created: true });
    here.agent.frame({ kind: "data", stream: Stream.output, channel, offset: 0, bytes: Buffer.from("out") });
    here.agent.frame({
      kind: "data",
      stream: Stream.stderr,
      channel,
      offset: 0,
      bytes: Buffer.from("error"),
    });
    here.agent.send({ type: "ended", channel, exit_code: 7, signal: null });
    const [started] = await rowsOf(here.gateway, "exec.started");
    expect(started).toMatchObject({
      user: ADMIN,
      agent: { name: "box" },
      session: "run-1",
      details: { command: "deploy --password '…' -e 'API=…' now", cwd: "/srv", env: "A=… TOKEN=…" },
    });
    const [finished] = await rowsOf(here.gateway, "exec.finished");
    expect(finished).toMatchObject({
      session: "run-1",
      details: { exit_code: 7, bytes_out: 8, cwd: "/srv" },
    });
    expect(JSON.stringify((await here.gateway.api("GET", "/api/audit")).json)).not.toContain(SECRET);
  });

  test("shows what the CLI's line for any shell does, in place of the line, without its values", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer({ create: true });
    await viewer.connect();
    const words = ["sh", "-c", `echo hi; export PGPASSWORD='${SECRET} x'; psql`];
    const command = commandLine({
      words,
      cwd: "/a b",
      env: { HUSH: `${SECRET}\n!`, ODD: `${SECRET}\udcff` },
    });
    viewer.send({ type: "run", channel: 3, run: "run-2", cursors: [0, 0], command });
    viewer.send({ type: "attach", channel: 4, session: "tty", create: true, viewer: viewer.id, command });
    for (const action of ["exec.started", "session.opened"]) {
      const [row] = await rowsOf(here.gateway, action);
      expect(row?.details).toMatchObject({ cwd: "/a b", env: "HUSH=… ODD=…" });
      expect(row?.details.command).toStartWith("sh -c 'echo hi; export ");
    }
    const text = JSON.stringify((await here.gateway.api("GET", "/api/audit")).json);
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain(commandLine({ words: [SECRET, "\n"] }).slice(40, 60));
  });

  test("tells of a command that was refused, abandoned or lost with its agent", async () => {
    const timings = { viewerGraceMs: 100, agentGraceMs: 100, tickMs: 20 };
    await using here = await v2Stage({ timings });
    await using viewer = here.viewer();
    await viewer.connect();
    const ask = (channel: number, run: string) =>
      viewer.send({ type: "run", channel, run, cursors: [0, 0], command: "make" });
    ask(1, "refused");
    const first = await until(() => here.agent.commands[0] ?? null, 5_000, "the command");
    here.agent.send({ type: "refused", channel: first.channel, code: "failed", message: "no shell" });
    ask(2, "left");
    await until(() => here.agent.commands[1] ?? null, 5_000, "the second");
    viewer.send({ type: "detach", channel: 2 });
    ask(3, "lost");
    await until(() => here.agent.commands[2] ?? null, 5_000, "the third");
    here.agent.drop();
    const ends = (await rowsOf(here.gateway, "exec.finished", 3)).map(({ session, details }) => [
      session,
      details.outcome,
    ]);
    expect(ends).toEqual([
      ["refused", "refused"],
      ["left", "abandoned"],
      ["lost", "unknown"],
    ]);
  });

  test("tells of another command, or another user's, under the id of one that an agent has lost", async () => {
    await using here = await v2Stage();
    const { userId, token } = await here.gateway.stranger();
    const name = (await here.gateway.gateway.store.users.get(userId))?.username ?? "";
    await here.gateway.api("POST", "/api/grants", { user: name, target: here.agentId, level: "use" });
    await using viewer = here.viewer();
    await using other = here.viewerOf(token);
    await viewer.connect();
    await other.connect();
    const ask = (by: typeof viewer, channel: number, command: string, extra = {}) =>
      by.send({ type: "run", channel, run: "same", cursors: [0, 0], command, ...extra });
    ask(viewer, 1, "sleep 1000");
    await rowsOf(here.gateway, "exec.started");
    here.agent.drop();
    await here.agent.connect();
    ask(viewer, 2, "sleep 1000", { resume: true });
    ask(viewer, 3, "rm -rf /srv");
    ask(other, 4, "rm -rf /srv");
    ask(other, 5, "rm -rf /srv", { cwd: "/home" });
    const rows = await rowsOf(here.gateway, "exec.started", 4);
    expect(rows.map(({ user, details }) => [user?.id === userId, details.command, details.cwd])).toEqual([
      [false, "sleep 1000", undefined],
      [false, "rm -rf /srv", undefined],
      [true, "rm -rf /srv", undefined],
      [true, "rm -rf /srv", "/home"],
    ]);
  });

  test("tells of shells and commands by rexec.v1 as well", async () => {
    await using gateway = await startGateway();
    const registered = await gateway.register();
    const agent = await V1Agent.connect(gateway, registered);
    await using viewer = await V1Viewer.connect(gateway, registered.id, "one");
    await until(() => agent.messages.some(({ type }) => type === "shell_start"), 5_000, "the start");
    agent.output("main", "hello");
    await viewer.sees("hello");
    viewer.send({ type: "input", data: "ls\r" });
    viewer.send({ type: "exec", data: { id: "1", command: `FOO_TOKEN=${SECRET} make`, env: { B: SECRET } } });
    const asked = await until(() => agent.messages.find(({ type }) => type === "exec"), 5_000, "the command");
    agent.send({
      type: "exec_result",
      data: { id: asked.data.id, command: "", output: "", success: false, exit_code: 2 },
    });
    expect(await rowsOf(gateway, "session.opened")).toMatchObject([
      { session: "main", user: ADMIN, details: { protocol: "v1" } },
    ]);
    expect(await rowsOf(gateway, "exec.finished")).toMatchObject([
      { details: { exit_code: 2, success: false, env: "B=…" } },
    ]);
    agent.stopped("main", { exit_code: 5 });
    expect(await rowsOf(gateway, "session.ended")).toMatchObject([
      { session: "main", details: { exit_code: 5 } },
    ]);
    await viewer[Symbol.asyncDispose]();
    expect(await rowsOf(gateway, "session.left")).toMatchObject([
      { details: { bytes_in: 3, bytes_out: 5, exit_code: 5 } },
    ]);
    expect(JSON.stringify((await gateway.api("GET", "/api/audit")).json)).not.toContain(SECRET);
    agent.drop();
  });

  test("writes nothing for what is typed and shown: bytes cost no entry", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer({ create: true, keeps: false });
    await viewer.attach();
    await rowsOf(here.gateway, "session.opened");
    const { audits } = here.gateway.gateway.store;
    const [before] = await audits.heads();
    const piece = Buffer.alloc(64 * 1024, "x");
    for (let n = 0; n < 320; n += 1) await here.agent.write("main", piece);
    for (let n = 0; n < 1_000; n += 1) viewer.type("k");
    const all = 320 * piece.length;
    await until(() => viewer.received + viewer.skipped >= all, 20_000, "the output");
    await until(() => viewer.inputConsumed === 1_000, 10_000, "the input");
    expect((await audits.heads())[0]?.newest_seq).toBe(before?.newest_seq ?? -1);
    viewer.detach();
    expect(await rowsOf(here.gateway, "session.left")).toMatchObject([
      { details: { bytes_in: 1_000, bytes_out: all } },
    ]);
  });

  test("goes on over sessions while another process holds the database, and has all entries later", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer({ create: true });
    await viewer.attach();
    await rowsOf(here.gateway, "session.opened");
    const release = hold(join(here.gateway.dataDir, "gateway.db"));
    let slowest = 0;
    for (let n = 0; n < 60; n += 1) {
      const begun = performance.now();
      viewer.send({ type: "kill", session: `none-${n}` }); // an entry
      viewer.type("k");
      await until(() => viewer.inputConsumed === n + 1, 10_000, "the echo");
      slowest = Math.max(slowest, performance.now() - begun);
    }
    release();
    expect(slowest).toBeLessThan(2_500); // a statement that waits for the lock takes 5 s
    expect((await rowsOf(here.gateway, "session.killed", 60)).length).toBe(60);
    expect(await verifyAudit(here.gateway.gateway.store.audits)).toMatchObject({ faults: [] });
  }, 30_000);

  test("has one row for what an agent does too often", async () => {
    await using here = await v2Stage();
    for (let n = 0; n < 30; n += 1) {
      here.agent.drop();
      await here.agent.connect();
    }
    await here.gateway.restart();
    const rows = await rowsOf(here.gateway, "agent.connected", 11);
    const counted = rows.reduce((sum, { details }) => sum + Number(details.count ?? 1), 0);
    expect(counted).toBeGreaterThanOrEqual(31);
    expect(rows.length).toBeLessThan(15);
  });
});
