import { describe, test } from "bun:test";
import { V1Viewer } from "../support/v1-viewer.ts";
import { RawSocket } from "./raw-socket.ts";
import { type AttackedGateway, attackedGateway } from "./support.ts";

/** A message of about so many bytes, with nothing but faults in it. */
function faults(head: string, fault: string, bytes: number, end: string): string {
  return `${head}[${`${fault},`.repeat(Math.floor(bytes / (fault.length + 1)))}${fault}]${end}`;
}

async function agentSocket(gateway: AttackedGateway, protocol: string): Promise<RawSocket> {
  const { id, token } = await gateway.register();
  return RawSocket.open(`${gateway.url}/ws/agent/${id}`, token, protocol);
}

describe("a message of nothing but faults", () => {
  const attacks: [string, string, string][] = [
    ["a list of sessions", '{"type":"sessions","sessions":', "{}"],
    ["a list of lists", '{"type":"sessions","sessions":', "[[[]]]"],
    ["sessions with wrong fields", '{"type":"sessions","sessions":', '{"session":1,"kind":2,"bytes":"x"}'],
    ["statistics", '{"type":"stats","data":', "1"],
    ["a refusal", '{"type":"refused","message":', "{}"],
    ["a result", '{"type":"exec_result","data":', "{}"],
    ["a type of the future", '{"type":"news","data":', "{}"],
  ];

  test.each(attacks)(
    "from an agent: %s of 1 and of 10 MB",
    async (_, head, fault) => {
      await using gateway = await attackedGateway();
      await using agent = await agentSocket(gateway, "rexec.v2");
      const report = await gateway.under(async () => {
        for (const bytes of [1_000_000, 10_000_000]) {
          agent.text(faults(head, fault, bytes, "}"));
          await agent.flushed();
          await gateway.api("GET", "/api/version");
        }
      });
      report.isUnhurt({ memory: 2.5 });
    },
    60_000,
  );

  const nested = "[".repeat(900_000);
  test.each([
    ["open arrays", `{"type":"stats","data":${nested}`],
    ["closed ones", `{"type":"stats","data":${nested.slice(0, 450_000)}${"]".repeat(450_000)}}`],
    ["objects", `{"type":"stats","data":${'{"a":'.repeat(150_000)}1${"}".repeat(150_000)}}`],
  ])(
    "from an agent: %s inside one another",
    async (_, text) => {
      await using gateway = await attackedGateway();
      await using agent = await agentSocket(gateway, "rexec.v1");
      const report = await gateway.under(async () => {
        for (let each = 0; each < 20; each += 1) agent.text(text);
        await agent.flushed();
        await gateway.api("GET", "/api/version");
      });
      report.isUnhurt({ memory: 2.5 });
    },
    60_000,
  );

  test("from a viewer, by either protocol, and in the body of a request", async () => {
    await using gateway = await attackedGateway();
    const registered = await gateway.register();
    await using _agent = await RawSocket.open(
      `${gateway.url}/ws/agent/${registered.id}`,
      registered.token,
      "rexec.v2",
    );
    const at = `${gateway.url}/ws/agent/${registered.id}/terminal?id=`;
    await using v1 = await RawSocket.open(`${at}a`, gateway.token);
    await using v2 = await RawSocket.open(`${at}b`, gateway.token, "rexec.v2");
    const report = await gateway.under(async () => {
      const run = '{"type":"run","channel":1,"run":"r","command":"c","cursors":';
      v2.text(faults(run, "{}", 200_000, "}"));
      v1.text(faults('{"type":"exec","data":{"command":"c","env":', "{}", 200_000, "}}"));
      await v1.flushed();
      await v2.flushed();
      await gateway.api("POST", "/api/tokens", faults('{"name":"a","scopes":', "{}", 1_000_000, "}"));
      await gateway.api("POST", "/api/agents/register", faults('{"name":"a","tags":', "1", 1_000_000, "}"));
    });
    report.isUnhurt();
    await using still = await V1Viewer.connect(gateway, registered.id, "c");
    await still.settle();
  }, 60_000);
});
