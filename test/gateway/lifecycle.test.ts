import { describe, expect, test } from "bun:test";
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepAdminToken } from "../../src/gateway/admin-token-file.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { startGateway } from "../support/gateway.ts";
import { Terminal } from "../support/terminal.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { V1Viewer } from "../support/v1-viewer.ts";
import { until, within } from "../support/wait.ts";

const ROOT = join(import.meta.dir, "../..");

describe("stopping", () => {
  test("says goodbye to everybody with 1001, soon, and again is harmless", async () => {
    await using gateway = await startGateway();
    const registered = await gateway.register();
    await using agent = await V1Agent.connect(gateway, registered);
    await using viewer = await V1Viewer.connect(gateway, registered.id, "v");
    await viewer.next("shell_started");
    await within(Promise.all([gateway.gateway.stop(), gateway.gateway.stop()]), 4_000, "the stop");
    expect((await within(agent.closed, 1_000, "the agent's close")).code).toBe(1001);
    expect((await within(viewer.closed, 1_000, "the viewer's close")).code).toBe(1001);
    expect(fetch(`${gateway.url}/health`)).rejects.toThrow();
  });

  test("does not wait for a peer that never answers", async () => {
    await using gateway = await startGateway({ timings: { stopMs: 200 } });
    const registered = await gateway.register();
    await using agent = await V1Agent.connect(gateway, registered);
    agent.ws.pause();
    await within(gateway.gateway.stop(), 2_000, "the stop");
  });

  test("sockets come back to the same gateway after a restart", async () => {
    await using gateway = await startGateway();
    const registered = await gateway.register();
    await using _before = await V1Agent.connect(gateway, registered);
    await gateway.restart();
    await using agent = await V1Agent.connect(gateway, registered);
    await using viewer = await V1Viewer.connect(gateway, registered.id, "v");
    await viewer.next("shell_started");
    agent.output("main", "back");
    await viewer.sees("back");
  });
});

describe("what cannot be used is a clear error", () => {
  async function refusalOf(options: Partial<Parameters<typeof createGateway>[0]>) {
    const dataDir = mkdtempSync(join(tmpdir(), "rexec-lifecycle-"));
    try {
      await createGateway({ port: 0, dataDir, logger: silentLogger, ...options });
    } catch (error) {
      // Nothing is left open: the folder can be used at once.
      await (await createGateway({ port: 0, dataDir, logger: silentLogger })).stop();
      return error;
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
    throw new Error("it started");
  }

  test("a port in use", async () => {
    await using gateway = await startGateway();
    const port = Number(new URL(gateway.url).port);
    expect(await refusalOf({ port })).toMatchObject({
      code: "port_in_use",
      message: expect.stringContaining(`${port}`),
    });
  });

  test("a first start that fails keeps the first token for the next one", async () => {
    await using other = await startGateway();
    const dataDir = mkdtempSync(join(tmpdir(), "rexec-first-"));
    const port = Number(new URL(other.url).port);
    expect(await refusalOf({ port, dataDir })).toMatchObject({ code: "port_in_use" });
    await using gateway = await startGateway({ dataDir });
    expect(gateway.token).toStartWith("rexec_");
    expect((await gateway.api("GET", "/api/profile")).status).toBe(200);
    rmSync(dataDir, { recursive: true });
  });

  test("an address that is none of this machine's", async () => {
    for (const host of ["192.0.2.1", "300.1.1.1", "no-such-name.invalid"]) {
      const message = `cannot listen on ${host}:0: this machine has no such address`;
      expect(await refusalOf({ host })).toMatchObject({ code: "cannot_listen", message });
    }
  });

  test("a certificate that is missing, or none", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rexec-tls-"));
    const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    expect(await refusalOf({ tls: { cert, key } })).toMatchObject({
      code: "bad_tls",
      message: expect.stringContaining(cert),
    });
    writeFileSync(cert, "no certificate");
    writeFileSync(key, "no key");
    expect(await refusalOf({ tls: { cert, key } })).toMatchObject({ code: "bad_tls" });
    rmSync(folder, { recursive: true, force: true });
  });
});

