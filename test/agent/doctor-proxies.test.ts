/** What the doctor says of proxies in front of the gateway: a real nginx, and small ones that fail in other ways. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../support/binaries.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { describeUnless, lacks, tool } from "../support/needs.ts";
import { until, within } from "../support/wait.ts";

let gateway: TestGateway;
let folder: string;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rexec-doctor-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Found {
  code: number;
  checks: Record<string, { verdict: string; detail: string; hint?: string }>;
}

async function doctor(...args: string[]): Promise<Found> {
  const child = Bun.spawn([binary("rexec-agent"), "doctor", "--json", ...args], {
    env: environment(),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, code] = await within(Promise.all([child.stdout.text(), child.exited]), 28_000, "its findings");
  const { checks }: { checks: { check: string; verdict: string; detail: string; hint?: string }[] } =
    JSON.parse(out);
  return { code, checks: Object.fromEntries(checks.map((each) => [each.check, each])) };
}

function environment(): Record<string, string> {
  return {
    PATH: process.env.PATH ?? "",
    HOME: folder,
    SHELL: "/bin/sh",
    XDG_RUNTIME_DIR: folder,
    REXEC_CONFIG: join(folder, "agent.json"),
  };
}

async function register(host = gateway.url): Promise<string> {
  const { id, token } = await gateway.register();
  writeFileSync(
    join(folder, "agent.json"),
    JSON.stringify({ api_url: host, token, agent_id: id, name: "box" }),
    {
      mode: 0o600,
    },
  );
  return id;
}

describeUnless(lacks("nginx"))("behind nginx", () => {
  const UPGRADE =
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";

  test("with a bare proxy_pass the dropped upgrade is told, registered or not, and with what to write", async () => {
    await using front = await nginx(`proxy_pass ${gateway.url};`);
    const before = await doctor("--host", front.url);
    expect(before.checks.http?.verdict).toBe("ok");
    expect(before.checks.websocket).toMatchObject({ verdict: "failed" });
    expect(before.checks.websocket?.detail).toContain("426");
    expect(before.checks.websocket?.hint).toContain("proxy_set_header Upgrade");
    expect(before.code).toBe(1);
    await register(front.url);
    expect((await doctor()).checks.websocket?.verdict).toBe("failed");
  }, 60_000);

  test("that passes the upgrade all is well", async () => {
    await using front = await nginx(`proxy_pass ${gateway.url}; ${UPGRADE}`);
    expect((await doctor("--host", front.url)).checks.websocket).toMatchObject({
      verdict: "ok",
      detail: expect.stringContaining("as an upgrade"),
    });
    await register(front.url);
    expect((await doctor()).checks.websocket).toMatchObject({
      verdict: "ok",
      detail: expect.stringContaining("rexec.v2"),
    });
  }, 60_000);

  test("that strips the subprotocol it is told", async () => {
    await using front = await nginx(
      `proxy_pass ${gateway.url}; ${UPGRADE} proxy_set_header Sec-WebSocket-Protocol "";`,
    );
    await register(front.url);
    const { checks } = await doctor();
    expect(checks.websocket?.verdict).toBe("failed");
    expect(checks.websocket?.detail).toContain("must pass the header Sec-WebSocket-Protocol");
  }, 60_000);

  test("that an agent's own way does not go through, the way of --host is judged", async () => {
    await using front = await nginx(`proxy_pass ${gateway.url};`);
    const id = await register();
    const agent = Bun.spawn([binary("rexec-agent"), "start"], {
      env: environment(),
      stdio: ["ignore", "ignore", "ignore"],
    });
    try {
      await until(() => gateway.gateway.hub.presence(id), 20_000, "the agent to connect");
      const { checks, code } = await doctor("--host", front.url);
      expect(checks.websocket?.verdict).toBe("failed");
      expect(checks.service?.detail).toContain(
        `connected to ${gateway.url}, which is not what is checked here`,
      );
      expect(checks.config?.detail).toContain(`at ${gateway.url}; checked here is ${front.url}`);
      expect(code).toBe(1);
      const own = await doctor();
      expect(own.checks.websocket?.detail).toBe("open: the agent is connected");
      expect(own.checks.service?.detail).not.toContain("not what is checked");
    } finally {
      agent.kill("SIGTERM");
      await within(agent.exited, 10_000, "the agent to end");
    }
  }, 60_000);
});

describe("a proxy that answers an upgrade by itself", () => {
  test.each([
    ["HTTP/1.1 200 OK", "failed", "200"],
    ["HTTP/1.1 204 No Content", "failed", "204"],
    ["HTTP/1.1 301 Moved Permanently\r\nLocation: https://x.example/", "failed", "redirects"],
    ["HTTP/1.1 308 Permanent Redirect\r\nLocation: https://x.example/", "failed", "redirects"],
    ["HTTP/1.1 400 Bad Request", "failed", "400"],
    ["HTTP/1.1 426 Upgrade Required", "failed", "426"],
    ["HTTP/1.1 502 Bad Gateway", "failed", "502"],
    // The same to everything: nothing is known of upgrades then.
    ["HTTP/1.1 401 Unauthorized", "warning", "cannot be seen from here"],
    ["HTTP/1.1 403 Forbidden", "warning", "cannot be seen from here"],
    ["HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade", "failed", "does not open"],
    ["no HTTP", "failed", "does not open"],
  ])(
    "with %j: %s, and says %j",
    async (status, verdict, words) => {
      await using front = await answering(status);
      const { checks } = await doctor("--host", front.url);
      expect(checks.http?.verdict).toBe("ok");
      expect(checks.websocket?.verdict).toBe(verdict);
      expect(checks.websocket?.detail).toContain(words);
    },
    30_000,
  );
});

test("an agent whose state a server tells by /status alone is online there", async () => {
  const id = crypto.randomUUID();
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/api/version") return Response.json({ version: "v1" });
      if (pathname === `/api/agents/${id}`) return Response.json({ id, name: "box", status: "offline" });
      if (pathname === `/api/agents/${id}/status`) return Response.json({ status: "online", sessions: 1 });
      if (pathname === "/api/profile") return Response.json({ user: { id: "1" } });
      return Response.json({ error: "no" }, { status: 404 });
    },
  });
  const config = { api_url: server.url.origin, token: `rexec_${"a".repeat(64)}`, agent_id: id };
  writeFileSync(join(folder, "agent.json"), JSON.stringify(config), { mode: 0o600 });
  const { checks } = await doctor();
  expect(checks.agent?.detail).toContain("online there");
  expect(checks.websocket?.detail).toBe("open: the agent is connected");
}, 30_000);

// --- internal ---

interface Front extends AsyncDisposable {
  url: string;
}

/** @param location what stands in the one location of its one server */
async function nginx(location: string): Promise<Front> {
  const home = join(folder, `nginx-${crypto.randomUUID().slice(0, 8)}`);
  mkdirSync(home);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${join(home, name)};`,
  );
  // It cannot say which port it has taken; the kernel does not give one out again so soon.
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  writeFileSync(
    join(home, "nginx.conf"),
    `daemon off; master_process off; pid ${join(home, "pid")}; error_log ${join(home, "error.log")};
     events {}
     http { access_log off; ${temporary.join(" ")}
       server { listen 127.0.0.1:${port}; location / { ${location} } } }`,
  );
  const child = Bun.spawn(
    [tool("nginx") ?? "", "-e", join(home, "error.log"), "-p", home, "-c", join(home, "nginx.conf")],
    {
      stdio: ["ignore", "ignore", "ignore"],
    },
  );
  const url = `http://127.0.0.1:${port}`;
  await until(
    () => {
      if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
      return fetch(`${url}/health`).then(
        ({ ok }) => ok,
        () => false,
      );
    },
    10_000,
    "nginx",
  );
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await within(child.exited, 10_000, "nginx to end");
    },
  };
}

/** Passes everything on to the gateway but what is for a socket, which it answers itself. */
async function answering(status: string): Promise<Front> {
  const server = createServer((near) => {
    near.on("error", () => near.destroy());
    near.once("data", (head) => {
      if (head.toString("latin1").includes(" /ws/")) {
        near.end(`${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
        return;
      }
      const far = connect({ host: "127.0.0.1", port: Number(new URL(gateway.url).port) });
      far.on("error", () => near.destroy());
      far.write(
        head.toString("latin1").replace(/\r\nconnection: [^\r]*/i, "\r\nConnection: close"),
        "latin1",
      );
      near.pipe(far).pipe(near);
    });
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await within(promise, 5_000, "the proxy to listen");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
