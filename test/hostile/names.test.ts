import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { rexec } from "../client/support/cli.ts";
import { startAgent } from "../support/agent.ts";
import { startGateway } from "../support/gateway.ts";
import { V1Server } from "../support/v1-server.ts";
import { AGENT, V2Gateway } from "../support/v2-gateway.ts";
import { V2Shell } from "../support/v2-shell.ts";

setDefaultTimeout(20_000);

describe("a name that means something in an address", () => {
  test.each([".", ".."])(
    "of a session, %p: no call of the CLI is about the agent that it runs on",
    async (name) => {
      await using gateway = new V2Gateway();
      gateway.shells.set(name, new V2Shell(name));
      const ran = await rexec(["kill", "box", name, "--yes"], gateway.env);
      expect(ran.code).toBe(1);
      expect(ran.stderr).toContain("cannot stand in an address");
      expect(gateway.requests.filter((line) => line.startsWith("DELETE"))).toEqual([]);
    },
  );

  test.each(["..", "."])("of an agent, as a server lists it: %p", async (id) => {
    await using gateway = new V2Gateway({ agents: [{ ...AGENT, id }] });
    for (const words of [
      ["sessions", "box"],
      ["kill", "box", "main", "--yes"],
      ["exec", "box", "--", "true"],
    ]) {
      const ran = await rexec(words, gateway.env);
      expect(ran.stderr).toContain("cannot stand in an address");
    }
    expect(gateway.requests.filter((line) => line !== "GET /api/agents")).toEqual([]);
  });

  test.each([".", "..", " .. ", "\ud800", "a\udc00"])(
    "of an agent or a token, as a user gives it: %j is refused by the gateway",
    async (name) => {
      await using gateway = await startGateway();
      const send = (method: string, path: string, body: object) =>
        fetch(`${gateway.url}${path}`, {
          method,
          headers: { authorization: `Bearer ${gateway.token}`, "content-type": "application/json" },
          // The escape, since no UTF-8 has such a half.
          body: JSON.stringify(body),
        });
      const { id } = await gateway.register();
      for (const answer of [
        await send("POST", "/api/agents/register", { name }),
        await send("PATCH", `/api/agents/${id}`, { name }),
        await send("POST", "/api/tokens", { name }),
      ]) {
        expect(answer.status).toBe(400);
        expect(await answer.json()).toMatchObject({ code: "bad_body" });
      }
      expect((await send("PATCH", `/api/agents/${id}`, { name: "..." })).status).toBe(200);
    },
  );

  test("of a session that a server of v1 asks for: refused by the agent", async () => {
    const server = new V1Server();
    const { url: host, token, agentId } = server;
    const agent = startAgent({ host, token, agentId });
    try {
      await server.connected();
      for (const name of ["..", "."]) {
        server.start(name, true);
        expect((await server.reached("error", name)).error).toContain("no session can have that name");
      }
    } finally {
      await agent.stop();
      await server.stop();
    }
  });
});
