import { describe, expect, test } from "bun:test";
import { V1Agent } from "../support/v1-agent.ts";
import { V1Viewer } from "../support/v1-viewer.ts";
import { until } from "../support/wait.ts";
import { Opcode, RawSocket } from "./raw-socket.ts";
import { attackedGateway } from "./support.ts";

const MB = 1_000_000;
const PIECE = new Uint8Array(MB / 4);

/** Sends so much of a frame whose header says more, and leaves it at that. */
async function sendPart(socket: RawSocket, said: number, sent: number): Promise<void> {
  socket.frame(Opcode.binary, PIECE, { length: said });
  for (let at = PIECE.length; at < sent && !socket.isClosed; at += PIECE.length) {
    socket.write(PIECE);
    await socket.flushed();
  }
}

/** The same in fragments, each of which is whole; the message is not. */
async function sendFragments(socket: RawSocket, sent: number): Promise<void> {
  socket.frame(Opcode.binary, PIECE, { fin: false });
  for (let at = PIECE.length; at < sent && !socket.isClosed; at += PIECE.length) {
    socket.frame(Opcode.continuation, PIECE, { fin: false });
    socket.frame(Opcode.ping, PIECE.subarray(0, 10));
    await socket.flushed();
  }
}

describe("frames that are not whole", () => {
  const attacks: [string, string, (socket: RawSocket) => Promise<void>][] = [
    ["of 150 MB, by v1", "rexec.v1", (socket) => sendPart(socket, 150 * MB, 150 * MB)],
    ["of 20 MB, by v1", "rexec.v1", (socket) => sendPart(socket, 21 * MB, 20 * MB)],
    ["of 20 MB, by v2", "rexec.v2", (socket) => sendPart(socket, 21 * MB, 20 * MB)],
    ["in fragments with pings between", "rexec.v1", (socket) => sendFragments(socket, 20 * MB)],
  ];

  test.each(attacks)(
    "of 30 viewers cost no more than one bound for all: %s",
    async (_, protocol, attack) => {
      await using gateway = await attackedGateway();
      await using good = await V1Agent.connect(gateway, await gateway.register("good"));
      const other = await gateway.register("attacked");
      await using _modern = await RawSocket.open(
        `${gateway.url}/ws/agent/${other.id}`,
        other.token,
        "rexec.v2",
      );
      const at = `${gateway.url}/ws/agent/${other.id}/terminal`;
      const viewers: RawSocket[] = [];
      for (let each = 0; each < 30; each += 1)
        viewers.push(await RawSocket.open(`${at}?id=v${each}`, gateway.token, protocol));
      const report = await gateway.under(async () => {
        await Promise.all(viewers.map(attack));
        await until(() => viewers.filter(({ isClosed }) => isClosed).length >= 20, 10_000, "their ends");
      });
      // 600 MB come in within a second or two, on a machine that is busy sending them.
      report.isUnhurt({ memory: 6, stall: 60 });
      expect(report.attacked.peakBytes - report.idle.peakBytes).toBeLessThan(400 * MB);
      expect(good.isClosed).toBe(false);
      for (const viewer of viewers) await viewer[Symbol.asyncDispose]();
    },
    60_000,
  );

  test("a result of 22 MB that comes slowly is none of them", async () => {
    await using gateway = await attackedGateway();
    const registered = await gateway.register();
    await using agent = await RawSocket.open(`${gateway.url}/ws/agent/${registered.id}`, registered.token);
    await using viewer = await V1Viewer.connect(gateway, registered.id, "a", "exec=1");
    viewer.send({ type: "exec", data: { command: "big" } });
    const stdout = "x".repeat(22 * MB);
    const frame = Buffer.from(
      JSON.stringify({ type: "exec_result", data: { command: "big", output: stdout, success: true } }),
    );
    agent.frame(Opcode.text, frame.subarray(0, 1000), { length: frame.length });
    for (let at = 1000; at < frame.length; at += 2 * MB) {
      agent.write(frame.subarray(at, at + 2 * MB));
      await Bun.sleep(50);
    }
    const result = await viewer.find(({ type }) => type === "exec_result", "the result", 0, 20_000);
    expect(result.data.output).toBe(stdout);
  }, 60_000);

  test("a message of a viewer by rexec.v2 has 256 KiB at most", async () => {
    await using gateway = await attackedGateway();
    const { id, token } = await gateway.register();
    await using _agent = await RawSocket.open(`${gateway.url}/ws/agent/${id}`, token, "rexec.v2");
    for (const opcode of [Opcode.text, Opcode.binary]) {
      await using viewer = await RawSocket.open(
        `${gateway.url}/ws/agent/${id}/terminal?id=a`,
        gateway.token,
        "rexec.v2",
      );
      viewer.frame(opcode, new Uint8Array(256 * 1024 + 1).fill(0x20));
      await until(() => viewer.isClosed, 5_000, "its end");
    }
  });
});
