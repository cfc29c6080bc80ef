import { describe, expect, test } from "bun:test";
import { Stream } from "../../../src/protocol/v2/frames.ts";
import { member } from "../../support/member.ts";
import { V1Viewer } from "../../support/v1-viewer.ts";
import { type V2Stage, v2Stage } from "../../support/v2-stage.ts";
import type { V2Viewer } from "../../support/v2-viewer.ts";
import { until } from "../../support/wait.ts";

const CHANNEL = 7;

/** The newest thing that a viewer was told about control. */
const told = ({ messages }: V2Viewer) => messages.filter(({ type }) => type === "control").at(-1) ?? null;

const take = (viewer: V2Viewer, mode: "only" | "everybody" = "only") =>
  viewer.send({ type: "control", channel: CHANNEL, mode });

async function hears(viewer: V2Viewer, expected: object): Promise<void> {
  await until(
    () => Bun.deepMatch(expected, told(viewer) ?? {}) || null,
    5_000,
    () => `${JSON.stringify(expected)}, not ${JSON.stringify(told(viewer))}`,
  );
}

/** Its line is lost, and it is attached again by another one. */
async function comesBack(viewer: V2Viewer): Promise<void> {
  viewer.drop();
  const from = viewer.messages.length;
  await viewer.attach();
  await viewer.hears("attached", from);
}

const typed = (here: V2Stage, text: string) =>
  until(
    () => here.agent.shell("main").typed.toString() === text,
    5_000,
    () => `${text}, not ${here.agent.shell("main").typed.toString()}`,
  );

