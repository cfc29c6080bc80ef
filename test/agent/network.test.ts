import { beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runAgent } from "../../src/agent/agent.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { startAgent } from "../support/agent.ts";
import { describeUnless, lacks } from "../support/needs.ts";
import { V1Server, type V1ServerOptions } from "../support/v1-server.ts";
import { until, within } from "../support/wait.ts";

/** A server that answers the agent socket with something else. */
function refusing(answer: (url: URL, request: Request) => Response | null): V1Server {
  const intercept: V1ServerOptions["intercept"] = (request, url) =>
    url.pathname.startsWith("/ws/") ? answer(url, request) : null;
  return new V1Server({ intercept });
}

describe("a refused connection", () => {
  test.each([
    [401, "rejected the token"],
    [403, "may not connect"],
    [404, "knows no agent"],
  ])("%d is final, with the reason and what to run next", async (status, text) => {
    const server = refusing(() => Response.json({ error: "no" }, { status }));
    await using agent = startAgent({ host: server.url, token: server.token, agentId: server.agentId });
    const error = await within(agent.outcome, 5_000, "the end");
    expect(error).toMatchObject({ code: `http_${status}`, exitCode: 4 });
    expect(error?.message).toContain(text);
    await server.stop();
  });

  test("puts the token into no address where nothing says that the server wants it there", async () => {
    const addresses: string[] = [];
    const server = refusing((url) => {
      addresses.push(url.href);
      return new Response("", { status: 401 });
    });
    await using agent = startAgent({ host: server.url, token: server.token, agentId: server.agentId });
    expect(await within(agent.outcome, 5_000, "the end")).toMatchObject({ code: "http_401" });
    expect(addresses).toHaveLength(1);
    expect(addresses[0]).not.toContain("token");
    await server.stop();
  });

  test("tries the token in the address once, where the header is not taken and the file allows it, and never logs it", async () => {
    const server = refusing((url) =>
      url.searchParams.has("token") ? null : new Response("", { status: 401 }),
    );
    const { url: host, token, agentId } = server;
    await using agent = startAgent({ host, token, agentId, tokenInQuery: true });
    // The miniature server prefers the header; this agent sends none the second time.
    await server.connected();
    expect(server.socket?.data.auth).toBe("query");
    const log = agent.logger.lines.join("\n");
    expect(log).toContain("trying it in the address");
    expect(log).not.toContain(server.token);
    await server.stop();
  });

  test("follows no redirect with the token, whatever the file allows", async () => {
    const elsewhere: string[] = [];
    const other = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch(request) {
        elsewhere.push(request.url);
        return new Response("", { status: 401 });
      },
    });
    const server = refusing(() => Response.redirect(`${other.url.origin}/ws/agent/x`, 307));
    const { url: host, token, agentId } = server;
    await using agent = startAgent({ host, token, agentId, tokenInQuery: true });
    const waits = () => agent.states.filter(({ phase }) => phase === "waiting").length;
    await until(() => waits() >= 2, 5_000, "two tries");
    expect(elsewhere).toEqual([]);
    await server.stop();
    await other.stop(true);
  });

  const passing: [string, () => Response][] = [
    ["429", () => Response.json({ error: "slow down" }, { status: 429 })],
    ["500", () => new Response("", { status: 500 })],
    ["502 with HTML", () => new Response("<html><title>Bad Gateway</title></html>", { status: 502 })],
    [
      "200 with HTML",
      () => new Response("<!doctype html><p>hello", { headers: { "content-type": "text/html" } }),
    ],
    ["a redirect", () => Response.redirect("http://127.0.0.1:1/elsewhere", 302)],
  ];
  test.each(passing)("%s is retried until the server takes it", async (_, answer) => {
    let left = 2;
    const server = refusing(() => (left-- > 0 ? answer() : null));
    await using agent = startAgent({ host: server.url, token: server.token, agentId: server.agentId });
    await server.connected();
    expect(agent.states.filter((state) => state.phase === "waiting")).toHaveLength(2);
    await server.stop();
  });

  test("a name that does not exist is retried and named", async () => {
    await using agent = startAgent({ host: "https://no-such-host.invalid", token: "t", agentId: "a" });
    await until(
      () => agent.logger.lines.some((line) => /cannot find no-such-host\.invalid/.test(line)),
      10_000,
      "the reason",
    );
  });

  test("a server that never answers the upgrade is given up after a while", async () => {
    const server = new V1Server({ intercept: () => new Promise<Response>(() => {}) });
    await using agent = startAgent(
      { host: server.url, token: server.token, agentId: server.agentId },
      { times: { dialMs: 300, pingMs: 15_000, deadMs: 45_000 } },
    );
    await until(
      () => agent.logger.lines.some((line) => line.includes("did not answer within")),
      5_000,
      "the reason",
    );
    await agent.stop();
    void server.stop();
  });
});

