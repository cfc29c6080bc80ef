import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { environment, rexec } from "../client/support/cli.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { until } from "../support/wait.ts";

const HUGE = "h".repeat(20 * 1024 * 1024);
/** As long as two texts in one message can be: a longer message is refused as a whole. */
const LONG = "h".repeat(500_000);
const INFO = { os: "linux", arch: "arm64", num_cpu: 4, memory: { total: 1 }, disk: {} };

/** What the agent's owner sees: every machine, in little time and space. */
async function expectListed(gateway: TestGateway, names: string[]): Promise<void> {
  const { status, text, json } = await gateway.api("GET", "/api/agents");
  expect(status).toBe(200);
  expect(text.length).toBeLessThan(64 * 1024);
  expect(json.map(({ name }: { name: string }) => name).sort()).toEqual(names);
  expect((await gateway.api("GET", "/api/containers")).text.length).toBeLessThan(64 * 1024);
  const ls = await rexec(["ls"], environment({ REXEC_HOST: gateway.url, REXEC_TOKEN: gateway.token }));
  expect(ls).toMatchObject({ code: 0 });
  for (const name of names) expect(ls.stdout.toString()).toContain(name);
}

describe("an agent that sends long texts about itself", () => {
  const attacks: [string, object][] = [
    ["a hostname", { ...INFO, hostname: LONG }],
    ["a region and a distribution", { ...INFO, hostname: "pi", region: LONG, distro: LONG }],
    ["fields that there are not", { ...INFO, hostname: "pi", more: LONG, memory: { total: 1, more: LONG } }],
  ];

  test.each(attacks)(
    "leaves its owner's list whole, also after a restart: %s",
    async (_, data) => {
      await using gateway = await startGateway();
      const { id, token } = await gateway.register("evil");
      await gateway.register("good");
      const agent = await V1Agent.connect(gateway, { id, token });
      agent.send({ type: "system_info", data });
      await agent.settle();
      await until(
        async () => (await gateway.gateway.store.agents.get(id))?.system_info,
        10_000,
        "the record",
      );
      await expectListed(gateway, ["evil", "good"]);
      agent.drop();
      await gateway.restart();
      await expectListed(gateway, ["evil", "good"]);
    },
    60_000,
  );

  test("in the headers of its handshake, an error or a result harms no more", async () => {
    await using gateway = await startGateway();
    const { id, token } = await gateway.register("evil");
    const agent = await V1Agent.connect(
      gateway,
      { id, token },
      { headers: { "X-Agent-OS": "o".repeat(8_000) } },
    );
    agent.send({ type: "shell_error", data: { session_id: "main", error: LONG } });
    agent.send({ type: "stats", data: { cpu_percent: LONG, memory: 7 } });
    await agent.settle();
    await expectListed(gateway, ["evil"]);
    expect((await gateway.api("GET", `/api/agents/${id}`)).json.stats).toEqual({ memory: 7 });
  }, 60_000);

  test("of 20 MB is not listened to, and stays connected", async () => {
    await using gateway = await startGateway();
    const { id, token } = await gateway.register("evil");
    const agent = await V1Agent.connect(gateway, { id, token });
    agent.send({ type: "system_info", data: { ...INFO, hostname: HUGE } });
    agent.send({ type: "stats", data: { cpu_percent: HUGE, memory: 7 } });
    await agent.settle();
    await expectListed(gateway, ["evil"]);
    expect((await gateway.api("GET", `/api/agents/${id}`)).json.stats).toBeUndefined();
  }, 60_000);
});

describe("a database that holds such texts already", () => {
  test("is listed, with what is too long cut or left out and damaged rows skipped", async () => {
    await using gateway = await startGateway();
    const poisoned = await gateway.register("poisoned");
    const damaged = await gateway.register("damaged");
    await gateway.register("good");
    await gateway.gateway.stop();
    using database = new Database(join(gateway.dataDir, "gateway.db"));
    const info = JSON.stringify({ ...INFO, hostname: HUGE });
    database.run("UPDATE agents SET system_info = ?, description = ? WHERE id = ?", [
      info,
      HUGE,
      poisoned.id,
    ]);
    database.run("UPDATE agents SET tags = ? WHERE id = ?", [JSON.stringify([HUGE, 7]), poisoned.id]);
    database.run("UPDATE agents SET os = x'00ff' WHERE id = ?", [damaged.id]);
    database.close();
    await gateway.restart();
    await expectListed(gateway, ["good", "poisoned"]);
    using after = new Database(join(gateway.dataDir, "gateway.db"), { readonly: true });
    expect(after.query("SELECT MAX(LENGTH(system_info)) AS longest FROM agents").get()).toEqual({
      longest: null,
    });
    const { json } = await gateway.api("GET", `/api/agents/${poisoned.id}`);
    expect(json).toMatchObject({ name: "poisoned", tags: [] });
    expect(json.description).toHaveLength(1024);
  }, 60_000);
});
