import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../support/binaries.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { testWith, tool } from "../support/needs.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { until, within } from "../support/wait.ts";

/** The executable, against a real gateway and against everything that can stand in its way. */
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

interface Report {
  code: number;
  ok: boolean;
  /** By name: the verdict, and what was said. */
  verdicts: Record<string, string>;
  details: Record<string, string>;
}

function environment(extra: Record<string, string> = {}): Record<string, string> {
  return {
    PATH: process.env.PATH ?? "",
    HOME: folder,
    SHELL: "/bin/sh",
    REXEC_CONFIG: join(folder, "agent.json"),
    ...extra,
  };
}

async function doctor(args: string[] = [], extra: Record<string, string> = {}): Promise<Report> {
  const child = Bun.spawn([binary("rexec-agent"), "doctor", "--json", ...args], {
    env: environment(extra),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const all = Promise.all([child.stdout.text(), child.exited]);
  const [out, code] = await within(all, 28_000, "the doctor's findings");
  const { ok, checks }: { ok: boolean; checks: Record<string, string>[] } = JSON.parse(out);
  const by = (key: string) => Object.fromEntries(checks.map((check) => [check.check, check[key] ?? ""]));
  return { code, ok, verdicts: by("verdict"), details: by("detail") };
}

async function registered(changes: object = {}): Promise<{ id: string; token: string }> {
  const agent = await gateway.register();
  const config = { api_url: gateway.url, token: agent.token, agent_id: agent.id, ...changes };
  writeFileSync(join(folder, "agent.json"), JSON.stringify(config), { mode: 0o600 });
  return agent;
}

describe("on a machine that is well", () => {
  test("finds nothing to do, and opens the agent's socket", async () => {
    await registered();
    const { code, ok, verdicts, details } = await doctor();
    expect(verdicts).toMatchObject({
      config: "ok",
      permissions: "ok",
      terminal: "ok",
      dns: "ok",
      tcp: "ok",
      proxy: "ok",
      http: "ok",
      clock: "ok",
      token: "ok",
      agent: "ok",
      websocket: "ok",
      service: "warning", // none runs, which a registered machine may want
    });
    expect(details.websocket).toContain("opened (rexec.v2)");
    expect({ code, ok }).toEqual({ code: 0, ok: true });
  });

  test("checks the way to the server before this machine is registered", async () => {
    const { code, verdicts, details } = await doctor(["--host", gateway.url]);
    expect(verdicts).toMatchObject({ config: "warning", http: "ok", token: "skipped", websocket: "ok" });
    expect(details.websocket).toContain("401");
    expect(code).toBe(0);
  });

  test("prints a line for each, without the token", async () => {
    const { token } = await registered();
    const child = Bun.spawn([binary("rexec-agent"), "doctor"], { env: environment(), stdout: "pipe" });
    const text = await within(child.stdout.text(), 20_000, "its lines");
    expect(text).toMatch(/^✓ config +/m);
    expect(text).toMatch(/^✓ websocket +/m);
    expect(text).toEndWith("\nall is well\n");
    expect(text).not.toContain(token);
    expect(await child.exited).toBe(0);
  });

  test("leaves an agent that runs alone", async () => {
    await registered();
    const agent = Bun.spawn([binary("rexec-agent"), "start"], {
      env: environment(),
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    let log = "";
    const reading = (async () => {
      for await (const chunk of agent.stderr) log += Buffer.from(chunk).toString();
    })();
    try {
      await until(() => log.includes("connected to"), 20_000, "the agent to connect");
      const { code, details } = await doctor();
      expect(details.websocket).toContain("the agent is connected");
      expect(details.service).toContain(`runs (pid ${agent.pid}, foreground`);
      expect(code).toBe(0);
    } finally {
      agent.kill("SIGTERM");
      await within(agent.exited, 10_000, "the agent to end");
      await reading;
    }
    expect(log.match(/connecting to/g)).toHaveLength(1);
    expect(log).not.toContain("superseded");
  });

  test("does not dial in the place of an agent that runs and is cut off", async () => {
    await using proxy = await TcpProxy.to(Number(new URL(gateway.url).port));
    await registered({ api_url: `http://127.0.0.1:${proxy.port}` });
    const agent = Bun.spawn([binary("rexec-agent"), "start"], {
      env: environment(),
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    try {
      await until(() => proxy.connections === 1, 20_000, "the agent to connect");
      await proxy.refuse();
      await until(
        async () => {
          const { stdout } = Bun.spawnSync([binary("rexec-agent"), "status", "--json"], {
            env: environment(),
          });
          return stdout.toString().includes('"waiting"');
        },
        20_000,
        "the agent to notice",
      );
      const { code, verdicts, details } = await doctor(["--host", gateway.url]);
      expect(verdicts).toMatchObject({ token: "ok", agent: "ok", service: "failed" });
      expect(details.service).toContain("is not connected");
      expect(details.websocket).toContain("the request reaches the server");
      expect(code).toBe(1);
    } finally {
      agent.kill("SIGTERM");
      await within(agent.exited, 10_000, "the agent to end");
    }
  });
});

describe("says what is wrong, and checks everything else all the same", () => {
  test("a token that the server does not take", async () => {
    await registered({ token: `rexec_${"0".repeat(64)}` });
    const { code, verdicts } = await doctor();
    expect(verdicts).toMatchObject({ http: "ok", token: "failed", agent: "skipped", terminal: "ok" });
    expect(code).toBe(1);
  });

  test("an agent that the server does not know", async () => {
    const mine = await registered();
    await gateway.api("DELETE", `/api/agents/${mine.id}`);
    const { verdicts } = await doctor([], { REXEC_TOKEN: gateway.token });
    expect(verdicts).toMatchObject({ token: "ok", agent: "failed" });
  });

  test("a configuration that others may read, and a shell that is not there", async () => {
    await registered({ shell: "/nonexistent/sh" });
    chmodSync(join(folder, "agent.json"), 0o644);
    const { code, verdicts, details } = await doctor();
    expect(verdicts).toMatchObject({
      permissions: "failed",
      terminal: "failed",
      token: "ok",
      websocket: "ok",
    });
    expect(details.permissions).toContain("mode 644");
    expect(code).toBe(1);
  });

  test("a shell that ends by itself", async () => {
    const shell = join(folder, "sh");
    writeFileSync(shell, "#!/bin/sh\necho go away\nexit 3\n", { mode: 0o755 });
    await registered({ shell });
    const { details } = await doctor();
    expect(details.terminal).toContain("exit code 3): go away");
  });

  test("a configuration that is broken, with its line", async () => {
    writeFileSync(join(folder, "agent.json"), '{\n  "token": x\n}', { mode: 0o600 });
    const { code, verdicts, details } = await doctor(["--host", gateway.url]);
    expect(verdicts).toMatchObject({ config: "failed", terminal: "ok", http: "ok" });
    expect(details.config).toContain("agent.json:2");
    expect(code).toBe(1);
  });

  test("an address that is none", async () => {
    const { code, verdicts } = await doctor(["--host", "rexec.example.com"]);
    expect(verdicts).toMatchObject({ address: "failed", dns: "skipped", terminal: "ok" });
    expect(code).toBe(1);
  });

  test("a name that nobody knows, and a port at which nobody listens", async () => {
    const nameless = await doctor(["--host", "https://gateway.invalid"]);
    expect(nameless.verdicts).toMatchObject({ dns: "failed", tcp: "skipped", terminal: "ok" });
    const refused = await doctor(["--host", "http://127.0.0.1:1"]);
    expect(refused.verdicts).toMatchObject({ dns: "ok", tcp: "failed", http: "skipped" });
    expect(refused.details.http).toBe("not tried: tcp failed");
  });

  test("a proxy that is not there, as the proxy and not as the server", async () => {
    const env = { https_proxy: "http://127.0.0.1:1" };
    const { verdicts, details } = await doctor(["--host", "https://gateway.invalid"], env);
    expect(verdicts).toMatchObject({ dns: "ok", tcp: "failed" });
    expect(details.tcp).toContain("the proxy 127.0.0.1:1 refuses");
  });

  test("a proxy that lets nobody through", async () => {
    using proxy = await answering("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    const env = { https_proxy: `http://me:secret@127.0.0.1:${proxy.port}` };
    const { verdicts, details } = await doctor(["--host", "https://gateway.invalid"], env);
    expect(verdicts).toMatchObject({ tcp: "ok", proxy: "failed", tls: "skipped" });
    expect(details.proxy).toContain("407");
    expect(JSON.stringify(details)).not.toContain("secret");
  });

  test("a server that accepts and then says nothing, within its time", async () => {
    using silent = await answering(null);
    const start = performance.now();
    const { verdicts, details } = await doctor(["--host", `http://127.0.0.1:${silent.port}`]);
    expect(verdicts).toMatchObject({ tcp: "ok", http: "failed" });
    expect(details.http).toContain("within 5 s");
    expect(performance.now() - start).toBeLessThan(15_000);
  });

  test("a page that is no Rexec server's", async () => {
    using other = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("<html>") });
    const { verdicts, details } = await doctor(["--host", other.url.origin]);
    expect(verdicts.http).toBe("failed");
    expect(details.http).toContain("no Rexec server");
  });

  test("a proxy in front of the server that takes the upgrade off", async () => {
    await registered();
    using front = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch(request) {
        const { pathname } = new URL(request.url);
        const headers = new Headers(request.headers);
        for (const name of ["upgrade", "connection", "host"]) headers.delete(name);
        return fetch(`${gateway.url}${pathname}`, { headers });
      },
    });
    const { verdicts, details } = await doctor(["--host", front.url.origin]);
    expect(verdicts).toMatchObject({ http: "ok", token: "ok", websocket: "failed" });
    expect(details.websocket).toContain("426");
  });

  test("a clock that is wrong, by the server's own", async () => {
    using late = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () =>
        Response.json(
          { version: "v1" },
          { headers: { date: new Date(Date.now() - 3_600_000).toUTCString() } },
        ),
    });
    const { code, verdicts, details } = await doctor(["--host", late.url.origin]);
    expect(verdicts).toMatchObject({ http: "ok", clock: "failed" });
    expect(details.clock).toMatch(/36\d\d s ahead of/);
    expect(code).toBe(1);
  });
});

describe("the history of an account, whose shell writes every line down at once,", () => {
  const zsh = "HISTFILE=~/.zsh_history HISTSIZE=100 SAVEHIST=100; setopt share_history inc_append_history\n";
  const shells: [string, Record<string, string>][] = [
    [
      "bash",
      { ".bash_profile": "HISTFILE=~/.my_history; shopt -s histappend; PROMPT_COMMAND='history -a'\n" },
    ],
    ["zsh", { ".zshrc": zsh }],
    ["fish", {}],
    ["tcsh", { ".tcshrc": "set history=100\nset savehist=(100 merge)\n" }],
    ["mksh", { ".profile": "HISTFILE=~/.mksh_history\n", ".mkshrc": "HISTFILE=~/.mksh_history\n" }],
    ["ksh93", { ".profile": "HISTFILE=~/.ksh_history\n" }],
    ["dash", {}],
  ];
  for (const [name, files] of shells) {
    testWith(name)(`is left alone: ${name}`, async () => {
      for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
      // Without a runtime folder fish makes itself one in /tmp.
      const env = { SHELL: tool(name) ?? "", XDG_RUNTIME_DIR: folder };
      const { verdicts, details } = await doctor(["--host", gateway.url], env);
      expect([verdicts.terminal, details.terminal]).toEqual(["ok", expect.stringContaining("starts on a")]);
      const left = readdirSync(folder, { recursive: true }).map(String);
      const lines = left.filter((path) => /hist/.test(path)).map((path) => historyIn(join(folder, path)));
      expect(lines.join("")).toBe("");
    });
  }
});

/** The commands in a history file, without tcsh's marks of time and the head of ksh's; a folder has none. */
function historyIn(path: string): string {
  if (!statSync(path).isFile()) return "";
  return readFileSync(path, "latin1").replaceAll(/^#\+\d+\n|^\xab\xcd$|^\x81\x01[\0\n]*/gm, "");
}

describe("a certificate", () => {
  testWith("openssl")("of a private authority is judged by ca_file", async () => {
    const cert = certificate("fresh", 30);
    await using server = await startGateway({ tls: cert });
    const bare = await doctor(["--host", server.url]);
    expect(bare.verdicts).toMatchObject({ tcp: "ok", tls: "failed", http: "skipped" });
    const trusted = await doctor(["--host", server.url], { REXEC_CA_FILE: cert.cert });
    expect(trusted.verdicts).toMatchObject({ tls: "ok", http: "ok" });
  });

  testWith("openssl")("that ends within days is a warning", async () => {
    const cert = certificate("short", 2);
    await using server = await startGateway({ tls: cert });
    const { code, verdicts } = await doctor(["--host", server.url], { REXEC_CA_FILE: cert.cert });
    expect(verdicts).toMatchObject({ tls: "warning", http: "ok" });
    expect(code).toBe(0);
  });

  test("at a port that speaks no TLS is told from one that is not trusted", async () => {
    const { details } = await doctor(["--host", gateway.url.replace("http:", "https:")]);
    expect(details.tls).toContain("speaks no TLS");
  });
});

// --- internal ---

function certificate(name: string, days: number): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const made = Bun.spawnSync([
    ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-days", String(days), "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
    ...["-keyout", key, "-out", cert],
  ]);
  if (!made.success) throw new Error(`openssl: ${made.stderr}`);
  return { cert, key };
}

/** A TCP server that answers whatever it hears with one text, or not at all. */
async function answering(text: string | null): Promise<{ port: number } & Disposable> {
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    if (text !== null) socket.on("data", () => socket.end(text));
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, [Symbol.dispose]: () => void server.close() };
}
