import { describe, expect, test } from "bun:test";
import { V1Agent } from "../support/v1-agent.ts";
import { V1Viewer } from "../support/v1-viewer.ts";
import { attackedGateway } from "./support.ts";

const MB = 1_000_000;

/** Sends that much output of each session in messages of so many bytes. */
async function flood(agent: V1Agent, sessions: number, bytes: number, text: (size: number) => string) {
  for (let each = 0; each < sessions; each += 1) {
    for (let sent = 0; sent < 2 * MB; sent += bytes) agent.output(`split-${each}`, text(bytes));
    await agent.settle();
  }
}

describe("what is kept of the output of sessions by v1", () => {
  const attacks: [string, number, number, (size: number) => string][] = [
    ["12 sessions, in messages of 600 KB", 12, 600_000, (size) => "x".repeat(size)],
    ["12 sessions of wide characters", 12, 60_000, (size) => "漢".repeat(size / 3)],
    ["250 sessions", 250, 500_000, (size) => "y".repeat(size)],
    ["in messages of a few bytes", 2, 20, () => "0123456789é234567"],
  ];

  test.each(attacks)(
    "is bounded in bytes of memory: %s",
    async (_, sessions, bytes, text) => {
      await using gateway = await attackedGateway();
      const registered = await gateway.register();
      await using agent = await V1Agent.connect(gateway, registered);
      const report = await gateway.under(() => flood(agent, sessions, bytes, text));
      // Up to 500 MB pass through, of which 38 MB are kept: the rest is garbage between two collections.
      report.isUnhurt({ memory: 8, stall: 40 });
      await using viewer = await V1Viewer.connect(gateway, registered.id, "a");
      agent.output("main", "served");
      await viewer.sees("served");
    },
    60_000,
  );

  test("of one message of 90 MB is nothing: the connection ends before it is read", async () => {
    await using gateway = await attackedGateway();
    const registered = await gateway.register();
    await using agent = await V1Agent.connect(gateway, registered);
    const report = await gateway.under(async () => {
      agent.output("main", "z".repeat(90 * MB));
      await agent.closed;
    });
    report.isUnhurt();
    expect((await gateway.api("GET", `/api/agents/${registered.id}`)).json.status).toBe("offline");
  }, 60_000);

  test("of messages of 15 MB is nothing: an output is 1 MiB at most", async () => {
    await using gateway = await attackedGateway();
    const registered = await gateway.register();
    await using agent = await V1Agent.connect(gateway, registered);
    const report = await gateway.under(async () => {
      for (let each = 0; each < 12; each += 1) {
        agent.output(`split-${each}`, "z".repeat(15 * MB));
        await agent.settle();
      }
    });
    report.isUnhurt({ memory: 4 });
  }, 60_000);
});
