import { describe, expect, test } from "bun:test";
import { startGateway } from "../../support/gateway.ts";
import { V1Agent } from "../../support/v1-agent.ts";
import { V1Viewer } from "../../support/v1-viewer.ts";
import { v2Stage } from "../../support/v2-stage.ts";
import { until } from "../../support/wait.ts";

describe("the size of a session", () => {
  test("is that of who typed last; before anybody has, of who came last; and anew when they leave", async () => {
    await using here = await v2Stage();
    const shell = here.agent.shell("main");
    const size = () => [shell.cols, shell.rows];
    const becomes = (cols: number, rows: number) =>
      until(
        () => shell.cols === cols && shell.rows === rows,
        2_000,
        () => `${cols} x ${rows}, not ${size()}`,
      );
    await using one = here.viewer({ cols: 80, rows: 24 });
    await one.attach();
    await becomes(80, 24);
    const two = here.viewer({ cols: 100, rows: 30 });
    await two.attach();
    await becomes(100, 30);
    expect(await one.hears("size")).toMatchObject({ cols: 100, rows: 30, by: two.id });
    one.type("x");
    await becomes(80, 24);
    expect(await two.hears("size")).toMatchObject({ cols: 80, rows: 24, by: one.id });
    two.resize(120, 40);
    one.resize(81, 25);
    await becomes(81, 25);
    two.type("y");
    await becomes(120, 40);
    two.detach();
    await becomes(81, 25);
    await two[Symbol.asyncDispose]();
  });

  test("is there before what was typed at it: a program that this starts draws for whoever started it", async () => {
    await using here = await v2Stage();
    const shell = here.agent.shell("main");
    await using one = here.viewer({ cols: 80, rows: 24 });
    await one.attach();
    await using two = here.viewer({ cols: 100, rows: 30 });
    await two.attach();
    one.type("a");
    await until(() => shell.typed.length === 1, 2_000, "the first one's input");
    two.type("b");
    await until(() => shell.typed.length === 2, 2_000, "the second one's input");
    expect(shell.colsAtInput).toEqual([80, 100]);
  });

  test("stays for a moment when its viewer drops off, which may be back at once", async () => {
    await using here = await v2Stage({ timings: { sizeGraceMs: 300, tickMs: 20 } });
    const shell = here.agent.shell("main");
    await using one = here.viewer({ cols: 80, rows: 24 });
    await one.attach();
    await using two = here.viewer({ cols: 100, rows: 30 });
    await two.attach();
    await until(() => shell.cols === 100, 2_000, "the second one's size");
    two.drop();
    await Bun.sleep(100);
    expect(shell.cols).toBe(100);
    await two.attach();
    await Bun.sleep(400);
    expect(shell.cols).toBe(100);
    two.drop();
    await until(() => shell.cols === 80, 2_000, "the first one's size");
  });

  test("comes back to the agent with its next connection, and is a snapshot's", async () => {
    await using here = await v2Stage();
    await using one = here.viewer({ cols: 90, rows: 20 });
    await one.attach();
    here.agent.drop();
    one.resize(91, 21);
    await here.agent.connect();
    await until(() => here.agent.shell("main").cols === 91, 2_000, "the size");
    await here.agent.write("main", "text");
    await using two = here.viewer();
    await two.attach();
    await until(() => two.screens[0], 2_000, "a screen");
    expect(two.screens[0]).toMatchObject({ cols: 91, rows: 21 });
  });

  test("that a v1 viewer has set is told to those by v2", async () => {
    await using here = await v2Stage();
    await using one = here.viewer({ cols: 80, rows: 24 });
    await one.attach();
    const channel = Number(
      here.agent.heard.find(({ type, viewer }) => type === "attach" && viewer === "gateway")?.channel,
    );
    here.agent.send({ type: "size", channel, cols: 132, rows: 43, by: "v1" });
    expect(await one.hears("size")).toMatchObject({ cols: 132, rows: 43, by: "v1" });
  });
});