describe("rexec serve", () => {
  function serve(...args: string[]) {
    const folder = mkdtempSync(join(tmpdir(), "rexec-serve-"));
    const run = (...more: string[]) =>
      Bun.spawn(
        [
          process.execPath,
          join(ROOT, "src/rexec.ts"),
          "serve",
          "--port",
          "0",
          "--data",
          join(folder, "data"),
          ...more,
        ],
        {
          stdin: "ignore",
          stdout: "pipe",
          stderr: "pipe",
          env: { ...process.env, HOME: folder },
        },
      );
    const child = run(...args);
    const said = { text: "" };
    const listen = async (stream: ReadableStream<Uint8Array>) => {
      for await (const chunk of stream) said.text += Buffer.from(chunk).toString();
    };
    const heard = Promise.all([listen(child.stdout), listen(child.stderr)]);
    return {
      child,
      said,
      run,
      heard,
      folder: join(folder, "data"),
      /** The first token, which is not printed here. */
      token: () => readFileSync(join(folder, "data", "admin-token"), "utf8").trim(),
      /** The first match in what it says. */
      says: (pattern: RegExp) =>
        until(
          () => pattern.exec(said.text),
          10_000,
          () => `${pattern} in: ${said.text}`,
        ),
      async [Symbol.asyncDispose]() {
        child.kill("SIGKILL");
        await child.exited;
        rmSync(folder, { recursive: true, force: true });
      },
    };
  }

  test("keeps the first token in a file, with commands that work, stops on SIGTERM, and forgets nothing", async () => {
    await using first = serve();
    const [url = ""] = await first.says(/http:\/\/127\.0\.0\.1:\d+/);
    await first.says(/Gateway ready/);
    const token = first.token();
    expect(
      (await fetch(`${url}/api/profile`, { headers: { authorization: `Bearer ${token}` } })).status,
    ).toBe(200);
    await first.says(/rexec-agent register --host/);
    expect(first.said.text).toContain(`rexec login --host ${url}`);
    expect(first.said.text).toContain(`curl -fsSL ${url}/install-agent.sh | REXEC_TOKEN=rexec_join_… sh`);
    const fresh = first.run("--new-admin-token");
    const another = (await fresh.stdout.text()).trim();
    expect(await fresh.exited).toBe(0);
    expect(
      (await fetch(`${url}/api/profile`, { headers: { authorization: `Bearer ${another}` } })).status,
    ).toBe(200);
    const second = first.run();
    expect(await second.exited).toBe(1);
    expect(await second.stderr.text()).toMatch(/^error: another gateway .*\nhint: /);
    first.child.kill("SIGTERM");
    expect(await within(first.child.exited, 5_000, "the end")).toBe(0);
    const again = first.run();
    const reader = again.stdout.getReader();
    const { value } = await within(reader.read(), 10_000, "the second start");
    expect(Buffer.from(value ?? []).toString()).not.toContain("rexec_");
    again.kill("SIGTERM");
    await again.exited;
  }, 30_000);

  test("shows the first token to a terminal alone, with commands that work", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rexec-serve-"));
    const data = join(folder, "data");
    const words: [string, ...string[]] = [
      process.execPath,
      join(ROOT, "src/rexec.ts"),
      "serve",
      "--port",
      "0",
      "--data",
      data,
    ];
    const terminal = new Terminal(words, { env: { HOME: folder }, cols: 200 });
    const [, url = ""] = await terminal.see(/Gateway ready at (http:\/\/127\.0\.0\.1:\d+)/);
    const [token = ""] = await terminal.see(/rexec_[0-9a-f]{64}/);
    await terminal.see(`REXEC_TOKEN=${token} rexec login --host ${url}`);
    await terminal.see("rexec join create");
    await terminal.see(`curl -fsSL ${url}/install-agent.sh | REXEC_TOKEN=rexec_join_… sh`);
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${url}/api/profile`, { headers })).status).toBe(200);
    expect(readdirSync(data)).not.toContain("admin-token");
    await terminal.type("\x03");
    expect(await terminal.exit()).toMatchObject({ exitCode: 0 });
    rmSync(folder, { recursive: true, force: true });
  }, 30_000);

  test("prints no token elsewhere: it is in a file of its owner's, whatever had that name before", async () => {
    await using here = serve();
    await here.says(/Gateway ready/);
    const file = join(here.folder, "admin-token");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(here.said.text).toContain(file);
    expect(here.said.text).not.toContain(here.token().slice(6));
    const victim = join(here.folder, "victim");
    writeFileSync(victim, "untouched");
    rmSync(file);
    symlinkSync(victim, file);
    expect(keepAdminToken(here.folder, "rexec_new")).toBe(file);
    expect([lstatSync(file).isFile(), here.token(), readFileSync(victim, "utf8")]).toEqual([
      true,
      "rexec_new",
      "untouched",
    ]);
    expect(() => keepAdminToken(join(here.folder, "none"), "t")).toThrow(
      "cannot keep the administrator's token",
    );
  }, 30_000);

  test("a second signal ends it at once", async () => {
    await using here = serve();
    const [url = ""] = await here.says(/http:\/\/127\.0\.0\.1:\d+/);
    await here.says(/Gateway ready/);
    const token = here.token();
    // A body that never comes keeps the first signal waiting, once the gateway has begun to read it.
    const begun = Promise.withResolvers<string>();
    const stuck = await Bun.connect({
      hostname: "127.0.0.1",
      port: Number(new URL(url).port),
      socket: { data: (_, bytes) => begun.resolve(bytes.toString()) },
    });
    stuck.write(
      `POST /api/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n`,
    );
    expect(await within(begun.promise, 5_000, "the word to go on")).toContain("100 Continue");
    here.child.kill("SIGINT");
    await here.says(/SIGINT: stopping/);
    here.child.kill("SIGINT");
    expect(await within(here.child.exited, 1_500, "the end")).toBe(130);
    stuck.end();
  }, 30_000);

  test("warns where the network could listen in, and needs to be told how", async () => {
    await using here = serve("--host", "0.0.0.0");
    await here.says(/without TLS/);
    await here.says(/Gateway ready/);
    await here.says(/REXEC_INSECURE=1 rexec login --host \S+ < \S+admin-token/);
  }, 30_000);

  test.each([
    [["--port", "x"], "--port"],
    [["--port", "70000"], "--port"],
    [["--public-url", "example.com"], "--public-url"],
    [["--tls-cert", "a.pem"], "--tls-key"],
    [["--allow-origin", "nonsense"], "--allow-origin"],
    [["--trust-proxy", "10.0.0.0/33"], "--trust-proxy"],
    [["--trust-proxy", "proxy.example"], "--trust-proxy"],
    [["--trust-proxy", "loopback,::1/200"], "--trust-proxy"],
    [["--prot", "1"], "--port"],
  ])(
    "%j is a usage error that names %s",
    async (args, named) => {
      const folder = mkdtempSync(join(tmpdir(), "rexec-serve-"));
      const child = Bun.spawn([process.execPath, join(ROOT, "src/rexec.ts"), "serve", ...args], {
        stdin: "ignore",
        stdout: "ignore",
        stderr: "pipe",
        env: { ...process.env, HOME: folder },
      });
      expect(await within(child.exited, 10_000, "the refusal")).toBe(2);
      expect(await child.stderr.text()).toContain(named);
      rmSync(folder, { recursive: true, force: true });
    },
    30_000,
  );
});