test("plain http to another machine is refused unless it is allowed", async () => {
  const config = {
    path: "",
    host: "http://192.0.2.1:8080",
    token: "t",
    agentId: "a",
    name: "n",
    shell: "/bin/sh",
    workingDir: undefined,
    caFile: undefined,
    insecure: false,
    maxSessions: 1,
    sessionBuffer: 1_000_000,
    memoryBudget: 1_000_000,
  };
  const signal = new AbortController().signal;
  const run = runAgent({ config, logger: silentLogger, env: {}, signal });
  expect(await run.catch((error) => error)).toMatchObject({ code: "insecure_host", exitCode: 2 });
});

test("a name with line breaks, quotes and other scripts reaches the server and breaks nothing", async () => {
  const server = new V1Server();
  const name = 'dév\r\nX-Evil: 1 "日本" 🙂';
  await using _agent = startAgent({ host: server.url, token: server.token, agentId: server.agentId, name });
  await server.connected();
  const headers = server.requests.at(-1)?.headers;
  expect(Buffer.from(headers?.get("x-agent-name") ?? "", "latin1").toString()).toBe(
    'dév X-Evil: 1 "日本" 🙂',
  );
  expect(headers?.has("x-evil")).toBe(false);
  expect(headers?.get("x-agent-os")).toBe("linux");
  expect(headers?.get("sec-websocket-extensions")).toBeNull();
  await server.stop();
});

test("goes through the proxy that the environment names", async () => {
  const server = new V1Server();
  const asked: string[] = [];
  const proxy = Bun.listen<{ upstream: Bun.Socket | null }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (client) => {
        client.data = { upstream: null };
      },
      async data(client, bytes) {
        if (client.data.upstream) return void client.data.upstream.write(bytes);
        asked.push(bytes.toString().split("\r\n", 1)[0] ?? "");
        client.data.upstream = await Bun.connect({
          hostname: "127.0.0.1",
          port: server.port,
          socket: { data: (_, answer) => void client.write(answer) },
        });
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      },
      close: (client) => void client.data.upstream?.end(),
    },
  });
  const env = { ...process.env, HOME: "/tmp", http_proxy: `http://127.0.0.1:${proxy.port}`, no_proxy: "" };
  // The name resolves nowhere: only the proxy knows the way.
  const host = "http://gateway.invalid:8080";
  await using _agent = startAgent(
    { host, token: server.token, agentId: server.agentId, insecure: true },
    { env },
  );
  await server.connected();
  expect(asked[0]).toBe("CONNECT gateway.invalid:8080 HTTP/1.1");
  proxy.stop(true);
  await server.stop();
});

describeUnless(lacks("openssl"))("a server with a certificate of a private authority", () => {
  const folder = mkdtempSync(join(tmpdir(), "rexec-tls-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  let made: { success: boolean };
  beforeAll(() => {
    made = Bun.spawnSync(
      [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        key,
        "-out",
        cert,
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
      ],
      { stderr: "ignore" },
    );
  });
  const tls = async () => ({ key: await Bun.file(key).text(), cert: await Bun.file(cert).text() });

  test("is not trusted by itself, and the log says how to trust it", async () => {
    expect(made.success).toBe(true);
    const server = new V1Server({ tls: await tls() });
    await using agent = startAgent({ host: server.url, token: server.token, agentId: server.agentId });
    await until(
      () => agent.logger.lines.some((line) => /cannot trust .*ca_file/.test(line)),
      5_000,
      "the reason",
    );
    expect(server.connections).toBe(0);
    await server.stop();
  });

  test("is trusted with ca_file", async () => {
    const server = new V1Server({ tls: await tls() });
    await using _agent = startAgent({
      host: server.url,
      token: server.token,
      agentId: server.agentId,
      caFile: cert,
    });
    await server.connected();
    expect((await server.exec({ command: "echo over tls" })).output).toBe("over tls\n");
    await server.stop();
  });
});
