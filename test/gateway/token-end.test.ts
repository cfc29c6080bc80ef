import { describe, expect, test } from "bun:test";
import { between, environment, expectRestored } from "../client/support/cli.ts";
import { startAgent } from "../support/agent.ts";
import { startGateway } from "../support/gateway.ts";
import { until, within } from "../support/wait.ts";

describe("a token that ends while it is in use", () => {
  test("revoked under an agent: it says so, and that refresh-token is the remedy", async () => {
    await using gateway = await startGateway();
    const { id, token } = await gateway.register();
    await using agent = startAgent({ host: gateway.url, token, agentId: id });
    await until(() => gateway.gateway.hub.presence(id), 5_000, "the agent to be online");
    const { tokens } = (await gateway.api("GET", "/api/tokens")).json;
    const own = tokens.find((each: { agent_id?: string }) => each.agent_id === id);
    await gateway.api("DELETE", `/api/tokens/${own.id}`);
    const error = await within(agent.outcome, 5_000, "its end");
    expect(error).toMatchObject({
      code: "token_revoked",
      exitCode: 4,
      message: `${gateway.url} revoked the token`,
    });
    expect(String(Reflect.get(error ?? {}, "hint"))).toMatch(/still registered.*rexec-agent refresh-token/);
    expect(String(Reflect.get(error ?? {}, "hint"))).not.toMatch(/dashboard|rexec-agent register/);
  });

  test("expired under an agent", async () => {
    await using gateway = await startGateway({ timings: { tickMs: 20 } });
    const { id } = await gateway.register();
    const { makeToken } = await import("../../src/gateway/auth/token.ts");
    const made = makeToken();
    const { store } = gateway.gateway;
    const userId = (await store.users.firstAdmin())?.id ?? "";
    const expiresAt = new Date(Date.now() + 1_000).toISOString();
    await store.tokens.create(made, { userId, agentId: id, name: "short", scopes: ["agent"], expiresAt });
    await using agent = startAgent({ host: gateway.url, token: made.token, agentId: id });
    expect(await within(agent.outcome, 10_000, "its end")).toMatchObject({
      code: "token_expired",
      exitCode: 4,
    });
  });

  test("an agent that was deleted is still told to register again", async () => {
    await using gateway = await startGateway();
    const { id, token } = await gateway.register();
    await using agent = startAgent({ host: gateway.url, token, agentId: id });
    await until(() => gateway.gateway.hub.presence(id), 5_000, "the agent to be online");
    await gateway.api("DELETE", `/api/agents/${id}`);
    expect(await within(agent.outcome, 5_000, "its end")).toMatchObject({
      code: "deleted",
      hint: expect.stringContaining("rexec-agent register"),
    });
  });

  test("revoked under a person's terminal: it says so and how to go on", async () => {
    await using gateway = await startGateway();
    const { id, token } = await gateway.register("box");
    await using agent = startAgent({ host: gateway.url, token, agentId: id });
    await until(() => gateway.gateway.hub.presence(id), 5_000, "the agent to be online");
    const theirs = await gateway.mint(["user"]);
    const env = environment({ REXEC_HOST: gateway.url, REXEC_TOKEN: theirs.token });
    await using screen = await between("connect box", env);
    await screen.type("echo re''ady\r");
    await screen.shows("ready");
    await gateway.api("DELETE", `/api/tokens/${theirs.id}`);
    await expectRestored(screen, 255);
    expect(screen.shown).toContain("the token was revoked");
    expect(screen.shown).toContain("rexec login");
    expect(agent.states.at(-1)?.phase).toBe("connected");
  }, 20_000);
});
