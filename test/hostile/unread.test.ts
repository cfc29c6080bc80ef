import { describe, expect, test } from "bun:test";
import { V1Agent } from "../support/v1-agent.ts";
import { V1Viewer } from "../support/v1-viewer.ts";
import { Opcode, RawSocket } from "./raw-socket.ts";
import { type AttackedGateway, attackedGateway } from "./support.ts";

/** Asks for so long, ms, and reads nothing; as often as the gateway takes it. */
const ATTACK_MS = 4_000;
const PIECE = 500;

async function askWithoutReading(socket: RawSocket, ask: (socket: RawSocket, index: number) => void) {
  socket.pause();
  const end = performance.now() + ATTACK_MS;
  for (let index = 0; performance.now() < end && !socket.isClosed; index += PIECE) {
    for (let each = 0; each < PIECE; each += 1) ask(socket, index + each);
    await socket.flushed(end - performance.now());
  }
}

async function stage(): Promise<{ gateway: AttackedGateway; agent: V1Agent; at: string; id: string }> {
  const gateway = await attackedGateway();
  const registered = await gateway.register("behaved");
  const agent = await V1Agent.connect(gateway, registered);
  return { gateway, agent, id: registered.id, at: `${gateway.url}/ws/agent/${registered.id}/terminal` };
}

const command = "c".repeat(2_000);
const questions: [string, string, (socket: RawSocket, index: number) => void][] = [
  ["pings of WebSocket", "rexec.v1", (socket) => socket.frame(Opcode.ping, new Uint8Array(125))],
  ["pings of v1", "rexec.v1", (socket) => socket.text('{"type":"ping"}')],
  [
    "commands, most of which are refused",
    "rexec.v1",
    (socket, index) => socket.text(JSON.stringify({ type: "exec", data: { command, id: `${index}` } })),
  ],
  ["what there is not", "rexec.v1", (socket) => socket.text('{"type":"news","data":{}}')],
  ["lists of rexec.v2", "rexec.v2", (socket) => socket.text('{"type":"list"}')],
  ["nonsense of rexec.v2", "rexec.v2", (socket) => socket.text('{"type":"attach","channel":1}')],
];

describe("a viewer that asks and does not read", () => {
  test.each(questions)(
    "costs next to nothing: %s",
    async (_, protocol, ask) => {
      const { gateway, agent, at, id } = await stage();
      await using _gateway = gateway;
      await using _agent = agent;
      const other = await gateway.register("by v2");
      const modern = `${gateway.url}/ws/agent/${other.id}`;
      await using _modern = await RawSocket.open(modern, other.token, "rexec.v2");
      const where = protocol === "rexec.v2" ? `${modern}/terminal` : at;
      await using attacker = await RawSocket.open(`${where}?id=evil`, gateway.token, protocol);
      const report = await gateway.under(() => askWithoutReading(attacker, ask));
      report.isUnhurt();
      await using viewer = await V1Viewer.connect(gateway, id, "good");
      await viewer.settle();
      agent.output("main", "still served");
      await viewer.sees("still served");
    },
    60_000,
  );
});

describe("an agent that asks and does not read", () => {
  test.each(questions.slice(0, 2))(
    "costs next to nothing: %s",
    async (_, protocol, ask) => {
      const { gateway, agent } = await stage();
      await using _gateway = gateway;
      await using _agent = agent;
      const { id, token } = await gateway.register("evil");
      await using attacker = await RawSocket.open(`${gateway.url}/ws/agent/${id}`, token, protocol);
      const report = await gateway.under(() => askWithoutReading(attacker, ask));
      report.isUnhurt();
    },
    60_000,
  );
});

test("a viewer that was not read for a while is answered again once it reads", async () => {
  const { gateway, agent, at } = await stage();
  await using _gateway = gateway;
  await using _agent = agent;
  await using slow = await RawSocket.open(`${at}?id=slow`, gateway.token);
  await askWithoutReading(slow, (socket) => socket.text('{"type":"ping"}'));
  slow.resume();
  await slow.flushed(20_000);
  expect(slow.unsent).toBe(0);
  expect(slow.isClosed).toBe(false);
}, 60_000);
