import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { join } from "node:path";
import { draftOf } from "../../../src/gateway/audit/draft.ts";
import { Forwarder } from "../../../src/gateway/audit/forward/forwarder.ts";
import { syslog, syslogMessage } from "../../../src/gateway/audit/forward/syslog.ts";
import { webhook } from "../../../src/gateway/audit/forward/webhook.ts";
import { chained, GENESIS } from "../../../src/gateway/audit/row.ts";
import type { AuditView } from "../../../src/gateway/audit/view.ts";
import { type AuditWriter, MAIN_CHAIN } from "../../../src/gateway/audit/writer.ts";
import { unixDatagram } from "../../../src/pty/unix-datagram.ts";
import { arrayLogger } from "../../support/gateway.ts";
import { testWith } from "../../support/needs.ts";
import { until } from "../../support/wait.ts";
import { type AuditFolder, auditFolder } from "./support.ts";

const SECRET = "a key of some length";
const RETRY = { baseMs: 20, capMs: 50, healthyAfterMs: 0 };

/** A collector that answers as `answer` says, and checks each signature. */
function receiver(answer: (n: number) => Response | Promise<Response> = () => new Response()) {
  const rows: AuditView[] = [];
  const deliveries: string[] = [];
  let count = 0;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      count += 1;
      const body = await request.text();
      const { headers } = request;
      const timestamp = headers.get("x-rexec-timestamp") ?? "";
      const right = `sha256=${createHmac("sha256", SECRET).update(`${timestamp}.${body}`).digest("hex")}`;
      if (headers.get("x-rexec-signature") !== right) return new Response("forged", { status: 403 });
      if (Math.abs(Date.now() / 1000 - Number(timestamp)) > 60) return new Response("old", { status: 403 });
      const response = await answer(count);
      if (response.ok) {
        deliveries.push(headers.get("x-rexec-delivery") ?? "");
        rows.push(...JSON.parse(body).rows);
      }
      return response;
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}/hook`,
    rows,
    deliveries,
    get count() {
      return count;
    },
    [Symbol.dispose]: () => void server.stop(true),
  };
}

function forwarder(
  folder: AuditFolder,
  writer: AuditWriter,
  collector: Parameters<typeof webhook>[0] | ReturnType<typeof webhook>,
  more = {},
) {
  const made = new Forwarder({
    audits: folder.store.audits,
    audit: writer,
    chain: MAIN_CHAIN,
    collector: typeof collector === "string" ? webhook(collector, SECRET) : collector,
    logger: arrayLogger(folder.log),
    retry: RETRY,
    ...more,
  });
  writer.subscribe(() => made.wake());
  return made;
}

async function record(writer: AuditWriter, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 1) writer.record({ action: "test", target: String(n) });
  await writer.flush();
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => String(from + index));
const targets = (rows: readonly AuditView[]) => rows.map(({ target }) => target);

/** A new collector takes its place before anything is recorded for it. */
async function placed(folder: AuditFolder, collector: { key: string }): Promise<void> {
  await until(
    () => folder.store.audits.forwarded(collector.key, MAIN_CHAIN),
    5_000,
    "the place of the collector",
  );
}

describe("a webhook", () => {
  test("gets what happens from now on, in order, signed", async () => {
    await using folder = await auditFolder();
    using hook = receiver();
    const writer = folder.writer();
    await record(writer, 0, 5);
    const collector = webhook(hook.url, SECRET);
    const sending = forwarder(folder, writer, collector);
    await placed(folder, collector);
    await record(writer, 5, 305);
    await until(() => hook.rows.length >= 300, 5_000, "the rows");
    expect(targets(hook.rows)).toEqual(numbers(5, 305));
    expect(hook.deliveries[0]).toStartWith("main:6-");
    await sending.close();
  });

  test("that is dead, slow to answer, redirects or fails is tried again, and misses nothing", async () => {
    await using folder = await auditFolder();
    const answers = [500, 302, 429, 404, 200];
    using hook = receiver(
      (n) =>
        new Response(null, { status: answers[n - 1] ?? 200, headers: { location: "http://127.0.0.1:1/" } }),
    );
    const writer = folder.writer();
    const collector = webhook(hook.url, SECRET);
    const sending = forwarder(folder, writer, collector);
    await placed(folder, collector);
    await record(writer, 0, 10);
    await until(() => hook.rows.length >= 10, 5_000, "the rows");
    expect(targets(hook.rows)).toEqual(numbers(0, 10));
    expect(hook.count).toBeGreaterThanOrEqual(5);
    await sending.close();
    expect(folder.log.join("\n")).toContain(
      `cannot send the audit log to ${new URL(hook.url).origin}: it answers 500`,
    );
    expect(folder.log.join("\n")).not.toContain(SECRET);
  });

  test("goes on where it was after a restart", async () => {
    await using folder = await auditFolder();
    using hook = receiver();
    const writer = folder.writer();
    const collector = webhook(hook.url, SECRET);
    const first = forwarder(folder, writer, collector);
    await placed(folder, collector);
    await record(writer, 0, 10);
    const place = () => folder.store.audits.forwarded(collector.key, MAIN_CHAIN);
    await until(async () => (await place())?.sent === 10, 5_000, "the first rows");
    await first.close();
    await record(writer, 10, 20); // while there is no forwarder
    const second = forwarder(folder, writer, webhook(hook.url, SECRET));
    await until(() => hook.rows.length >= 20, 5_000, "the rest");
    expect(targets(hook.rows)).toEqual(numbers(0, 20));
    await second.close();
  });

  test("that stays dead costs a bounded number of rows, which are counted and told of", async () => {
    await using folder = await auditFolder();
    let dead = true;
    using hook = receiver(() => new Response(null, { status: dead ? 503 : 200 }));
    const writer = folder.writer();
    const collector = webhook(hook.url, SECRET);
    const sending = forwarder(folder, writer, collector, { maxBehind: 50 });
    await placed(folder, collector);
    await record(writer, 0, 200);
    await until(() => sending.dropped >= 150, 5_000, "the drops");
    dead = false;
    await until(
      () => hook.rows.some(({ action }) => action === "audit.forward_dropped"),
      5_000,
      "the row that tells",
    );
    expect(targets(hook.rows.slice(0, 50))).toEqual(numbers(150, 200));
    expect(hook.rows.at(-1)).toMatchObject({ target: new URL(hook.url).origin, details: { count: 150 } });
    await sending.close();
  });

  test("that never answers holds up neither the writer nor the end", async () => {
    await using folder = await auditFolder();
    using hook = receiver(() => new Promise(() => {}));
    const writer = folder.writer();
    const collector = webhook(hook.url, SECRET);
    const sending = forwarder(folder, writer, collector);
    await placed(folder, collector);
    await record(writer, 0, 100);
    await until(() => hook.count > 0, 5_000, "the delivery");
    expect(writer.stats).toMatchObject({ written: 100, queued: 0 });
    const before = performance.now();
    await sending.close();
    expect(performance.now() - before).toBeLessThan(1_000);
  });
});

describe("syslog", () => {
  const [row] = chained(
    MAIN_CHAIN,
    [
      draftOf(
        {
          action: "sign_in_failed",
          target: 'a"b]\\c\n<1>x ü',
          address: "192.0.2.1",
          session: 'x"]y',
          details: { note: "üß\u2028" },
        },
        Date.UTC(2026, 0, 2),
      ),
    ],
    { seq: 6, hash: GENESIS },
  );
  if (!row) throw new Error("there is a row");

  test("messages are one line of ASCII by RFC 5424, with the row as JSON", () => {
    const text = Buffer.from(syslogMessage(row, "ho st.exämple")).toString("latin1");
    expect(text).toMatch(/^[ -~]+$/);
    const [, header, data, json] =
      /^(<108>1 2026-01-02T00:00:00\.000Z ho_st\.ex_mple rexec \d+ sign_in_failed) (\[rexec@32473(?: \w+="(?:[^"\\\]]|\\["\\\]])*")*\]) (\{.*\})$/.exec(
        text,
      ) ?? [];
    expect(header).toBeDefined();
    expect(data).toContain('seq="7"');
    expect(data).toContain(`hash="${row.hash}"`);
    expect(data).toContain('session="x\\"\\]y"');
    expect(JSON.parse(json ?? "")).toMatchObject({
      target: 'a"b]\\c\n<1>x ü',
      details: { note: "üß\u2028" },
      hash: row.hash,
    });
  });

  test("a row that is too large for a datagram comes without its details", () => {
    const details = Object.fromEntries(Array.from({ length: 4 }, (_, n) => [`k${n}`, "ü".repeat(1_900)]));
    const [large] = chained(MAIN_CHAIN, [draftOf({ action: "test", details }, 0)], { seq: 0, hash: GENESIS });
    const message = Buffer.from(syslogMessage(large ?? row)).toString();
    expect(message.length).toBeLessThan(8_192);
    expect(message).toContain('"details":{"left_out":true}');
  });

  test("goes over UDP", async () => {
    await using folder = await auditFolder();
    const heard: string[] = [];
    const socket = await Bun.udpSocket({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (_s, data) => void heard.push(data.toString()) },
    });
    const writer = folder.writer();
    const collector = syslog(`udp://127.0.0.1:${socket.port}`, null);
    const sending = forwarder(folder, writer, collector);
    await placed(folder, collector);
    await record(writer, 0, 5);
    await until(() => heard.length >= 5, 5_000, "the datagrams");
    expect(heard.map((text) => JSON.parse(text.slice(text.indexOf("{"))).target)).toEqual(numbers(0, 5));
    await sending.close();
    socket.close();
  });

  testWith("perl")("goes to a datagram socket of this machine, which may be there later", async () => {
    await using folder = await auditFolder();
    const path = join(folder.path, "log");
    const writer = folder.writer();
    const collector = syslog(`unix://${path}`, unixDatagram);
    const sending = forwarder(folder, writer, collector);
    await placed(folder, collector);
    await record(writer, 0, 3);
    const script = `socket(S, PF_UNIX, SOCK_DGRAM, 0); bind(S, sockaddr_un($ARGV[0])) or die; $| = 1;
      while (defined recv(S, $m, 65536, 0)) { print "$m\\n" }`;
    await using daemon = Bun.spawn(["perl", "-MSocket", "-e", script, path], { stdout: "pipe" });
    const heard: string[] = [];
    void (async () => {
      for await (const text of daemon.stdout.pipeThrough(new TextDecoderStream()))
        heard.push(...text.split("\n").filter(Boolean));
    })();
    await until(() => heard.length >= 3, 10_000, "the datagrams");
    expect(heard.map((text) => JSON.parse(text.slice(text.indexOf("{"))).target)).toEqual(numbers(0, 3));
    await sending.close();
    daemon.kill();
  });

  test("goes over TCP in counted frames, and dials again where the connection was lost", async () => {
    await using folder = await auditFolder();
    let heard = "";
    let connections = 0;
    let closed = 0;
    const sockets = new Set<{ end(): void }>();
    const listen = (port: number) =>
      Bun.listen({
        hostname: "127.0.0.1",
        port,
        socket: {
          open(socket) {
            connections += 1;
            sockets.add(socket);
          },
          close() {
            closed += 1;
          },
          data: (_socket, data) => {
            heard += data.toString("latin1");
          },
        },
      });
    let server = listen(0);
    const { port } = server;
    const writer = folder.writer();
    const collector = syslog(`tcp://127.0.0.1:${port}`, null);
    const sending = forwarder(folder, writer, collector);
    await placed(folder, collector);
    const framed = () => {
      const found: string[] = [];
      for (let at = 0; at < heard.length; ) {
        const [, size = ""] = /^(\d+) /.exec(heard.slice(at, at + 10)) ?? [];
        const start = at + size.length + 1;
        if (size === "" || start + Number(size) > heard.length) break;
        const text = heard.slice(start, start + Number(size));
        found.push(JSON.parse(text.slice(text.indexOf("{"))).target);
        at = start + Number(size);
      }
      return found;
    };
    await record(writer, 0, 150);
    await until(() => framed().length >= 150, 5_000, "the frames");
    // What is written to a connection that has ended is lost, as syslog has it: the sender has to know of the end first.
    server.stop(false);
    for (const socket of sockets) socket.end();
    await until(() => closed === 1, 5_000, "the end by the other side");
    await record(writer, 150, 160);
    await until(
      () => folder.log.some((line) => line.includes("cannot send the audit log")),
      5_000,
      "the failure",
    );
    server = listen(port);
    await until(() => framed().length >= 160, 5_000, "the rest");
    expect(framed()).toEqual(numbers(0, 160));
    expect(connections).toBe(2);
    await sending.close();
    server.stop(true);
  });
});
