/** `/metrics`: real scrapes of a gateway that works, read by a strict parser and by Prometheus's own tool. */
import { describe, expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { Metrics } from "../../../src/gateway/metrics/metrics.ts";
import { parseExposition } from "../../support/exposition.ts";
import { arrayLogger, call, startGateway, type TestGateway } from "../../support/gateway.ts";
import { testUnless, testWith } from "../../support/needs.ts";
import { v2Stage } from "../../support/v2-stage.ts";
import { until } from "../../support/wait.ts";

/** A scrape that is younger than a second is given again. */
async function scrape(gateway: TestGateway) {
  gateway.gateway.operations.scrape.clear();
  const { status, headers, text } = await call(gateway.url, "GET", "/metrics");
  expect(status).toBe(200);
  expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const families = parseExposition(text);
  const value = (name: string, labels = "") => families.get(name)?.samples.get(labels) ?? Number.NaN;
  return { text, families, value };
}

test("a scrape under load counts agents, viewers, sessions, and bytes each way", async () => {
  await using here = await v2Stage();
  const { gateway, agent } = here;
  await using viewer = here.viewer({ keeps: false });
  await using slow = here.viewer({ keeps: false });
  await viewer.attach();
  await slow.attach();
  const before = await scrape(gateway);
  expect(before.value("rexec_agents_connected")).toBe(1);
  expect(before.value("rexec_agents_registered")).toBe(1);
  expect(before.value("rexec_users")).toBe(1);
  expect(before.value("rexec_viewers_connected")).toBe(2);
  expect(before.value("rexec_sessions")).toBe(1);
  expect(before.value("rexec_sockets", '{peer="agent"}')).toBe(1);
  expect(before.value("rexec_sockets", '{peer="viewer"}')).toBe(2);
  const chunk = Buffer.alloc(64 * 1024, "0123456789abcdef\n");
  let last = before;
  let scrapes = 0;
  const writing = (async () => {
    for (let i = 0; i < 64; i += 1) await agent.write("main", chunk);
  })();
  const total = 64 * chunk.length;
  await until(
    async () => {
      const now = await scrape(gateway);
      scrapes += 1;
      for (const [name, { type, samples }] of now.families) {
        if (type !== "counter") continue;
        for (const [labels, value] of samples) expect(value).toBeGreaterThanOrEqual(last.value(name, labels));
      }
      last = now;
      return viewer.received + viewer.skipped >= total && slow.received + slow.skipped >= total;
    },
    20_000,
    "the output",
  );
  await writing;
  expect(scrapes).toBeGreaterThan(0);
  const after = await scrape(gateway);
  const grown = (name: string, peer: string) =>
    after.value(name, `{peer="${peer}"}`) - before.value(name, `{peer="${peer}"}`);
  expect(grown("rexec_received_bytes_total", "agent")).toBeGreaterThan(total);
  expect(grown("rexec_received_bytes_total", "agent")).toBeLessThan(total * 1.05);
  const sent = viewer.received + slow.received;
  expect(grown("rexec_sent_bytes_total", "viewer")).toBeGreaterThan(sent);
  expect(after.value("rexec_ring_memory_bytes")).toBeGreaterThanOrEqual(1024 * 1024);
  expect(after.value("rexec_ring_memory_bytes")).toBeLessThan(after.value("rexec_ring_budget_bytes"));
  expect(after.value("process_resident_memory_bytes")).toBeGreaterThan(10e6);
  expect(after.value("process_cpu_seconds_total")).toBeGreaterThan(0);
  expect(after.value("rexec_event_loop_lag_seconds")).toBeLessThan(60);
  // Nothing of a peer's is a name or a label.
  for (const secret of [here.agentId, gateway.token, "box", viewer.id])
    expect(after.text).not.toContain(secret);
  // Sockets that have ended still count.
  await viewer[Symbol.asyncDispose]();
  await slow[Symbol.asyncDispose]();
  await until(
    async () => (await scrape(gateway)).value("rexec_sockets", '{peer="viewer"}') === 0,
    5_000,
    "the end",
  );
  const end = await scrape(gateway);
  expect(end.value("rexec_sent_bytes_total", '{peer="viewer"}')).toBeGreaterThanOrEqual(
    after.value("rexec_sent_bytes_total", '{peer="viewer"}'),
  );
});

test("refused credentials are counted by their kind", async () => {
  await using gateway = await startGateway();
  for (let i = 0; i < 3; i += 1)
    await gateway.api("GET", "/api/agents", undefined, `rexec_${"0".repeat(64)}`);
  await gateway.api("POST", "/api/sign-in", { username: "admin", password: "wrong-password" }, null);
  const { value } = await scrape(gateway);
  expect(value("rexec_sign_in_failures_total", '{kind="token"}')).toBe(3);
  expect(value("rexec_sign_in_failures_total", '{kind="sign_in"}')).toBe(1);
  expect(value("rexec_sign_in_failures_total", '{kind="join"}')).toBe(0);
});

testWith("promtool")("Prometheus's own linter has nothing to say", async () => {
  await using gateway = await startGateway();
  await gateway.register();
  const { text } = await scrape(gateway);
  const child = Bun.spawn(["promtool", "check", "metrics"], {
    stdin: new Blob([text]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const said = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect(said).toEqual(["", "", 0]);
});

describe("a scrape is for", () => {
  const outside = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ internal, family }) => !internal && family === "IPv4")?.address;

  test("a program on this machine, and no proxy on it, whatever it calls itself", async () => {
    await using gateway = await startGateway({ trustProxy: ["loopback"] });
    const as = async (headers: Record<string, string>) =>
      (await call(gateway.url, "GET", "/metrics", undefined, null, headers)).status;
    expect(await as({})).toBe(200);
    expect(await as({ Host: "localhost:1234" })).toBe(200);
    // A proxy that passes others on: it adds one of these, or keeps the name that they know.
    expect(await as({ "X-Forwarded-For": "203.0.113.9" })).toBe(401);
    expect(await as({ "X-Forwarded-For": "127.0.0.1" })).toBe(401);
    expect(await as({ Forwarded: "for=127.0.0.1" })).toBe(401);
    expect(await as({ "X-Real-IP": "127.0.0.1" })).toBe(401);
    expect(await as({ Via: "1.1 proxy" })).toBe(401);
    expect(await as({ Host: "rexec.example.com" })).toBe(401);
  });

  testUnless(outside === undefined ? "this machine has no address that others reach" : null)(
    "no other machine, whatever it says of itself",
    async () => {
      await using gateway = await startGateway({ host: "0.0.0.0" });
      const url = `http://${outside}:${new URL(gateway.url).port}`;
      const as = async (headers: Record<string, string>) =>
        (await call(url, "GET", "/metrics", undefined, null, headers)).status;
      expect(await as({})).toBe(401);
      expect(await as({ "X-Forwarded-For": "127.0.0.1", Host: "localhost" })).toBe(401);
      expect((await call(url, "GET", "/metrics", undefined, gateway.token)).status).toBe(200);
    },
  );

  test("an administrator's token that reaches so far, and for no member's, no narrower one and no wrong one", async () => {
    await using gateway = await startGateway({ metricsToken: "a-token-for-prometheus" });
    const as = async (token: string) => (await call(gateway.url, "GET", "/metrics", undefined, token)).status;
    const proxied = { "X-Forwarded-For": "203.0.113.9" };
    expect(await as(gateway.token)).toBe(200);
    expect(await as((await gateway.mint(["admin"])).token)).toBe(200);
    for (const scope of ["user", "read"]) expect(await as((await gateway.mint([scope])).token)).toBe(403);
    expect(await as((await gateway.register()).token)).toBe(403);
    expect(await as((await gateway.stranger()).token)).toBe(403);
    expect(await as("nonsense")).toBe(401);
    const own = await call(gateway.url, "GET", "/metrics", undefined, "a-token-for-prometheus", proxied);
    expect(own.status).toBe(200);
    // That one opens nothing else.
    expect((await call(gateway.url, "GET", "/api/agents", undefined, "a-token-for-prometheus")).status).toBe(
      401,
    );
    expect(own.text).not.toContain("a-token-for-prometheus");
  });
});

describe("the registry", () => {
  test("leaves out a family that throws or hangs, says so once, and answers the others", async () => {
    const log: string[] = [];
    const metrics = new Metrics(arrayLogger(log));
    const gauge = { help: "A figure.", type: "gauge" as const };
    metrics.add(
      { ...gauge, name: "rexec_right", read: () => 7 },
      {
        ...gauge,
        name: "rexec_throws",
        read: () => {
          throw new Error("gone");
        },
      },
      { ...gauge, name: "rexec_hangs", read: () => new Promise<number>(() => {}) },
      { ...gauge, name: "rexec_odd", label: "kind", read: () => ({ 'a"b\\c\nd': 1.5 }) },
    );
    const families = parseExposition(await metrics.text());
    await metrics.text();
    expect([...families.keys()]).toEqual(["rexec_right", "rexec_odd"]);
    expect(families.get("rexec_odd")?.samples).toEqual(new Map([['{kind="a\\"b\\\\c\\nd"}', 1.5]]));
    expect(log.filter((line) => line.includes("rexec_throws"))).toHaveLength(1);
  });

  test("cuts a family of too many figures, and takes no name against the conventions or twice", async () => {
    const metrics = new Metrics(arrayLogger([]));
    const figures = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`n${i}`, i]));
    const family = { help: "Figures.", type: "gauge" as const, label: "n", read: () => figures };
    metrics.add({ ...family, name: "rexec_many" });
    expect(parseExposition(await metrics.text()).get("rexec_many")?.samples.size).toBe(64);
    expect(() => metrics.add({ ...family, name: "rexec_many" })).toThrow("cannot be the name");
    for (const name of ["many", "rexec_Many", "rexec_many_total", "rexec_"]) {
      expect(() => metrics.add({ ...family, name })).toThrow("cannot be the name");
    }
    expect(() => metrics.add({ ...family, name: "rexec_new", type: "counter" })).toThrow(
      "cannot be the name",
    );
  });

  test("is read once a second, however often it is scraped", async () => {
    await using gateway = await startGateway();
    let reads = 0;
    gateway.gateway.operations.metrics.add({
      name: "rexec_test_reads",
      help: "Reads.",
      type: "gauge",
      read: () => {
        reads += 1;
        return reads;
      },
    });
    const start = performance.now();
    await Promise.all(Array.from({ length: 200 }, () => call(gateway.url, "GET", "/metrics")));
    expect(reads).toBeLessThanOrEqual(1 + Math.floor((performance.now() - start) / 1_000));
  });
});