describe("control of a session", () => {
  test("is one viewer's: what others type is dropped, and comes at no later time", async () => {
    await using here = await v2Stage();
    await using one = await here.viewer({ cols: 80, rows: 24 }).attach();
    await using two = await here.viewer({ cols: 100, rows: 30 }).attach();
    const shell = here.agent.shell("main");
    await until(() => shell.cols === 100, 5_000, "the second one's size");
    take(one);
    await hears(one, { mode: "only", viewer: one.id, name: "admin", may_type: true, read_only: false });
    await hears(two, { mode: "only", viewer: one.id, may_type: false, read_only: false });
    await until(() => shell.cols === 80, 5_000, "the size of the one that has control");
    two.resize(120, 40);
    two.type("dropped ");
    await until(() => two.inputConsumed === 8, 5_000, "what was dropped to be taken");
    one.type("kept ");
    await typed(here, "kept ");
    take(one, "everybody");
    await hears(two, { mode: "everybody", may_type: true });
    two.type("late ");
    await typed(here, "kept late ");
    await until(() => shell.cols === 120, 5_000, "the size of the one that typed last");
    expect(two.messages.filter(({ type }) => type === "input_refused")).toHaveLength(1);
  });

  test("keeps the counts of input right over any number of turns and lost lines", async () => {
    await using here = await v2Stage();
    await using one = await here.viewer().attach();
    await using two = await here.viewer().attach();
    let expected = "";
    for (let turn = 0; turn < 6; turn += 1) {
      take(one);
      await hears(two, { may_type: false });
      two.type(`no${turn} `);
      await until(() => two.inputConsumed === two.typed.length, 5_000, "what was dropped to be taken");
      take(one, "everybody");
      await hears(two, { may_type: true });
      two.type(`yes${turn} `);
      expected += `yes${turn} `;
      await typed(here, expected);
      await until(() => two.inputConsumed === two.typed.length, 5_000, "the input to be acknowledged");
      if (turn % 3 === 1) {
        await comesBack(two);
      } else if (turn % 3 === 2) {
        here.agent.drop();
        await here.agent.connect();
        await until(
          () => two.messages.filter(({ type }) => type === "attached").length > turn / 3 + 1,
          5_000,
          "the agent to be back",
        );
      }
    }
    expect(here.agent.closes.filter(({ code }) => code === 1002)).toEqual([]);
    // Its own lost lines.
    expect(two.closes.filter(({ code }) => code !== 1006)).toEqual([]);
  });

  test("cannot be taken from another, but by a manager; nor be given away or back by another", async () => {
    await using here = await v2Stage();
    const ada = await member(here.gateway, here.agentId, "use", "ada");
    const bob = await member(here.gateway, here.agentId, "use", "bob");
    const path = `/api/agents/${here.agentId}/sessions/main/control`;
    const post = (body: object, as: string) => here.gateway.api("POST", path, body, as);
    await using one = await here.viewerOf(ada.token).attach();
    await using two = await here.viewerOf(bob.token).attach();
    take(one);
    await hears(two, { mode: "only", viewer: one.id, name: "ada" });
    take(two);
    expect(await two.hears("input_refused")).toMatchObject({
      code: "controlled",
      message: expect.stringContaining("ada"),
    });
    take(two, "everybody");
    two.send({ type: "control", channel: 99, mode: "only" });
    for (const body of [{ mode: "everybody" }, { mode: "only" }, { mode: "only", viewer: two.id }]) {
      const { status, json } = await post(body, bob.token);
      expect([status, json.code]).toEqual([409, "controlled"]);
    }
    const away = await post({ mode: "only", viewer: two.id }, ada.token);
    expect([away.status, away.json.code]).toEqual([403, "not_yours"]);
    await using stranger = await here
      .viewerOf((await member(here.gateway, here.agentId, "view")).token)
      .attach();
    take(stranger);
    expect(await stranger.hears("input_refused")).toMatchObject({ code: "read_only" });
    expect(told(two)).toMatchObject({ viewer: one.id });
    const forced = await post({ mode: "only", viewer: two.id }, here.gateway.token);
    expect([forced.status, forced.json]).toEqual([200, { mode: "only", viewer: two.id, name: "bob" }]);
    await hears(one, { viewer: two.id, may_type: false });
    const reader = await post({ mode: "only", viewer: stranger.id }, here.gateway.token);
    expect([reader.status, reader.json.code]).toEqual([409, "read_only"]);
    expect((await post({ mode: "only", viewer: "none" }, here.gateway.token)).status).toBe(404);
    expect((await post({ mode: "only" }, here.gateway.token)).json.code).toBe("viewer_not_found");
  });

  test("is over when its viewer says goodbye, soon after its line is lost, and with its right to type", async () => {
    await using here = await v2Stage({ timings: { sizeGraceMs: 300, tickMs: 20 } });
    const ada = await member(here.gateway, here.agentId, "use", "ada");
    await using one = await here.viewerOf(ada.token).attach();
    await using two = await here.viewer().attach();
    take(one);
    await hears(two, { may_type: false });
    one.detach();
    await hears(two, { mode: "everybody", may_type: true });
    await comesBack(one);
    take(one);
    await hears(two, { may_type: false });
    await comesBack(one);
    await Bun.sleep(400);
    expect(told(two)).toMatchObject({ may_type: false });
    await hears(one, { mode: "only", viewer: one.id, may_type: true });
    await here.gateway.api("POST", "/api/grants", { user: "ada", target: here.agentId, level: "view" });
    await hears(two, { mode: "everybody", may_type: true });
    await hears(one, { read_only: true });
    await here.gateway.api("POST", "/api/grants", { user: "ada", target: here.agentId, level: "use" });
    await hears(one, { may_type: true });
    take(one);
    await hears(two, { may_type: false });
    one.drop();
    await hears(two, { mode: "everybody", may_type: true });
  });

  test("is of the session itself, whatever name it is asked for by", async () => {
    await using here = await v2Stage();
    await using one = await here.viewer().attach();
    await using two = await here.viewer().attach();
    take(one);
    await hears(two, { may_type: false });
    const { instance } = here.agent.shell("main");
    two.send({ type: "attach", channel: 20, session: "other", instance, viewer: two.id });
    await until(
      () => two.messages.some((message) => message.type === "attached" && message.channel === 20),
      5_000,
      "the second attachment",
    );
    two.frame({
      kind: "data",
      stream: Stream.input,
      channel: 20,
      offset: 0,
      bytes: Buffer.from("by another name"),
    });
    two.send({ type: "control", channel: 20, mode: "only" });
    await until(
      () => two.messages.filter(({ type }) => type === "input_refused").length === 2 || null,
      5_000,
      "the refusals",
    );
    one.type("!");
    await typed(here, "!");
    expect(told(one)).toMatchObject({ viewer: one.id });
  });

  test("is no guest's to take, is given to one by the API, and is over when the guest is cut off", async () => {
    await using here = await v2Stage();
    await using owner = await here.viewer().attach();
    const path = `/api/agents/${here.agentId}/sessions/main`;
    const { json: share } = await here.gateway.api("POST", `${path}/shares`, {
      level: "type",
      name: "guest",
    });
    await using guest = await here.viewerOf(share.token).attach();
    take(guest);
    expect((await guest.hears("input_refused")).message).toContain("guest");
    expect(told(owner)).toBeNull();
    await here.gateway.api("POST", `${path}/control`, { mode: "only", viewer: guest.id });
    await hears(owner, { name: "shared: guest", may_type: false });
    await here.gateway.api("DELETE", `/api/shares/${share.id}`);
    await until(
      () => Bun.deepMatch({ may_type: true }, told(owner) ?? {}) || null,
      1_000,
      "control to be free",
    );
  });

  test("changes hands no faster than its bound", async () => {
    await using here = await v2Stage();
    await using one = await here.viewer().attach();
    await using two = await here.viewer().attach();
    for (let i = 0; i < 200; i += 1) take(one, i % 2 === 0 ? "only" : "everybody");
    one.send({ type: "list" });
    await one.hears("sessions");
    const refused = one.messages.filter(({ type }) => type === "input_refused");
    expect(refused.length).toBeGreaterThan(150);
    expect(two.messages.filter(({ type }) => type === "control").length).toBeLessThan(40);
    expect(one.closes).toEqual([]);
  });

  test("binds viewers by rexec.v1 too, and can be theirs", async () => {
    await using here = await v2Stage();
    await using two = await here.viewer({ cols: 90, rows: 20 }).attach();
    await using old = await V1Viewer.connect(here.gateway, here.agentId, "old");
    await until(
      async () => (await here.gateway.gateway.hub.viewers(here.agentId)).some(({ id }) => id === "old"),
      5_000,
      "the viewer by v1",
    );
    take(two);
    await hears(two, { may_type: true });
    old.send({ type: "input", data: "dropped" });
    old.send({ type: "resize", cols: 10, rows: 5 });
    expect((await old.next("shell_error")).data.error).toContain("what you type is dropped");
    two.type("kept ");
    await typed(here, "kept ");
    expect(here.agent.shell("main").cols).toBe(90);
    const path = `/api/agents/${here.agentId}/sessions/main/control`;
    expect((await here.gateway.api("POST", path, { mode: "only", viewer: "old" })).status).toBe(200);
    await hears(two, { viewer: "old", may_type: false });
    two.frame({ kind: "data", stream: Stream.input, channel: CHANNEL, offset: 5, bytes: Buffer.from("raw") });
    await until(() => two.inputConsumed === 8, 5_000, "what was dropped to be taken");
    old.send({ type: "input", data: "mine" });
    await until(
      () => here.agent.heard.some(({ type }) => type === "shell_input"),
      5_000,
      "the input of the viewer by v1",
    );
    await old[Symbol.asyncDispose]();
  });
});

