import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DownloadFolder } from "../../src/gateway/http/download-folder.ts";
import { startGateway } from "../support/gateway.ts";
import { knock } from "../support/socket.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { within } from "../support/wait.ts";

describe("the Host header", () => {
  test.each([
    ["two of them", ["Host: a.example", "Host: b.example"]],
    ["two in one", ["Host: a.example, b.example"]],
    ["a space in it", ["Host: a example"]],
    ["a user", ["Host: root@a.example"]],
    ["a path", ["Host: a.example/x?y"]],
    ["a fragment", ["Host: a.example#x"]],
    ["a port beyond all ports", ["Host: a.example:99999"]],
    ["a port that is none", ["Host: a.example:http"]],
    ["half an IPv6 address", ["Host: [::1"]],
    ["a backslash", ["Host: a\\b"]],
  ])("with %s is a bad request, and no line in the log", async (_what, lines) => {
    await using gateway = await startGateway();
    const before = gateway.log.length;
    expect(await statusOf(gateway.url, ["GET /health HTTP/1.1", ...lines])).toBe(400);
    expect(await statusOf(gateway.url, ["GET /api/agents HTTP/1.1", ...lines])).toBe(400);
    expect(gateway.log.slice(before)).toEqual([]);
  });

  test.each([
    ["HTTP/1.0 without one, as health checks send it", ["GET /health HTTP/1.0"]],
    ["HTTP/1.0 with HEAD", ["HEAD /health HTTP/1.0"]],
    ["HTTP/1.0 with one", ["GET /health HTTP/1.0", "Host: a.example"]],
    ["an empty one", ["GET /health HTTP/1.1", "Host:"]],
    ["an address with a port", ["GET /health HTTP/1.1", "Host: [::1]:8080"]],
    ["an underscore", ["GET /health HTTP/1.1", "Host: my_gateway"]],
  ])("%s is served", async (_what, lines) => {
    await using gateway = await startGateway();
    const before = gateway.log.length;
    expect(await statusOf(gateway.url, lines)).toBe(200);
    expect(gateway.log.slice(before)).toEqual([]);
  });

  test("of another site, which had its name point here, opens no socket from a page of that site", async () => {
    await using gateway = await startGateway();
    const agent = await gateway.register();
    await using _agent = await V1Agent.connect(gateway, agent);
    const url = `${gateway.url}/ws/agent/${agent.id}/terminal?token=${gateway.token}`;
    const { port } = new URL(gateway.url);
    const from = async (name: string) => {
      const host = `${name}:${port}`;
      return (await knock(url, { Host: host, Origin: `http://${host}` })).status;
    };
    expect(await from("rebound.example.com")).toBe(403);
    expect(await from("localhost.example.com")).toBe(403);
    expect(await from("127.0.0.1.example.com")).toBe(403);
    expect(await from("localhost")).toBe(101);
    expect(await from("[::1]")).toBe(101);
  });

  test("counts for nothing where the operator has named the gateway", async () => {
    await using gateway = await startGateway({ publicUrl: "https://rexec.example.com" });
    const agent = await gateway.register();
    await using _agent = await V1Agent.connect(gateway, agent);
    const url = `${gateway.url}/ws/agent/${agent.id}/terminal?token=${gateway.token}`;
    expect((await knock(url, { Origin: gateway.url })).status).toBe(403);
    expect((await knock(url, { Origin: "https://rexec.example.com" })).status).toBe(101);
    const page = await gateway.api("GET", "/", undefined, null);
    expect(page.headers.get("cache-control")).toBe("no-store");
  });
});

test("a client that leaves in the middle of its body is no fault of the gateway's", async () => {
  await using gateway = await startGateway();
  const before = gateway.log.length;
  for (const length of ["Content-Length: 100", "Transfer-Encoding: chunked"]) {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    socket.write(`POST /api/tokens HTTP/1.1\r\nHost: a\r\n${length}\r\n\r\n3\r\nabc\r\n`);
    // An answer to another request shows that this one has arrived.
    await gateway.api("GET", "/health");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.destroy();
    await closed;
    await gateway.api("GET", "/health");
  }
  expect(gateway.log.slice(before)).toEqual([]);
});

test("the sums of a version without SHA256SUMS are worked out once, however often they are asked for", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rexec-sums-"));
  mkdirSync(join(folder, "v1.2.3"));
  const file = join(folder, "v1.2.3", "rexec-agent-linux-amd64");
  writeFileSync(file, Buffer.alloc(64 * 1024 * 1024, 7));
  const downloads = new DownloadFolder(folder);
  const started = process.cpuUsage();
  const first = await downloads.ofVersion("v1.2.3").sums();
  const once = cpuSince(started);
  const again = process.cpuUsage();
  for (let i = 0; i < 20; i += 1) expect(await downloads.ofVersion("v1.2.3").sums()).toBe(first);
  expect(cpuSince(again)).toBeLessThan(once);
  // A file that was replaced is read again.
  writeFileSync(file, "another build");
  expect(await downloads.ofVersion("v1.2.3").sums()).not.toBe(first);
  rmSync(folder, { recursive: true });
});

/** Microseconds. */
function cpuSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

/** The status of an answer to a request that no HTTP client would send. */
async function statusOf(url: string, lines: readonly string[]): Promise<number> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  socket.once("data", (chunk) => resolve(Number(chunk.toString("latin1").split(" ")[1])));
  socket.once("error", reject);
  socket.once("close", () => reject(new Error("closed without an answer")));
  socket.write(`${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`);
  try {
    return await within(promise, 5_000, "a status");
  } finally {
    socket.destroy();
  }
}
