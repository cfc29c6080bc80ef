import { describe, expect, test } from "bun:test";
import { ReferenceTerminal } from "../../support/reference-terminal.ts";
import { TcpProxy } from "../../support/tcp-proxy.ts";
import { V1Viewer } from "../../support/v1-viewer.ts";
import { v2Stage } from "../../support/v2-stage.ts";
import { until, within } from "../../support/wait.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Bytes that look like nothing else: an error of any kind changes the hash. */
function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let at = 0; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes.writeInt32LE(state, at);
  }
  return bytes;
}

function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

describe("a viewer of a running shell", () => {
  test("gets a screen, then live bytes; its input reaches the shell", async () => {
    await using here = await v2Stage();
    await here.agent.write("main", "before\r\n");
    await using viewer = here.viewer({ cols: 100, rows: 40 });
    await viewer.attach();
    expect(viewer.protocol).toBe("rexec.v2");
    await viewer.sees("before");
    expect(viewer.screens[0]).toMatchObject({ offset: 8, skipped: 0 });
    await here.agent.write("main", "after");
    await viewer.sees("after");
    expect(viewer.text).toBe("after");
    viewer.type("ls\n");
    const shell = here.agent.shell("main");
    await until(() => shell.typed.toString() === "ls\n", 2_000, "the input");
    await until(() => viewer.inputConsumed === 3, 2_000, "its ack");
    expect(shell.sizes.at(-1)).toEqual({ cols: 100, rows: 40 });
  });

  test("that it started itself gets every byte from the first on, and no screen", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer();
    await viewer.attach();
    expect((await viewer.hears("attached")).created).toBe(true);
    await here.agent.write("main", "$ ");
    await viewer.sees("$ ");
    expect(viewer.screens).toEqual([]);
  });

  test("hears of its end behind the last byte; who comes later is shown what was left", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer();
    await viewer.attach();
    await here.agent.write("main", noise(3 * MIB));
    here.agent.end("main", 7);
    expect(await viewer.hears("ended")).toMatchObject({ exit_code: 7, signal: null });
    expect(viewer.received).toBe(3 * MIB);
  });

  test("that is not there is refused as gone, and nothing is started", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer({ session: "nowhere", create: false });
    await viewer.connect();
    viewer.send({ type: "attach", channel: 1, session: "nowhere", viewer: viewer.id });
    expect(await viewer.hears("refused")).toMatchObject({ channel: 1, code: "gone" });
    expect(here.agent.shells.size).toBe(0);
  });

  test("with garbage for a frame, or input beyond its limit, ends with 1002", async () => {
    await using here = await v2Stage();
    await using one = here.viewer();
    await one.attach();
    one.ws?.send(Uint8Array.of(0x1f, 0x80));
    await until(() => one.closes.length > 0, 2_000, "the first to be closed");
    here.agent.shell("main").appliesInput = false;
    await using two = here.viewer();
    await two.attach();
    const bytes = new Uint8Array(64 * KIB);
    for (let sent = 0; sent <= 256 * KIB; sent += bytes.length)
      two.frame({ kind: "data", stream: 0, channel: 7, offset: sent, bytes });
    await until(() => two.closes.length > 0, 2_000, "the second to be closed");
    expect([one.closes[0]?.code, two.closes[0]?.code]).toEqual([1002, 1002]);
  });
});