describe("kick", () => {
  test("closes what is meant, at once, and with revoke for good", async () => {
    await using here = await v2Stage();
    const ada = await member(here.gateway, here.agentId, "use", "ada");
    const chief = await member(here.gateway, here.agentId, "manage", "chief");
    const kick = (body: object, as = chief.token) =>
      here.gateway.api("POST", `/api/agents/${here.agentId}/kick`, body, as);
    await using owner = await here.viewer().attach();
    await using one = await here.viewerOf(ada.token).attach();
    await using two = await here.viewerOf(ada.token, { session: "other" }).attach();
    for (const [as, status] of [
      [ada.token, 403],
      [(await here.gateway.stranger()).token, 403],
    ] as const) {
      expect((await kick({ user: "admin" }, as)).status).toBe(status);
      expect((await here.gateway.api("POST", "/api/kick", { user: "admin" }, as)).status).toBe(403);
    }
    expect((await kick({})).status).toBe(400);
    expect((await kick({ user: "none" })).status).toBe(404);
    expect((await kick({ viewer: one.id, session: "other" })).json).toMatchObject({ closed: 0 });
    expect((await kick({ session: "other" })).json).toMatchObject({ closed: 1 });
    await until(() => two.closes.length === 1, 1_000, "the viewer of that session to be closed");
    expect(two.closes[0]?.code).toBe(4006);
    // A manager of one machine ends no token of another user: that reaches further than the machine.
    expect((await kick({ user: "ada", revoke: true })).json).toEqual({ closed: 1, revoked: 0, kept: 1 });
    await until(() => one.closes.length === 1, 1_000, "the user's viewer to be closed");
    await one.attach();
    const everywhere = await here.gateway.api("POST", "/api/kick", { user: "ada", revoke: true });
    expect(everywhere.json).toEqual({ closed: 1, revoked: 1, kept: 0 });
    await until(() => one.closes.length === 2, 1_000, "the user's viewer to be closed");
    expect((await here.gateway.api("GET", "/api/profile", undefined, ada.token)).status).toBe(401);
    expect(owner.closes).toEqual([]);
    const { json } = await here.gateway.api(
      "GET",
      `/api/agents/${here.agentId}/viewers`,
      undefined,
      chief.token,
    );
    expect(json.viewers).toMatchObject([{ id: owner.id, user: "admin", address: "127.0.0.1" }]);
    const looker = await member(here.gateway, here.agentId, "view");
    const seen = await here.gateway.api(
      "GET",
      `/api/agents/${here.agentId}/viewers`,
      undefined,
      looker.token,
    );
    expect(seen.json.viewers[0].address).toBeUndefined();
  });
});
