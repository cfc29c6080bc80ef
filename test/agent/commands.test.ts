/** The agent's commands as a person types them. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { openPty } from "../../src/pty/open.ts";
import { V1Server, type V1ServerOptions } from "../support/v1-server.ts";
import { until, within } from "../support/wait.ts";

const MAIN = join(import.meta.dir, "../../src/rexec-agent.ts");
let home: string;
let server: V1Server;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "rexec-commands-"));
  server = new V1Server();
});
afterEach(async () => {
  await server.stop();
  rmSync(home, { recursive: true, force: true });
});

function spawn(args: string[], env: Record<string, string> = {}) {
  const { PATH = "" } = process.env;
  return Bun.spawn([process.execPath, MAIN, ...args], {
    env: { PATH, HOME: home, SHELL: "/bin/sh", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

async function run(args: string[], env: Record<string, string> = {}) {
  const child = spawn(args, env);
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, code };
}

const config = () => join(home, "agent.yaml");
const stored = () => Bun.YAML.parse(readFileSync(config(), "utf8"));
const register = (...args: string[]) =>
  run(["register", "--config", config(), "--host", server.url, ...args], { REXEC_TOKEN: server.token });

function registerRequest() {
  const request = server.requests.find(({ path }) => path === "/api/agents/register");
  return request ? JSON.parse(request.body) : null;
}

describe("rexec-agent register", () => {
  test("sends what the guide says, and keeps the token that it gets", async () => {
    const result = await register(
      "-n",
      "prod-1",
      "-d",
      "the first",
      "-s",
      "/bin/sh",
      "-t",
      "production, aws,,aws",
    );
    expect(result.code).toBe(0);
    expect(registerRequest()).toMatchObject({
      name: "prod-1",
      description: "the first",
      type: "agent",
      os: "linux",
      arch: process.arch === "x64" ? "amd64" : "arm64",
      shell: "/bin/sh",
      tags: ["production", "aws"],
    });
    expect(stored()).toEqual({
      api_url: server.url,
      token: server.agentToken,
      agent_id: server.agentId,
      name: "prod-1",
      shell: "/bin/sh",
      description: "the first",
      labels: ["production", "aws"],
    });
    expect(statSync(config()).mode & 0o777).toBe(0o600);
    expect(result.err).toContain("next: rexec-agent start");
    expect(result.err).not.toContain(server.token);
  });

  test("takes the host's name where none is given", async () => {
    await register();
    expect(registerRequest().name).toBe(hostname());
  });

  test("again on a machine that the server knows changes what is given, and makes no second agent", async () => {
    await register("--name", "a");
    const again = await register("--shell", "/bin/bash", "--tags", "new");
    expect(again.code).toBe(0);
    expect(server.requests.filter(({ path }) => path === "/api/agents/register")).toHaveLength(1);
    const patch = server.requests.find(({ method }) => method === "PATCH");
    expect(JSON.parse(patch?.body ?? "")).toEqual({ tags: ["new"] });
    expect(stored()).toMatchObject({
      name: "a",
      shell: "/bin/bash",
      labels: ["new"],
      token: server.agentToken,
    });
  });

  test("again with the agent's own token alone changes the shell here", async () => {
    await register();
    const again = await run(["register", "--config", config(), "--shell", "/bin/bash"]);
    expect(again.code).toBe(0);
    expect(stored()).toMatchObject({ shell: "/bin/bash", agent_id: server.agentId });
  });

  test("again with --force is a new agent", async () => {
    await register();
    await register("--force");
    expect(server.requests.filter(({ path }) => path === "/api/agents/register")).toHaveLength(2);
  });

  test("without a token and without a terminal says how to give one", async () => {
    const result = await run(["register", "--config", config(), "--host", server.url]);
    expect(result).toMatchObject({ code: 3, out: "" });
    expect(result.err).toMatch(/error: no token.*\nhint: .*REXEC_TOKEN/);
    expect(existsSync(config())).toBe(false);
  });

  test("asks a person for the token and shows nothing of it", async () => {
    const pty = openPty({
      file: process.execPath,
      args: [MAIN, "register", "--config", config(), "--host", server.url],
      env: { PATH: process.env.PATH ?? "", HOME: home, SHELL: "/bin/sh", TERM: "xterm" },
      cwd: home,
      cols: 80,
      rows: 24,
    });
    let shown = "";
    for (let typed = false; ; ) {
      const chunk = await within(pty.read(), 10_000, `the next output after ${JSON.stringify(shown)}`);
      if (chunk === null) break;
      shown += Buffer.from(chunk).toString();
      if (!typed && shown.includes("not shown")) {
        typed = true;
        await pty.write(Buffer.from(`${server.token}\r`));
      }
    }
    expect(await pty.exited).toEqual({ exitCode: 0, signal: null });
    expect(stored()).toMatchObject({ agent_id: server.agentId });
    expect(shown).not.toContain(server.token.slice(6, 20));
  });

  test("again with a token that may not change the agent says that the change is here only", async () => {
    await register();
    const again = await run(["register", "--config", config(), "--name", "renamed"]);
    expect(again.code).toBe(0);
    expect(again.err).toContain("warning: name changed here only");
    expect(stored()).toMatchObject({ name: "renamed" });
  });

  test.each([
    [["--shell", "/no/such"], "does not exist", 2],
    [["--shell", "/etc/passwd"], "not executable", 2],
    [["--shell", "/tmp"], "is no file", 2],
    [["--host", "not a url"], "no http(s) address", 2],
    [["--host", "http://192.0.2.1"], "plain http", 2],
    [["--host", "http://127.0.0.1:1"], "refuses the connection", 1],
    [["--host", "https://no-such-host.invalid"], "cannot find", 1],
    [["--nmae", "x"], "unknown option", 2],
    [["extra"], "unexpected argument", 2],
  ])("%j is an error of one line, and nothing is written", async (args, text, code) => {
    const result = await run(["register", "--config", config(), ...args], { REXEC_TOKEN: server.token });
    expect(result.code).toBe(code);
    expect(result.err.split("\n")[0]).toStartWith("error: ");
    expect(result.err.split("\n")[0]).toContain(text);
    expect(existsSync(config())).toBe(false);
  });

  const answers: [string, number, () => Response][] = [
    ["401", 4, () => Response.json({ error: "invalid token" }, { status: 401 })],
    ["403 without JSON", 4, () => new Response("forbidden", { status: 403 })],
    ["404 with HTML", 4, () => new Response("<!doctype html><title>Not here</title>", { status: 404 })],
    ["429", 1, () => Response.json({ error: "slow down" }, { status: 429 })],
    ["500 with an empty body", 1, () => new Response("", { status: 500 })],
    ["200 with HTML", 1, () => new Response("<!doctype html><title>Welcome</title>")],
    ["201 with other JSON", 1, () => Response.json({ ok: true }, { status: 201 })],
  ];
  test.each(answers)("a server that answers %s is an error with exit code %d", async (_, code, answer) => {
    const intercept: V1ServerOptions["intercept"] = () => answer();
    const odd = new V1Server({ intercept });
    const result = await run(["register", "--config", config(), "--host", odd.url], {
      REXEC_TOKEN: "rexec_t",
    });
    expect(result.code).toBe(code);
    expect(result.err).toMatch(/^error: .+\nhint: .+\n$/);
    expect(existsSync(config())).toBe(false);
    await odd.stop();
  });

  test("warns of a login token, which expires", async () => {
    const jwt = `${btoa('{"alg":"none"}').replaceAll("=", "")}.${btoa('{"exp":9999999999}').replaceAll("=", "")}.x`;
    const intercept: V1ServerOptions["intercept"] = () =>
      Response.json({ id: "a", name: "n", warning: "no token was made" }, { status: 201 });
    const odd = new V1Server({ intercept });
    const result = await run(["register", "--config", config(), "--host", odd.url], { REXEC_TOKEN: jwt });
    expect(result.err).toContain("no token was made");
    expect(result.err).toContain("expires after 24 hours");
    expect(stored()).toMatchObject({ token: jwt });
    await odd.stop();
  });
});

describe("rexec-agent start", () => {
  test("connects, says so, and ends with 0 on SIGTERM", async () => {
    await register();
    const child = spawn(["start", "-c", config()]);
    await server.connected();
    let log = "";
    const listening = (async () => {
      for await (const chunk of child.stderr) log += Buffer.from(chunk).toString();
    })();
    await until(() => log.includes("connected to 127.0.0.1"), 5_000, "the agent to say that it is connected");
    child.kill("SIGTERM");
    expect(await within(child.exited, 5_000, "the end")).toBe(0);
    await listening;
    expect(log).toContain("connected to 127.0.0.1");
    expect(log).not.toContain(server.agentToken);
    expect(server.closed.at(-1)?.code).toBe(1001);
  });

  test("ends at once on a second signal, shells and commands with it", async () => {
    await register();
    const child = spawn(["start", "-c", config()]);
    await server.connected();
    const pids = join(home, "pids");
    server.start();
    await server.reached("started");
    server.type(`trap '' HUP TERM; sh -c 'trap "" HUP TERM; echo $$ >> ${pids}; sleep 60' & echo re''ady\n`);
    await server.printed("ready");
    server.send("exec", { id: "e", command: `trap '' TERM; echo $$ >> ${pids}; sleep 60; sleep 60` });
    await until(
      () => existsSync(pids) && readFileSync(pids, "utf8").trim().split("\n").length === 2,
      5_000,
      "both",
    );
    const said: string[] = [];
    const listen = async () => {
      for await (const chunk of child.stderr) said.push(Buffer.from(chunk).toString());
    };
    void listen();
    child.kill("SIGINT");
    // Two signals at once are one to the kernel.
    await until(() => said.join("").includes("SIGINT: stopping"), 5_000, "the first signal to be heard");
    child.kill("SIGINT");
    const began = performance.now();
    expect(await within(child.exited, 5_000, "the end")).toBe(130);
    expect(performance.now() - began).toBeLessThan(1_500);
    const last = Number(readFileSync(pids, "utf8").trim().split("\n").at(-1));
    await until(
      () => !existsSync(`/proc/${last}`) || /^State:\s+Z/m.test(readFileSync(`/proc/${last}/status`, "utf8")),
      2_000,
      "the command to be gone",
    );
    for (const pid of readFileSync(pids, "utf8").trim().split("\n")) {
      try {
        process.kill(Number(pid), "SIGKILL"); // what ignores a hang-up lives on, as it does under any terminal
      } catch {
        // gone
      }
    }
  });

  test("leaves with 4 where the server refuses, and with 3 where nothing is registered", async () => {
    await register();
    const refused = await run(["start", "-c", config()], { REXEC_TOKEN: "rexec_wrong" });
    expect(refused.code).toBe(4);
    expect(refused.err).toContain("hint: ");
    expect((await run(["start", "-c", join(home, "none.yaml")])).code).toBe(3);
  });

  test("warns where others can read the token, and names line and file of what is broken", async () => {
    mkdirSync(home, { recursive: true });
    writeFileSync(config(), `api_url: ${server.url}\nagent_id: x\ntoken: rexec_wrong\n`, { mode: 0o644 });
    const warned = await run(["start", "-c", config()]);
    expect(warned.err).toContain("chmod 600");
    writeFileSync(config(), "name: [\n");
    const broken = await run(["start", "-c", config()]);
    expect(broken.code).toBe(1);
    expect(broken.err).toContain(`${config()}:`);
  });
});
