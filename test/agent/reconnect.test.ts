import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { startAgent } from "../support/agent.ts";
import { V1Server } from "../support/v1-server.ts";
import { settled, until, within } from "../support/wait.ts";

const TIMES = { dialMs: 2_000, pingMs: 300, deadMs: 900 };

function connectTo(server: V1Server, extra: Parameters<typeof startAgent>[1] = {}) {
  return startAgent({ host: server.url, token: server.token, agentId: server.agentId }, extra);
}

/** Processor time that a process has had, as text to compare. */
function cpuTicks(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, "utf8").split(" ").slice(13, 15).join();
}

describe("reconnecting", () => {
  test("keeps the shell, and what it prints meanwhile", async () => {
    const server = new V1Server();
    await using agent = connectTo(server);
    await server.connected();
    server.start();
    await server.reached("started");
    server.type("X=kept; sleep 0.3; echo mean''while\n");
    await server.printed("mean''while");
    server.cut();
    await server.connected(2);
    await server.printed(/meanwhile\r/);
    server.type("echo [$X]\n");
    await server.printed("[kept]");
    expect(agent.logger.lines.join("\n")).toContain("next try in");
    await server.stop();
  });

  test("finds a server that was away and came back on its port", async () => {
    const first = new V1Server();
    const { port } = first;
    await using agent = connectTo(first);
    await first.connected();
    await first.stop();
    const waits = () => agent.states.filter((state) => state.phase === "waiting").length;
    await until(() => waits() > 1, 5_000, "a try that failed");
    const second = new V1Server({ port });
    await second.connected(1, 10_000);
    await second.stop();
  });

  test("pauses a shell that floods while there is no server, and goes on without a gap", async () => {
    const first = new V1Server();
    const { port } = first;
    await using _agent = connectTo(first);
    await first.connected();
    first.start();
    await first.reached("started");
    first.type("stty -echo -onlcr; PS1=; echo BE''GIN $$\n");
    await first.printed(/BEGIN \d+\n/);
    const pid = Number(/BEGIN (\d+)/.exec(first.output())?.[1]);
    const before = process.memoryUsage.rss();
    first.type("i=0; while [ $i -lt 400000 ]; do i=$((i+1)); echo line $i; done; echo FI''N\n");
    await first.printed("line 10\n");
    await first.stop();
    // Without a server the shell goes on until its buffer is full, and then it stands still.
    await settled(() => cpuTicks(pid), 10_000, "the shell to be paused");
    expect(process.memoryUsage.rss() - before).toBeLessThan(80 * 1024 * 1024);
    const second = new V1Server({ port });
    await second.connected(1, 10_000);
    await second.printed("FIN", "main", 20_000);
    const numbers =
      second
        .output()
        .match(/(?<=line )\d+(?=\n)/g)
        ?.map(Number) ?? [];
    expect(numbers.length).toBeGreaterThan(100_000);
    expect(numbers.at(-1)).toBe(400_000);
    expect(numbers.findIndex((number, at) => at > 0 && number !== (numbers[at - 1] ?? 0) + 1)).toBe(-1);
    await second.stop();
  }, 40_000);

  test("goes on with a flood after the server read nothing for a while, byte for byte", async () => {
    const server = new V1Server();
    await using _agent = connectTo(server);
    await server.connected();
    server.start("split-f", true);
    const session = await server.reached("started", "split-f");
    server.type("stty -echo -onlcr; PS1=; echo BE''GIN\n", "split-f");
    await server.printed("BEGIN\n", "split-f");
    const from = session.bytes;
    server.keepOutput = false;
    const hash = new Bun.CryptoHasher("sha256");
    server.hashes.set("split-f", hash);
    const rss = process.memoryUsage.rss();
    const paused = server.socket;
    paused?.pause();
    server.type("yes abcdefghi | head -c 30000000; exit\n", "split-f");
    paused?.resume();
    await until(() => session.bytes > from, 5_000, "the flood");
    paused?.pause();
    await Bun.sleep(1_000);
    expect(process.memoryUsage.rss() - rss).toBeLessThan(100 * 1024 * 1024);
    expect(session.bytes - from).toBeLessThan(30_000_000);
    paused?.resume();
    await server.reached("stopped", "split-f", 20_000);
    expect(session.bytes - from).toBe(30_000_000);
    expect(hash.digest("hex")).toBe(
      new Bun.CryptoHasher("sha256").update("abcdefghi\n".repeat(3_000_000)).digest("hex"),
    );
    await server.stop();
  }, 40_000);

  test("gives up on a server that goes silent, and dials again", async () => {
    let silent: { stop(force?: boolean): void } | null = null;
    const server = new V1Server();
    // A relay that stops relaying: the TCP connection stays up and nothing comes any more.
    const relay = Bun.listen<{ upstream: Promise<Bun.Socket> | null }>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open(client) {
          client.data = {
            upstream: Bun.connect({
              hostname: "127.0.0.1",
              port: server.port,
              socket: { data: (_, bytes) => void (silent === null && client.write(bytes)) },
            }),
          };
        },
        data: async (client, bytes) => void (await client.data.upstream)?.write(bytes),
        close: async (client) => void (await client.data.upstream)?.end(),
      },
    });
    await using agent = startAgent(
      { host: `http://127.0.0.1:${relay.port}`, token: server.token, agentId: server.agentId },
      { times: TIMES },
    );
    await server.connected();
    silent = relay;
    await until(
      () => agent.logger.lines.some((line) => line.includes("said nothing for")),
      5_000,
      "the verdict",
    );
    silent = null;
    await server.connected(2);
    relay.stop(true);
    await server.stop();
  });

  test("lives for long on a quiet line whose server answers pings", async () => {
    const server = new V1Server();
    await using agent = connectTo(server, { times: TIMES });
    await server.connected();
    await Bun.sleep(2_000);
    expect(server.connections).toBe(1);
    expect(agent.logger.lines.some((line) => line.startsWith("warn"))).toBe(false);
    await server.stop();
  });

  test("says by what it was superseded and waits minutes; stopping does not wait for that", async () => {
    const server = new V1Server();
    await using agent = connectTo(server);
    await server.connected();
    server.socket?.close(4001, "192.0.2.7 at 12:00");
    await until(
      () => agent.logger.lines.some((line) => line.includes("superseded by 192.0.2.7")),
      5_000,
      "the log line",
    );
    const state = agent.states.at(-1);
    expect(state?.phase === "waiting" && state.delayMs).toBeGreaterThanOrEqual(120_000);
    expect(await within(agent.stop(), 3_000, "the agent to stop")).toBeNull();
    await server.stop();
  });

  test("ends for good when the agent is deleted", async () => {
    const server = new V1Server();
    await using agent = connectTo(server);
    await server.connected();
    server.socket?.close(4004, "deleted");
    expect(await within(agent.outcome, 5_000, "the end")).toMatchObject({ code: "deleted", exitCode: 4 });
    await server.stop();
  });

  test("hangs up its shells and says so when it is stopped", async () => {
    const server = new V1Server();
    const agent = connectTo(server);
    await server.connected();
    server.start();
    await server.reached("started");
    server.type("echo pid=$$\n");
    await server.printed(/pid=\d+/);
    const pid = Number(/pid=(\d+)/.exec(server.output())?.[1]);
    expect(await within(agent.stop(), 8_000, "the stop")).toBeNull();
    expect(server.session()?.state).toBe("stopped");
    expect(server.closed.at(-1)?.code).toBe(1001);
    expect(() => process.kill(pid, 0)).toThrow();
    await server.stop();
  });
});
