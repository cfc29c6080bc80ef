/** What an agent's older connection hears when a newer one takes over: its close, and nothing that ends a session. */
import { expect, test } from "bun:test";
import { CLOSE_SUPERSEDED } from "../../../src/protocol/close-codes.ts";
import { startGateway } from "../../support/gateway.ts";
import { V2Agent } from "../../support/v2-agent.ts";
import { V2Viewer } from "../../support/v2-viewer.ts";
import { until } from "../../support/wait.ts";

test("no viewer is detached from its input on a connection that another one replaces", async () => {
  await using gateway = await startGateway();
  const { id, token } = await gateway.register();
  await using older = await new V2Agent(() => `${gateway.url}/ws/agent/${id}`, token).connect();
  await using viewer = new V2Viewer(() => `${gateway.url}/ws/agent/${id}/terminal`, gateway.token);
  await viewer.attach();
  viewer.type("x");
  await until(() => viewer.inputConsumed === 1, 5_000, "the input to be applied");
  await using newer = await new V2Agent(() => `${gateway.url}/ws/agent/${id}`, token).connect();
  await until(() => older.closes.length > 0, 5_000, "the older connection to end");
  expect(older.closes[0]?.code).toBe(CLOSE_SUPERSEDED);
  await until(() => newer.heard.some(({ type }) => type === "attach"), 5_000, "the viewer to go on there");
  expect(older.heard.map(({ type }) => type)).not.toContain("detach");
});
