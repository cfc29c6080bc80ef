import { expect, test } from "bun:test";
import { ViewerIds } from "../../../src/gateway/sessions/viewer-ids.ts";
import { v2Stage } from "../../support/v2-stage.ts";
import { until } from "../../support/wait.ts";

test("a viewer cannot attach under another's id, whose input so arrives whole", async () => {
  await using here = await v2Stage();
  await using first = here.viewer();
  await first.attach();
  first.type("one ");
  await until(() => first.inputConsumed === 4, 5_000, "the input to be applied");
  await using second = here.viewer();
  await second.connect();
  const names = [first.id, `${second.id}x`, second.id.toUpperCase(), "gateway"];
  for (const [index, viewer] of names.entries()) {
    second.send({ type: "attach", channel: 10 + index, session: "main", viewer });
    second.frame({ kind: "data", stream: 0, channel: 10 + index, offset: 4, bytes: Buffer.from("lost") });
  }
  const refused = () => second.messages.filter(({ type }) => type === "refused");
  await until(() => refused().length === names.length, 5_000, "the refusals");
  expect(refused()).toEqual(
    names.map((_, index) => expect.objectContaining({ channel: 10 + index, code: "bad_message" })),
  );
  first.type("two");
  await until(() => first.inputConsumed === 7, 5_000, "the rest to be applied");
  expect(here.agent.shell("main").typed.toString()).toBe("one two");
  expect([first.closes, second.closes]).toEqual([[], []]);
});

test.each([["gateway"], [""]])("a connection opened as %p cannot attach", async (id) => {
  await using here = await v2Stage();
  await using viewer = here.viewer({ id });
  await viewer.connect();
  viewer.send({ type: "attach", channel: 1, session: "main", viewer: id || "x" });
  expect(await viewer.hears("refused")).toMatchObject({ channel: 1, code: "bad_message" });
});

test("ids of up to 256 characters are told apart to their end", async () => {
  await using here = await v2Stage();
  const same = "i".repeat(255);
  await using first = here.viewer({ id: `${same}a` });
  await using second = here.viewer({ id: `${same}b` });
  await first.attach();
  await second.attach();
  first.type("x");
  await until(() => first.inputConsumed === 1, 5_000, "the input to be applied");
  expect([first.closes, second.closes, second.inputConsumed]).toEqual([[], [], 0]);
});

test("the id of a viewer that lost its line stays its user's, under however many ids another one comes", async () => {
  await using here = await v2Stage();
  const { userId, token } = await here.gateway.stranger();
  const { users } = here.gateway.gateway.store;
  const user = (await users.get(userId))?.username;
  await here.gateway.api("POST", "/api/grants", { user, target: here.agentId, level: "use" });
  await using victim = here.viewer({ id: "victim" });
  await victim.attach();
  await using mallory = here.viewerOf(token, { id: "mallory" });
  await mallory.connect();
  const viewers = [...here.gateway.gateway.hub.connections.viewers];
  const infoOf = (id: string) => viewers.find(({ info }) => info.principal.user.id === id)?.info;
  const own = infoOf(userId);
  const admin = (await users.byName("admin"))?.id ?? "";
  const theirs = infoOf(admin);
  if (!own || !theirs) throw new Error("a viewer is not connected");
  const ids = new ViewerIds(60_000);
  expect(ids.claim("victim", theirs, 0)).toBe(true);
  ids.release("victim", false, 0);
  for (let n = 0; n < 1_000; n += 1) {
    expect(ids.claim(`other-${n}`, own, 1)).toBe(true);
    ids.release(`other-${n}`, false, 1);
  }
  expect(ids.claim("victim", own, 2)).toBe(false);
  expect(ids.claim("victim", theirs, 2)).toBe(true);
});