describe("over cut lines", () => {
  for (const leg of ["agent", "viewer", "both"] as const) {
    test(`(${leg}) 48 MB of output and 1 MB of input arrive exactly`, async () => {
      const [up, down] = [await TcpProxy.to(1), await TcpProxy.to(1)];
      await using _up = up;
      await using _down = down;
      await using here = await v2Stage({}, {}, (gateway) => {
        up.aim(portOf(gateway.url));
        down.aim(portOf(gateway.url));
        return () => (leg === "viewer" ? gateway.url : `http://127.0.0.1:${up.port}`);
      });
      const base = leg === "agent" ? undefined : () => `http://127.0.0.1:${down.port}`;
      const viewer = here.viewer({ keeps: false }, base);
      await using _viewer = viewer;
      await viewer.attach();
      viewer.reconnects();
      here.agent.reconnects();
      here.agent.held.add("main");
      const [output, input] = [noise(48 * MIB), noise(MIB, 7)];
      let cuts = 0;
      const weather = setInterval(() => {
        const above = leg === "agent" || (leg === "both" && Math.random() < 0.5);
        if (above) cuts += up.cut();
        else cuts += down.cut();
      }, 20);
      const writing = here.agent.write("main", output);
      for (let at = 0; at < input.length; at += 64 * KIB) {
        await until(() => at - viewer.inputConsumed < 192 * KIB, 30_000, "input to be applied");
        viewer.type(input.subarray(at, at + 64 * KIB));
      }
      await within(writing, 60_000, "the output to be written");
      await until(() => viewer.received >= output.length, 30_000, "all output");
      await until(() => viewer.inputConsumed >= input.length, 30_000, "all input");
      clearInterval(weather);
      expect(cuts).toBeGreaterThan(3);
      expect([viewer.received, viewer.skipped]).toEqual([output.length, 0]);
      expect(viewer.hash.digest("hex")).toBe(sha256(output));
      expect(sha256(here.agent.shell("main").typed)).toBe(sha256(input));
    }, 120_000);
  }

  test("a gateway that stops and starts again picks up sessions and viewers where they were", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer({ keeps: false });
    await viewer.attach();
    viewer.reconnects();
    here.agent.reconnects();
    here.agent.held.add("main");
    const output = noise(16 * MIB);
    const writing = here.agent.write("main", output);
    for (let restarts = 0; restarts < 3; restarts += 1) {
      await until(() => viewer.received > (restarts + 1) * 3 * MIB, 20_000, "some output");
      viewer.type(`line ${restarts}\n`);
      await here.gateway.restart();
    }
    await within(writing, 30_000, "the output to be written");
    await until(() => viewer.received >= output.length, 20_000, "all output");
    expect([viewer.received, viewer.skipped]).toEqual([output.length, 0]);
    expect(viewer.hash.digest("hex")).toBe(sha256(output));
    const { typed } = here.agent.shell("main");
    expect(typed.toString()).toBe("line 0\nline 1\nline 2\n");
  }, 60_000);

  test("two viewers at different places both go on exactly after the gateway was started anew", async () => {
    await using here = await v2Stage();
    await using ahead = here.viewer();
    await using behind = here.viewer();
    await Promise.all([ahead.attach(), behind.attach()]);
    await here.agent.write("main", "first ");
    await Promise.all([ahead.sees("first "), behind.sees("first ")]);
    behind.drop();
    await here.agent.write("main", "second ");
    await ahead.sees("second ");
    await here.gateway.restart();
    await here.agent.connect();
    await ahead.attach();
    await here.agent.write("main", "third");
    await ahead.sees("third");
    await behind.attach();
    await behind.sees("third");
    // Its screen was made before the last word or behind it.
    const shown = new ReferenceTerminal({ cols: 80, rows: 24 });
    for (const { data } of behind.screens.slice(-1)) await shown.write(data);
    await shown.write(behind.text);
    expect(shown.text().trim()).toBe("first second third");
    expect([ahead.skipped, behind.skipped]).toEqual([0, 0]);
  });

  test("viewers hear that the agent is gone and back, and stay connected meanwhile", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer();
    await viewer.attach();
    here.agent.drop();
    expect((await viewer.hears("agent_status")).status).toBe("offline");
    viewer.type("typed meanwhile");
    const from = viewer.messages.length;
    await here.agent.connect();
    await viewer.hears("attached", from);
    await until(() => here.agent.shell("main").typed.toString() === "typed meanwhile", 2_000, "the input");
    expect(viewer.connections).toBe(1);
  });

  test("input that was under way while the agent came back reaches the shell once, and nothing before its turn", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer();
    await viewer.attach();
    viewer.type("one ");
    await until(() => viewer.inputConsumed === 4, 2_000, "the first word");
    here.agent.drop();
    await viewer.hears("agent_status");
    viewer.type("two ");
    // What a viewer sends that has not heard yet that it is to go back to "two".
    const stale = { kind: "data", stream: 0, channel: 7, offset: 8, bytes: Buffer.from("three ") } as const;
    const talking = setInterval(() => viewer.frame(stale), 0);
    await here.agent.connect();
    const shell = here.agent.shell("main");
    await until(() => shell.typed.toString().startsWith("one two "), 2_000, "the second word");
    clearInterval(talking);
    expect(["one two ", "one two three "]).toContain(shell.typed.toString());
  });

  test("a session that the agent lost is refused as gone when it is back", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer();
    await viewer.attach();
    here.agent.drop();
    here.agent.shells.clear();
    await here.agent.connect();
    expect(await viewer.hears("refused")).toMatchObject({ code: "gone" });
    expect(here.agent.shells.size).toBe(0);
  });
});

