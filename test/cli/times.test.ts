import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { rfc3339 } from "../../src/lib/duration.ts";
import { VERSION } from "../../src/lib/version.ts";
import { environment, loggedIn, rexec } from "../client/support/cli.ts";
import { agent, V1Server } from "../client/support/v1-server.ts";
import { startAgent } from "../support/agent.ts";
import { startGateway } from "../support/gateway.ts";
import { V2Gateway } from "../support/v2-gateway.ts";
import { V2Shell } from "../support/v2-shell.ts";
import { until } from "../support/wait.ts";

setDefaultTimeout(30_000);

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

describe("ls --json", () => {
  test("tells the version of an agent, also once it has left", async () => {
    await using gateway = await startGateway();
    const { id: agentId, token } = await gateway.register("box");
    const running = startAgent({ host: gateway.url, token, agentId });
    const env = environment({ REXEC_HOST: gateway.url, REXEC_TOKEN: gateway.token });
    const listed = async () => JSON.parse((await rexec(["ls", "--json"], env)).stdout.toString())[0];
    await until(async () => (await listed()).agent_version === VERSION, 10_000, "the version");
    expect(await listed()).toMatchObject({ name: "box", status: "online" });
    await running.stop();
    const after = await listed();
    expect(after).toMatchObject({ status: "offline", agent_version: VERSION });
    for (const key of ["created_at", "connected_at", "last_ping"]) expect(after[key]).toMatch(RFC3339);
  }, 20_000);

  test("writes times in one form, whatever the server writes", async () => {
    const overrides = {
      created_at: "2026-01-31 12:00:00+02:00",
      connected_at: "0001-01-01T00:00:00Z",
      last_ping: "2026-01-31T12:00:00.123456789+01:00",
    };
    await using server = new V1Server({ agents: [agent("box", overrides), agent("other")] });
    const ran = await rexec(["ls", "--json"], loggedIn(server.url));
    const [box, other] = JSON.parse(ran.stdout.toString());
    expect(box).toMatchObject({
      created_at: "2026-01-31T10:00:00.000Z",
      connected_at: null,
      last_ping: "2026-01-31T11:00:00.123Z",
      agent_version: null,
    });
    expect(other).toMatchObject({ created_at: null, connected_at: null, last_ping: null });
  });
});

test("sessions --json writes times in the same form", async () => {
  await using gateway = new V2Gateway();
  gateway.shells.set("main", new V2Shell("main"));
  const ran = await rexec(["sessions", "--json"], gateway.env);
  const [session] = JSON.parse(ran.stdout.toString());
  expect(session.started_at).toMatch(RFC3339);
  expect(session.ended_at).toBeNull();
});

test("a time is one that has four digits for its year", () => {
  expect(rfc3339(0)).toBeNull();
  expect(rfc3339(null)).toBeNull();
  expect(rfc3339("nonsense")).toBeNull();
  expect(rfc3339(1e300)).toBeNull();
  expect(rfc3339(1_767_225_600_000)).toBe("2026-01-01T00:00:00.000Z");
});
