import { expect, test } from "bun:test";
import { V1Agent } from "../support/v1-agent.ts";
import { attackedGateway } from "./support.ts";

test("a gateway with one agent that behaves is no burden beside an idle one", async () => {
  await using gateway = await attackedGateway();
  const report = await gateway.under(async () => {
    await using agent = await V1Agent.connect(gateway, await gateway.register());
    agent.output("main", "hello");
    await agent.settle();
  });
  report.isUnhurt();
  expect(report.attacked.peakBytes).toBeGreaterThan(10_000_000);
}, 30_000);
