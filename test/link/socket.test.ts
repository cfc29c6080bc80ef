import { expect, test } from "bun:test";
import { LinkSocket } from "../../src/link/socket.ts";
import { until } from "../support/wait.ts";

const MIB = 1024 * 1024;

function serverOf(websocket: Bun.WebSocketHandler<undefined>): Bun.Server<undefined> {
  return Bun.serve<undefined>({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) =>
      self.upgrade(request, { data: undefined }) ? undefined : new Response(null, { status: 400 }),
    websocket,
  });
}

test("a server that floods a client without a reader fills a bound, and then every byte comes once", async () => {
  const total = 64 * MIB;
  let sent = 0;
  using server = serverOf({
    open: (ws) => pour(ws),
    drain: (ws) => pour(ws),
    message() {},
  });
  function pour(ws: Bun.ServerWebSocket<undefined>): void {
    while (sent < total && ws.getBufferedAmount() < MIB) {
      ws.send(new Uint8Array(64 * 1024).fill(sent / (64 * 1024)));
      sent += 64 * 1024;
    }
  }
  const webSocket = new WebSocket(`ws://127.0.0.1:${server.port}`);
  webSocket.binaryType = "arraybuffer";
  let arrived = 0;
  webSocket.addEventListener("message", ({ data }) => {
    arrived += data.byteLength;
  });
  const socket = new LinkSocket(webSocket);
  await socket.opened;
  // It has come to rest: what the server sends further stands in the kernel.
  let before = -1;
  let looks = 0;
  await until(
    () => {
      looks = arrived === before ? looks + 1 : 0;
      before = arrived;
      return arrived > MIB && looks > 50;
    },
    10_000,
    "the client to read no further",
  );
  expect(arrived).toBeLessThan(4 * MIB);
  let heard = 0;
  let wrong = 0;
  socket.listen({
    onText() {},
    onBytes(bytes) {
      if (bytes[0] !== (heard / (64 * 1024)) % 256) wrong += 1;
      heard += bytes.length;
    },
  });
  await until(() => heard === total, 20_000, "the rest");
  expect(wrong).toBe(0);
  socket.close();
});

test("a server that waits for the reader of a client is not taken for dead", async () => {
  const times = { pingMs: 100, deadMs: 300 };
  const total = 16 * MIB;
  let pongs = 0;
  using server = serverOf({
    open(ws) {
      for (let sent = 0; sent < total; sent += MIB) ws.send(new Uint8Array(MIB));
    },
    pong() {
      pongs += 1;
    },
    message() {},
  });
  const webSocket = new WebSocket(`ws://127.0.0.1:${server.port}`);
  webSocket.binaryType = "arraybuffer";
  const socket = new LinkSocket(webSocket, { v1: times, v2: times });
  let end: string | null = null;
  void socket.closed.then(({ reason }) => {
    end = reason;
  });
  await socket.opened;
  // Each is the word of a client that does not read, so that the server keeps it too.
  await until(() => end !== null || pongs > 8, 10_000, "the client to be silent for longer than a dead peer");
  let heard = 0;
  socket.listen({
    onText() {},
    onBytes(bytes) {
      heard += bytes.length;
    },
  });
  await until(() => end !== null || heard === total, 10_000, "the rest");
  expect([end, heard]).toEqual([null, total]);
  socket.close();
});