describe("beside v1", () => {
  test("a v1 viewer of a v2 agent is served by v1's messages on the same connection", async () => {
    await using here = await v2Stage();
    await using viewer = await V1Viewer.connect(here.gateway, here.agentId, "old");
    await here.agent.hears(({ type }) => type === "shell_start", "the shell to be asked for");
    here.agent.send({ type: "shell_started", data: { session_id: "main" } });
    const data = Buffer.from("by v1").toBase64();
    here.agent.send({ type: "shell_output", data: { session_id: "main", data } });
    await viewer.sees("by v1");
  });

  test("a v1 viewer that does not read delays nobody by v2", async () => {
    // No tick would wake it.
    await using here = await v2Stage({ timings: { tickMs: 60_000 } });
    await using deaf = await V1Viewer.connect(here.gateway, here.agentId, "old");
    deaf.ws.pause();
    const data = Buffer.alloc(64 * KIB, "x").toBase64();
    const { hub } = here.gateway.gateway;
    for (let sent = 0; sent < 12 * MIB && hub.buffered < MIB; sent += 64 * KIB) {
      here.agent.send({ type: "shell_output", data: { session_id: "main", data } });
      await Bun.sleep(1);
    }
    await until(() => hub.buffered > MIB, 5_000, "its buffer to fill, and the agent not to be read");
    await using viewer = here.viewer();
    await viewer.attach();
    await here.agent.write("main", "by v2");
    await viewer.sees("by v2");
  }, 20_000);

  test("what nobody takes by v1 the agent need not send by v1, while somebody reads it by v2", async () => {
    await using here = await v2Stage();
    const said = () =>
      here.agent.heard
        .filter(({ type }) => type === "v1_output")
        .map(({ session, wanted }) => [session, wanted]);
    const old = await V1Viewer.connect(here.gateway, here.agentId, "old");
    here.agent.send({ type: "shell_started", data: { session_id: "main" } });
    await using viewer = here.viewer();
    await viewer.attach();
    expect(said()).toEqual([]);
    old.ws.pause();
    const data = Buffer.alloc(64 * KIB, "x").toBase64();
    const send = async () => {
      here.agent.send({ type: "shell_output", data: { session_id: "main", data } });
      await Bun.sleep(1);
      return said().length > 0;
    };
    await until(send, 10_000, "its buffer to fill");
    expect(said()).toEqual([["main", false]]);
    old.ws.resume();
    await until(() => said().length === 2, 5_000, "it to be read");
    expect(said()[1]).toEqual(["main", true]);
    old.ws.terminate();
    await until(() => said().length === 3, 5_000, "nobody to be left by v1");
    expect(said()[2]).toEqual(["main", false]);
    viewer.detach();
    await until(() => said().length === 4, 5_000, "nobody to be left by v2");
    expect(said()[3]).toEqual(["main", true]);
  }, 20_000);

  test("a viewer that offers both gets v1 where the agent speaks v1", async () => {
    const { startGateway } = await import("../../support/gateway.ts");
    const { V1Agent } = await import("../../support/v1-agent.ts");
    await using gateway = await startGateway();
    const registered = await gateway.register();
    await using _agent = await V1Agent.connect(gateway, registered);
    const url = `${gateway.url.replace("http", "ws")}/ws/agent/${registered.id}/terminal`;
    const ws = new WebSocket(url, {
      headers: { Authorization: `Bearer ${gateway.token}` },
      protocols: ["rexec.v2", "rexec.v1"],
    });
    await new Promise((resolve) => ws.addEventListener("open", resolve));
    expect(ws.protocol).toBe("rexec.v1");
    ws.terminate();
  });
});
