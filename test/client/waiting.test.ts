import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createServer } from "node:net";
import { Departures } from "../../src/gateway/sessions/departures.ts";
import { startAgent } from "../support/agent.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { AGENT, V2Gateway } from "../support/v2-gateway.ts";
import { until } from "../support/wait.ts";
import { ENTRY, environment, rexec } from "./support/cli.ts";

setDefaultTimeout(30_000);

/** A command that is told of as it runs. */
class Running {
  said = "";
  readonly #child;

  constructor(words: readonly string[], env: Record<string, string>) {
    const child = Bun.spawn([process.execPath, ENTRY, ...words], {
      env,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) void this.#read(stream);
  }

  says(what: string): Promise<true> {
    return until(() => this.said.includes(what), 10_000, `${what} in ${JSON.stringify(this.said)}`);
  }

  async end(): Promise<number> {
    return this.#child.exited;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) this.said += decoder.decode(bytes, { stream: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}

function person({ url, token }: TestGateway): Record<string, string> {
  return environment({ REXEC_HOST: url, REXEC_TOKEN: token, NO_COLOR: "1" });
}

async function online({ api }: TestGateway, id: string): Promise<void> {
  await until(
    async () => (await api("GET", `/api/agents/${id}`)).json.status === "online",
    10_000,
    "the agent",
  );
}

describe("a machine that is between two connections", () => {
  const commands: [string, string[]][] = [
    ["exec", ["exec", "box", "--", "echo", "it ran"]],
    ["connect", ["connect", "box", "--new"]],
  ];
  test.each(commands)("is waited for by %s, which says so", async (_, words) => {
    await using gateway = await startGateway();
    const { id: agentId, token } = await gateway.register("box");
    const first = startAgent({ host: gateway.url, token, agentId });
    await online(gateway, agentId);
    await first.stop();
    const running = new Running(words, person(gateway));
    await running.says("rexec: box is offline; waiting for it, up to 5 s");
    await using _agent = startAgent({ host: gateway.url, token, agentId });
    if (words[0] === "exec") await running.says("it ran");
    expect(await running.end()).toBe(0);
  });

  test("is waited for while the gateway itself is restarted", async () => {
    const port = await freePort();
    await using gateway = await startGateway({ port });
    const { id: agentId, token } = await gateway.register("box");
    await using _agent = startAgent({ host: gateway.url, token, agentId });
    await online(gateway, agentId);
    const restarted = gateway.gateway.stop();
    await restarted;
    const running = new Running(["exec", "box", "--", "echo", "it ran"], person(gateway));
    await running.says("refuses the connection; waiting for it, up to 2 s");
    await gateway.restart();
    await running.says("it ran");
    expect(await running.end()).toBe(0);
  });

  test("is waited for by attach, which asks for its sessions first", async () => {
    let away = true;
    await using gateway = new V2Gateway({
      intercept: (_, url) => {
        if (!away || url.pathname === "/api/agents") return undefined;
        if (url.pathname === `/api/agents/${AGENT.id}`) {
          return Response.json({ ...AGENT, status: "offline", returning: true });
        }
        return Response.json({ error: "the agent is offline", code: "agent_offline" }, { status: 404 });
      },
    });
    const running = new Running(["attach", "box", "main"], gateway.env);
    await running.says("waiting for it, up to 5 s");
    away = false;
    await running.says('there is no session "main"');
    expect(await running.end()).toBe(255);
  });

  const asking: [string, string[]][] = [
    ["attach", ["attach", "box", "main"]],
    ["kill", ["kill", "box", "main", "--yes"]],
    ["sessions", ["sessions", "box"]],
  ];
  test.each(asking)("is called by its name by %s, and waited for", async (_, words) => {
    let away = true;
    await using gateway = new V2Gateway({
      intercept: (_, url) => {
        if (!away || url.pathname === "/api/agents") return undefined;
        if (url.pathname === `/api/agents/${AGENT.id}`) {
          return Response.json({ ...AGENT, status: "offline", returning: true });
        }
        return Response.json({ error: "the agent is offline", code: "agent_offline" }, { status: 404 });
      },
    });
    const atOnce = await rexec([...words, "--wait", "0"], gateway.env);
    expect(atOnce.stderr).toBe("error: box is offline\nhint: start its agent there: rexec-agent start\n");
    const running = new Running(words, gateway.env);
    await running.says("rexec: box is offline; waiting for it, up to 5 s");
    away = false;
    await running.says("sessions");
    await running.end();
    expect(running.said).not.toContain("error: box is offline");
  });

  const absent = (facts: object) =>
    new V2Gateway({
      agents: [{ ...AGENT, status: "offline" }],
      intercept: (_, url) => {
        if (url.pathname === `/api/agents/${AGENT.id}`)
          return Response.json({ ...AGENT, status: "offline", ...facts });
        if (url.pathname.startsWith("/ws/")) return Response.json({ error: "offline" }, { status: 404 });
        return undefined;
      },
    });

  test("is waited for by the word of its last sign of life, at a server that says no more", async () => {
    await using gateway = absent({ last_ping: new Date().toISOString() });
    const running = new Running(["exec", "box", "--wait", "1s", "--", "true"], gateway.env);
    await running.says("waiting for it, up to 1 s");
    expect(await running.end()).toBe(255);
    await running.says("start its agent there");
  });

  const impatient: [string, object, string[]][] = [
    ["it has been away for long", { returning: false, last_ping: new Date().toISOString() }, []],
    ["nothing is known of it", {}, []],
    ["it was last seen a minute ago", { last_ping: new Date(Date.now() - 60_000).toISOString() }, []],
    ["--wait 0", { returning: true }, ["--wait", "0"]],
  ];
  test.each(impatient)("is not waited for: %s", async (_, facts, words) => {
    await using gateway = absent(facts);
    const begun = performance.now();
    const ran = await rexec(["exec", "box", ...words, "--", "true"], gateway.env);
    expect(ran.code).toBe(255);
    expect(ran.stderr).toBe("error: box is offline\nhint: start its agent there: rexec-agent start\n");
    expect(performance.now() - begun).toBeLessThan(4_000);
  });

  test("is waited for as long as --wait says, whatever is known of it", async () => {
    await using gateway = absent({});
    const begun = performance.now();
    const ran = await rexec(["exec", "box", "--wait", "1500ms", "--", "true"], gateway.env);
    expect(ran.code).toBe(255);
    expect(performance.now() - begun).toBeGreaterThan(1_000);
    expect(ran.stderr).toContain("waiting for it, up to 1.5 s");
  });

  test.each(["soon", "-1"])("--wait %p is a usage error", async (text) => {
    const ran = await rexec(["connect", "box", `--wait=${text}`]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(`--wait cannot be "${text}"`);
  });
});

describe("who is likely to be back", () => {
  const agent = (id: string, last_ping: string | null = null) => ({ id, last_ping });
  const time = Date.parse("2026-01-01T00:00:00Z");

  test("who left within ten seconds", () => {
    const departures = new Departures(0);
    departures.left("a", 50_000);
    expect(departures.isReturning(agent("a"), 59_000, time)).toBe(true);
    expect(departures.isReturning(agent("a"), 60_001, time)).toBe(false);
    expect(departures.isReturning(agent("b"), 50_000, time)).toBe(false);
  });

  test("everybody, in the first seconds of a gateway that was there a minute ago", () => {
    const departures = new Departures(1_000);
    expect(departures.isReturning(agent("a", "2025-12-31T23:59:00Z"), 2_000, time)).toBe(true);
    expect(departures.isReturning(agent("a", "2025-12-31T23:00:00Z"), 2_000, time)).toBe(false);
    expect(departures.isReturning(agent("a", "2025-12-31T23:59:00Z"), 12_000, time)).toBe(false);
    expect(departures.isReturning(agent("a"), 2_000, time)).toBe(false);
  });

  test("no more of them than ten thousand are remembered", () => {
    const departures = new Departures(0);
    for (let index = 0; index < 10_001; index += 1) departures.left(String(index), 20_000);
    expect(departures.isReturning(agent("0"), 20_001, time)).toBe(false);
    expect(departures.isReturning(agent("10000"), 20_001, time)).toBe(true);
  });
});
