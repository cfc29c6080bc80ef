/** The agent's goodbye to a server that broke the protocol, which has to arrive behind what waits in the socket. */
import { expect, test } from "bun:test";
import { runConnection } from "../../src/agent/uplink/connection.ts";
import { resolveEndpoint } from "../../src/lib/net.ts";
import { CLOSE_PROTOCOL, CLOSE_TOO_BIG } from "../../src/protocol/close-codes.ts";
import { within } from "../support/wait.ts";

const FRAME = new Uint8Array(64 * 1024);
/** So much is more than the kernel takes at once. */
const FRAMES = 200;

/** Fails a connection with that much waiting in it; gives how each side saw the end. */
async function failed(frames: number, code?: number) {
  const seen = Promise.withResolvers<{ code: number; reason: string; bytes: number }>();
  let bytes = 0;
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) =>
      self.upgrade(request, { headers: { "Sec-WebSocket-Protocol": "rexec.v2" } })
        ? undefined
        : new Response("no handshake", { status: 400 }),
    websocket: {
      message(_, message) {
        bytes += message.length;
      },
      close: (_, closeCode, reason) => seen.resolve({ code: closeCode, reason, bytes }),
    },
  });
  const url = `http://127.0.0.1:${server.port}`;
  const target = {
    endpoint: resolveEndpoint({ url, insecure: false, env: {} }),
    agentId: "a",
    token: "t",
    auth: "header",
    about: { name: "a", shell: "/bin/sh", distro: undefined },
  } as const;
  let waited = 0;
  const end = await within(
    runConnection(
      target,
      {
        opened(line) {
          for (let each = 0; each < frames; each += 1) line.send(FRAME);
          waited = line.buffered;
          line.fail("a frame of no kind", code);
          line.fail("and another one", code);
        },
        text() {},
        binary() {},
      },
      new AbortController().signal,
    ),
    5_000,
    "the end of the connection",
  );
  return { waited, end, server: await within(seen.promise, 5_000, "the server to see the end") };
}

test.each([
  [CLOSE_PROTOCOL, undefined],
  [CLOSE_TOO_BIG, CLOSE_TOO_BIG],
])("a close with code %d arrives behind megabytes that wait", async (expected, code) => {
  const { waited, end, server } = await failed(FRAMES, code);
  expect(waited).toBeGreaterThan(FRAME.length);
  expect(server).toEqual({ code: expected, reason: "a frame of no kind", bytes: FRAMES * FRAME.length });
  expect(end).toEqual({ kind: "dropped", reason: "the server broke the protocol: a frame of no kind" });
});

test("a close arrives where nothing waits", async () => {
  const { server } = await failed(0);
  expect(server).toEqual({ code: CLOSE_PROTOCOL, reason: "a frame of no kind", bytes: 0 });
});
