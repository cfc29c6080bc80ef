/** The weather itself: a proxy that does not do what it says would prove nothing. */
import { afterEach, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";
import { until, within } from "../support/wait.ts";
import { type Climate, forecast, ROUGH } from "./forecast.ts";
import { ChaosProxy, type ProxyOptions, Storm } from "./proxy.ts";

const climate: Climate = { bytes: 1000, ms: 100, weights: ROUGH, longestMs: 50 };
const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

describe("a forecast", () => {
  test("is the same for the same seed, and another for another", () => {
    const of = (seed: number) => JSON.stringify(forecast(seed, climate).take(500).toArray());
    expect(of(7)).toBe(of(7));
    expect(of(7)).not.toBe(of(8));
  });

  test("has every kind of weather in about the asked proportion, at about the asked distance", () => {
    const gusts = forecast(3, climate).take(5_000).toArray();
    const share = (kind: string) => gusts.filter(({ blow }) => blow.kind === kind).length / gusts.length;
    for (const [kind, weight] of Object.entries(ROUGH)) expect(share(kind)).toBeCloseTo(weight / 100, 1);
    const mean = gusts.reduce((sum, { afterBytes }) => sum + afterBytes, 0) / gusts.length;
    expect(Math.abs(mean - climate.bytes)).toBeLessThan(50);
  });
});

describe("a proxy", () => {
  test("passes bytes as they are, in both directions, split and late", async () => {
    const { proxy, target } = await stage();
    proxy.split(7);
    proxy.delay(20);
    const near = await dial(proxy);
    const far = await target.next();
    const sent = randomBytes(2_000);
    const start = performance.now();
    near.end(sent);
    far.write(sent.subarray(0, 500));
    expect(await hashOf(far)).toBe(createHash("sha256").update(sent).digest("hex"));
    expect(performance.now() - start).toBeGreaterThan(19);
    const back = collect(near);
    await until(() => back.length >= 500, 5_000, "what came back");
    expect(back.bytes().equals(sent.subarray(0, 500))).toBe(true);
  });

  test.each([100_000, 10_000])(
    "passes %d bytes a second, and holds little ahead of a slow line",
    async (rate) => {
      const { proxy, target } = await stage({ narrow: true });
      proxy.throttle(rate);
      const near = await dial(proxy);
      const far = await target.next();
      const got = collect(near);
      let taken = 0;
      const feed = setInterval(() => {
        while (far.writableLength === 0) taken += far.write(Buffer.alloc(4096)) ? 4096 : 4096;
      }, 2);
      await until(() => got.length > rate / 10, 10_000, "the first bytes");
      const [start, from] = [performance.now(), got.length];
      await Bun.sleep(1_000);
      const measured = ((got.length - from) * 1000) / (performance.now() - start);
      clearInterval(feed);
      expect(measured).toBeGreaterThan(rate * 0.85);
      expect(measured).toBeLessThan(rate * 1.15);
      expect(taken).toBeGreaterThan(0);
    },
  );

  test("cuts with a reset or a FIN, vanishes without a word, and takes new connections after each", async () => {
    const { proxy, target } = await stage();
    for (const how of ["rst", "fin"] as const) {
      const near = await dial(proxy);
      const closed = closeOf(near);
      const far = closeOf(await target.next());
      expect(proxy.cut(how)).toBe(1);
      await within(Promise.all([closed, far]), 2_000, `both ends to hear of a ${how}`);
    }
    const near = await dial(proxy);
    const far = await target.next();
    const got = collect(far);
    expect(proxy.vanish()).toBe(1);
    near.write("into the void");
    far.end();
    const again = await dial(proxy);
    again.write("hello");
    await until(() => target.heard.endsWith("hello"), 2_000, "bytes of a new connection");
    expect(got.length).toBe(0);
    expect(near.closed).toBe(false);
  });

  test("half-closed, one direction ends and the other goes on", async () => {
    const { proxy, target } = await stage();
    const near = await dial(proxy);
    const far = await target.next();
    const ended = new Promise<void>((resolve) => far.once("end", resolve));
    far.resume();
    proxy.halfClose("far");
    await within(ended, 2_000, "the FIN");
    far.write("still here");
    expect((await within(once(near), 2_000, "bytes")).toString()).toBe("still here");
  });

  test("stalled, it passes nothing, and everything afterwards", async () => {
    const { proxy, target } = await stage();
    const near = await dial(proxy);
    const got = collect(await target.next());
    proxy.stall(true);
    near.write("held back");
    await Bun.sleep(50); // that nothing comes raises no event
    expect(got.length).toBe(0);
    proxy.stall(false);
    await until(() => got.length === 9, 2_000, "what was held back");
  });

  test("refusing, it takes no connection until it listens again, on the same port", async () => {
    const { proxy, target } = await stage();
    const { port } = proxy;
    await proxy.refuse();
    expect(await dial(proxy).catch(() => "refused")).toBe("refused");
    await proxy.listen();
    expect(proxy.port).toBe(port);
    await dial(proxy);
    await target.next();
  });

  test("a storm blows by its forecast and ends with clear weather", async () => {
    const { proxy, target } = await stage();
    const storm = new Storm(proxy, forecast(1, { ...climate, ms: 2, longestMs: 3 }));
    let cuts = 0;
    const deadline = performance.now() + 5_000;
    while (storm.cuts < 20 && performance.now() < deadline) {
      const near = await dial(proxy).catch(() => null);
      if (!near) continue;
      await closeOf(near, 200);
      cuts += 1;
    }
    await storm.stop();
    expect(storm.cuts).toBeGreaterThanOrEqual(20);
    expect(cuts).toBeGreaterThan(10);
    const near = await dial(proxy);
    near.write("after the storm");
    await until(async () => target.heard.includes("after the storm"), 2_000, "clear weather");
  });
});

// --- internal ---

interface Target {
  /** The next connection that has not been asked for. */
  next(): Promise<Socket>;
  /** Of all connections that nobody listens to otherwise. */
  heard: string;
}

async function stage(options: ProxyOptions = {}): Promise<{ proxy: ChaosProxy; target: Target }> {
  const sockets: Socket[] = [];
  const target: Target = {
    next: () => until(() => sockets.shift() ?? null, 2_000, "a connection to the target"),
    heard: "",
  };
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      target.heard = (target.heard + bytes.toString("latin1")).slice(-100_000);
    });
    sockets.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const proxy = await ChaosProxy.to(port, options);
  open.push({ [Symbol.asyncDispose]: async () => void server.close() }, proxy);
  return { proxy, target };
}

function dial(proxy: ChaosProxy): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true }, () =>
      resolve(socket),
    );
    socket.on("error", reject);
  });
}

function collect(socket: Socket) {
  const chunks: Buffer[] = [];
  socket.on("data", (bytes: Buffer) => chunks.push(bytes));
  return {
    get length() {
      return chunks.reduce((sum, { length }) => sum + length, 0);
    },
    bytes: () => Buffer.concat(chunks),
  };
}

function once(socket: Socket): Promise<Buffer> {
  return new Promise((resolve) => socket.once("data", resolve));
}

async function closeOf(socket: Socket, ms = 10_000): Promise<void> {
  socket.resume();
  const closed = new Promise<void>((resolve) => {
    if (socket.closed) resolve();
    socket.once("close", () => resolve());
    socket.once("end", () => resolve());
  });
  await Promise.race([closed, Bun.sleep(ms)]);
  socket.destroy();
}

async function hashOf(socket: Socket): Promise<string> {
  const hash = createHash("sha256");
  socket.on("data", (bytes: Buffer) => hash.update(bytes));
  await within(new Promise<void>((resolve) => socket.once("end", resolve)), 10_000, "the end");
  return hash.digest("hex");
}
