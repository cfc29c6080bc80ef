import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { environment, rexec } from "../client/support/cli.ts";
import { startAgent } from "../support/agent.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { V1Server } from "../support/v1-server.ts";
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

describe("a server that sends such texts", () => {
  test("to a CLI gets a list out of it that is whole and short", async () => {
    const long = HUGE.slice(0, 2 * 1024 * 1024);
    const agents = [
      { id: "evil", name: "evil", status: long, os: long, tags: [long] },
      { id: long, name: "nameless", status: "online" },
      { id: "good", name: "good", status: "online" },
    ];
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json(agents) });
    const env = environment({ REXEC_HOST: server.url.origin, REXEC_TOKEN: `rexec_${"0".repeat(64)}` });
    for (const words of [["ls"], ["ls", "--json"]]) {
      const { code, stdout } = await rexec(words, env);
      expect([words, code]).toEqual([words, 0]);
      expect(stdout.length).toBeLessThan(64 * 1024);
      for (const name of ["evil", "good"]) expect(stdout.toString()).toContain(name);
    }
    await server.stop(true);
  }, 30_000);

  test("to an agent is not obeyed, and the agent goes on", async () => {
    const server = new V1Server();
    await using agent = startAgent({ host: server.url, token: server.token, agentId: server.agentId });
    await server.connected();
    const long = HUGE.slice(0, 5 * 1024 * 1024);
    const env = Object.fromEntries(Array.from({ length: 5_000 }, (_, each) => [`V${each}`, ""]));
    server.send("shell_start", { session_id: long, new_session: true });
    server.send("exec", { command: `: ${long}`, id: "1" });
    server.send("exec", { command: ":", cwd: long, id: "2" });
    server.send("exec", { command: ":", env, id: "3" });
    server.send("exec", { command: "echo fine", id: "4" });
    await until(() => server.results.some(({ id }) => id === "4"), 20_000, "an answer to what is in order");
    expect(server.results.map(({ id }) => id)).toEqual(["4"]);
    expect(server.sessions.size).toBe(0);
    expect(agent.logger.lines.join("").length).toBeLessThan(16 * 1024);
    expect(server.connections).toBe(1);
    await agent.stop();
    await server.stop();
  }, 30_000);
});

test("a command that is too large is refused with words before anything is sent", async () => {
  const env = environment({ REXEC_HOST: "http://127.0.0.1:1", REXEC_TOKEN: `rexec_${"0".repeat(64)}` });
  const words: [string[], string][] = [
    [["--", "echo", ...Array(20).fill("x".repeat(10_000))], "as one argument"],
    [["--cwd", `/${"d".repeat(4096)}`, "--", "true"], "--cwd has 4097 characters"],
    [["--env", `A=${"x".repeat(131_068)}`, "--", "true"], "refuses the connection"],
  ];
  for (const [given, text] of words) {
    const { code, stderr } = await rexec(["exec", "box", ...given], env);
    expect([text, code]).not.toEqual([text, 0]);
    expect(stderr).toContain(text);
  }
});