describe("the list of sessions", () => {
  test("comes from the agent, with the viewers of both kinds", async () => {
    await using here = await v2Stage();
    await here.agent.write("main", "text");
    here.agent.shell("other");
    await using one = here.viewer();
    await one.attach();
    await using _two = await V1Viewer.connect(here.gateway, here.agentId, "old");
    const { status, json } = await here.gateway.api("GET", `/api/agents/${here.agentId}/sessions`);
    expect(status).toBe(200);
    expect(json.sessions).toMatchObject([
      { session: "main", kind: "shell", bytes: 4, viewers: 2, instance: here.agent.shell("main").instance },
      { session: "other", viewers: 0 },
    ]);
    one.send({ type: "list" });
    expect((await one.hears("sessions")).sessions).toMatchObject([{ session: "main" }, { session: "other" }]);
  });

  test("of a v1 agent is what the gateway has seen", async () => {
    await using gateway = await startGateway();
    const registered = await gateway.register();
    await using agent = await V1Agent.connect(gateway, registered);
    await using viewer = await V1Viewer.connect(gateway, registered.id, "v");
    await viewer.next("shell_started");
    agent.output("main", "12345");
    await viewer.sees("12345");
    const path = `/api/agents/${registered.id}/sessions`;
    const { json } = await gateway.api("GET", path);
    expect(json.sessions).toMatchObject([{ session: "main", bytes: 5, viewers: 1, ended_at: null }]);
    expect((await gateway.api("DELETE", `${path}/main`)).status).toBe(200);
    await until(() => agent.shells.size === 0, 2_000, "the shell to be stopped");
  });

  test("can be shortened: a session is ended by its name, and who looks at it is told", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer();
    await viewer.attach();
    const path = `/api/agents/${here.agentId}/sessions`;
    expect((await here.gateway.api("DELETE", `${path}/nowhere`)).status).toBe(404);
    expect((await here.gateway.api("DELETE", `${path}/main`)).status).toBe(200);
    expect(await viewer.hears("ended")).toMatchObject({ exit_code: 137 });
  });

  test("is for those whose agent it is: read-only tokens may look, an agent's own token may not", async () => {
    await using here = await v2Stage();
    here.agent.shell("main");
    const { gateway } = here;
    const path = `/api/agents/${here.agentId}/sessions`;
    const read = await gateway.mint(["read"]);
    const own = await gateway.mint(["agent"], { agent_id: here.agentId });
    const stranger = await gateway.stranger();
    const status = async (method: string, token: string | null, tail = "") =>
      (await gateway.api(method, `${path}${tail}`, undefined, token)).status;
    expect(await status("GET", read.token)).toBe(200);
    expect(await status("DELETE", read.token, "/main")).toBe(403);
    expect([await status("GET", own.token), await status("DELETE", own.token, "/main")]).toEqual([403, 403]);
    expect([await status("GET", stranger.token), await status("GET", null)]).toEqual([403, 401]);
    here.agent.drop();
    await until(async () => (await status("GET", read.token)) === 404, 2_000, "the agent to be offline");
  });
});

describe("many connections", () => {
  test("leave nothing behind: a thousand viewers in a row, one channel each on the agent's leg at a time", async () => {
    await using here = await v2Stage();
    await here.agent.write("main", "text\r\n");
    await using keeper = here.viewer();
    await keeper.attach();
    for (let round = 0; round < 40; round += 1) {
      const viewers = Array.from({ length: 25 }, () => here.viewer());
      await Promise.all(viewers.map((viewer) => viewer.attach()));
      for (const viewer of viewers) await viewer[Symbol.asyncDispose]();
      await until(() => here.gateway.gateway.hub.viewerCount(here.agentId) === 1, 5_000, "them to be gone");
    }
    await until(
      () => here.agent.channelCount === 2,
      2_000,
      () => `${here.agent.channelCount} channels`,
    );
  }, 60_000);
});
