import { describe, expect, test } from "bun:test";
import { VIEWER_MESSAGE_BYTES } from "../../src/protocol/limits.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { V1Viewer } from "../support/v1-viewer.ts";
import { until, within } from "../support/wait.ts";

async function stage(timings = {}) {
  const gateway: TestGateway = await startGateway({ timings });
  const registered = await gateway.register();
  const agent = await V1Agent.connect(gateway, registered);
  const viewer = (id: string, query = "") => V1Viewer.connect(gateway, registered.id, id, query);
  return {
    gateway,
    registered,
    agent,
    viewer,
    async [Symbol.asyncDispose]() {
      agent.drop();
      await gateway[Symbol.asyncDispose]();
    },
  };
}

describe("sessions", () => {
  test("viewers share main, and one that wants its own gets split-ID", async () => {
    await using here = await stage();
    const { agent } = here;
    await using a = await here.viewer("a");
    await using b = await here.viewer("b");
    await using c = await here.viewer("c", "newSession=true");
    await Promise.all([a, b, c].map((viewer) => viewer.next("shell_started")));
    expect([...agent.shells]).toEqual(["main", "split-c"]);
    agent.output("main", "shared");
    agent.output("split-c", "own");
    await Promise.all([a.sees("shared"), b.sees("shared"), c.sees("own")]);
    expect([a.text, b.text, c.text]).toEqual(["shared", "shared", "own"]);
  });

  test("a shell that starts is announced in order, to those who asked", async () => {
    await using here = await stage();
    await using a = await here.viewer("a");
    await a.next("shell_started");
    await using b = await here.viewer("b");
    await b.next("shell_started");
    expect(a.messages.map(({ type }) => type)).toEqual(["shell_starting", "shell_started"]);
    expect(b.messages.map(({ type }) => type)).toEqual(["shell_starting", "shell_started"]);
  });

  test("the end of a shell comes with its code after the output, and whoever attaches anew starts another", async () => {
    await using here = await stage();
    await using a = await here.viewer("a");
    await a.next("shell_started");
    here.agent.output("main", "bye");
    here.agent.stopped("main", { exit_code: 7 });
    const stopped = await a.next("shell_stopped");
    expect(stopped.data).toMatchObject({ session_id: "main", exit_code: 7 });
    expect(a.messages.at(-2)).toMatchObject({ type: "output", data: "bye" });
    expect(here.agent.shells.has("main")).toBe(false);
    a.drop();
    await using again = await here.viewer("a");
    await again.next("shell_started");
    expect(again.messages.some(({ type }) => type === "shell_stopped")).toBe(false);
    expect(here.agent.shells.has("main")).toBe(true);
  });

  test("an error of a shell reaches its viewers alone", async () => {
    await using here = await stage();
    await using a = await here.viewer("a", "newSession=true");
    await using b = await here.viewer("b");
    here.agent.send({ type: "shell_error", data: { session_id: "split-a", error: "no such shell" } });
    expect((await a.next("shell_error")).data).toEqual({ session_id: "split-a", error: "no such shell" });
    await b.settle();
    expect(b.messages.some(({ type }) => type === "shell_error")).toBe(false);
  });

  test("the same viewer id replaces the earlier connection with 4002 and keeps the session", async () => {
    await using here = await stage();
    await using first = await here.viewer("a", "newSession=true");
    await first.next("shell_started");
    await using second = await here.viewer("a", "newSession=true");
    expect(await within(first.closed, 5_000, "the first one's close")).toMatchObject({ code: 4002 });
    here.agent.output("split-a", "hello");
    await second.sees("hello");
    expect(here.agent.messages.some(({ type }) => type.startsWith("shell_stop"))).toBe(false);
  });

  test("a split session outlives a dropped line, shows what was missed, and ends when nobody comes back", async () => {
    await using here = await stage({ splitGraceMs: 400 });
    const { agent } = here;
    const first = await here.viewer("a", "newSession=true");
    await first.next("shell_started");
    agent.output("split-a", "before ");
    await first.sees("before ");
    first.drop();
    await until(() => here.gateway.gateway.hub.viewerCount(here.registered.id) === 0, 5_000, "the drop");
    agent.output("split-a", "meanwhile ");
    await agent.settle();
    const second = await here.viewer("a", "newSession=true");
    agent.output("split-a", "after");
    await second.sees("after");
    expect(second.text).toBe("meanwhile after");
    second.drop();
    expect((await agent.next("shell_stop_session")).data).toEqual({ session_id: "split-a" });
  });

  test("a split session ends at once when its viewer closes its socket", async () => {
    await using here = await stage();
    for (const code of [1000, undefined]) {
      await using viewer = await here.viewer("a", "newSession=true");
      await viewer.next("shell_started");
      const from = here.agent.messages.length;
      viewer.ws.close(code);
      await here.agent.find(() => !here.agent.shells.has("split-a"), `the end of split-a (${code})`, from);
    }
  });

  test("a viewer that was away while its shell ended is told so, and gets no new one unasked", async () => {
    await using here = await stage();
    const first = await here.viewer("a", "newSession=true");
    await first.next("shell_started");
    first.drop();
    await until(() => here.gateway.gateway.hub.viewerCount(here.registered.id) === 0, 5_000, "the drop");
    here.agent.output("split-a", "last words");
    here.agent.stopped("split-a", { exit_code: 3 });
    await here.agent.settle();
    const starts = () => here.agent.messages.filter(({ type }) => type === "shell_start").length;
    const before = starts();
    await using second = await here.viewer("a", "newSession=true");
    expect((await second.next("shell_stopped")).data).toMatchObject({ exit_code: 3 });
    expect(second.text).toBe("last words");
    expect(starts()).toBe(before);
  });

  test("main stays when everybody leaves: no shell_stop", async () => {
    await using here = await stage({ splitGraceMs: 50, tickMs: 10 });
    const viewer = await here.viewer("a");
    await viewer.next("shell_started");
    viewer.drop();
    await until(() => here.gateway.gateway.hub.viewerCount(here.registered.id) === 0, 5_000, "the drop");
    await using split = await here.viewer("b", "newSession=true");
    split.drop();
    await here.agent.next("shell_stop_session"); // so the time in which main could have been stopped is over
    expect(here.agent.messages.some(({ type }) => type === "shell_stop")).toBe(false);
    expect([...here.agent.shells]).toEqual(["main"]);
  });

  test("a viewer for commands only starts no shell and sees no output", async () => {
    await using here = await stage();
    await using only = await here.viewer("x", "newSession=true&exec=1");
    await using other = await here.viewer("y");
    await other.next("shell_started");
    here.agent.output("main", "noise");
    await other.sees("noise");
    await only.settle();
    expect(only.text).toBe("");
    expect([...here.agent.shells]).toEqual(["main"]);
  });
});

describe("input", () => {
  test("every byte arrives as it was sent, binary or text, in order and in pieces", async () => {
    await using here = await stage();
    await using viewer = await here.viewer("a");
    const large = crypto.getRandomValues(new Uint8Array(60_000));
    const every = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const expected = [Buffer.from(every)];
    viewer.send(every);
    for (let i = 0; i < 80; i += 1) {
      viewer.send(large);
      expected.push(Buffer.from(large));
    }
    viewer.send({ type: "input", data: "żółw 🐢\r" });
    expected.push(Buffer.from("żółw 🐢\r"));
    const all = Buffer.concat(expected);
    await until(() => here.agent.input("main").length >= all.length, 10_000, "all the input");
    expect(Bun.hash(here.agent.input("main"))).toBe(Bun.hash(all));
  });

  test("one frame of 5 MB is cut into pieces that an agent takes", async () => {
    await using here = await stage();
    await using viewer = await here.viewer("a");
    const paste = crypto.getRandomValues(new Uint8Array(5_000_000 - (5_000_000 % 65_536))).slice();
    viewer.send(paste);
    await until(() => here.agent.input("main").length >= paste.length, 10_000, "the paste");
    expect(Bun.hash(here.agent.input("main"))).toBe(Bun.hash(paste));
    const longest = here.agent.messages.reduce((max, { data }) => Math.max(max, data?.data?.length ?? 0), 0);
    expect(longest).toBeLessThanOrEqual(Math.ceil((64 * 1024) / 3) * 4);
  });

  test("nonsense is ignored, and a message beyond the limit closes the socket with 1009", async () => {
    await using here = await stage();
    await using viewer = await here.viewer("a");
    for (const nonsense of [
      "",
      "{",
      "[]",
      '{"type":"input"}',
      '{"type":"input","data":1}',
      '{"type":"new"}',
    ]) {
      viewer.send(nonsense);
    }
    await viewer.settle();
    viewer.send(new Uint8Array(VIEWER_MESSAGE_BYTES + 1));
    expect(await within(viewer.closed, 10_000, "the close")).toMatchObject({ code: 1009 });
  });
});

describe("size", () => {
  test("follows whoever resized or typed last, and nonsense changes nothing", async () => {
    await using here = await stage();
    const { agent } = here;
    const size = () => agent.sizes.get("main");
    await using a = await here.viewer("a");
    await using b = await here.viewer("b");
    a.send({ type: "resize", cols: 100, rows: 40 });
    await until(() => size()?.cols === 100, 5_000, "the size of a");
    b.send({ type: "resize", cols: 80, rows: 24 });
    await until(() => size()?.cols === 80, 5_000, "the size of b");
    for (const [cols, rows] of [
      [0, 1],
      [-1, 5],
      [70_000, 5],
      ["90", 5],
      [1.5, 5],
      [null, 5],
    ]) {
      b.send({ type: "resize", cols, rows });
    }
    a.send(Buffer.from("x"));
    await until(() => size()?.cols === 100, 5_000, "the size of a again");
    expect(size()).toEqual({ cols: 100, rows: 40 });
  });

  test("a viewer that joins a running shell in the same size makes it draw itself anew", async () => {
    await using here = await stage();
    await using a = await here.viewer("a");
    await a.next("shell_started");
    a.send({ type: "resize", cols: 100, rows: 40 });
    await here.agent.next("shell_resize");
    await using b = await here.viewer("b");
    await b.next("shell_started");
    const from = here.agent.messages.length;
    b.send({ type: "resize", cols: 100, rows: 40 });
    const back = ({ type, data }: { type: string; data?: { rows: number } }) =>
      type === "shell_resize" && data?.rows === 40;
    await here.agent.find(back, "the size to come back", from);
    const rows = here.agent.messages.slice(from).map(({ data }) => data?.rows);
    expect(rows).toEqual([39, 40]);
  });
});

describe("output as text", () => {
  test("characters come out whole even from an agent that splits them at every offset", async () => {
    await using here = await stage();
    await using viewer = await here.viewer("a");
    await viewer.next("shell_started");
    const text = "zażółć 漢字 🐢👩‍👩‍👧 \ufeffend";
    const bytes = Buffer.from(text);
    for (let cut = 1; cut < bytes.length; cut += 1) {
      here.agent.output("main", bytes.subarray(0, cut));
      here.agent.output("main", bytes.subarray(cut));
    }
    for (const byte of bytes) here.agent.output("main", Uint8Array.of(byte));
    const wanted = text.repeat(bytes.length);
    await until(() => viewer.text.length >= wanted.length, 5_000, "all the text");
    expect(viewer.text).toBe(wanted);
  });

  test("bytes that are no UTF-8 become replacement characters, also at the very end", async () => {
    await using here = await stage();
    await using viewer = await here.viewer("a");
    await viewer.next("shell_started");
    here.agent.output("main", Uint8Array.of(0x61, 0xff, 0x62, 0xe2, 0x82));
    here.agent.stopped("main", { exit_code: 0 });
    await viewer.next("shell_stopped");
    expect(viewer.text).toBe("a\ufffdb\ufffd");
  });
});

describe("an agent that drops off", () => {
  test("comes back to viewers that were kept, to its sessions, and to their size", async () => {
    await using here = await stage();
    await using viewer = await here.viewer("a", "newSession=true");
    await viewer.next("shell_started");
    viewer.send({ type: "resize", cols: 99, rows: 33 });
    await here.agent.next("shell_resize");
    here.agent.drop();
    const isStatus = (status: string) => (message: { type: string; data?: { status?: string } }) =>
      message.type === "agent_status" && message.data?.status === status;
    await viewer.find(isStatus("offline"), "the news that the agent is away");
    const mark = viewer.messages.length;
    await using back = await V1Agent.connect(here.gateway, here.registered);
    await viewer.find(isStatus("online"), "the news that the agent is back", mark);
    expect((await back.next("shell_start")).data).toEqual({ session_id: "split-a", new_session: true });
    await until(() => back.sizes.get("split-a")?.cols === 99, 5_000, "the size");
    back.output("split-a", "again");
    await viewer.sees("again");
    viewer.send(Buffer.from("typed"));
    await until(() => back.input("split-a").toString() === "typed", 5_000, "the input");
    expect(viewer.isClosed).toBe(false);
  });

  test("and does not come back: its viewers are told and closed with 4003", async () => {
    await using here = await stage({ agentGraceMs: 100 });
    await using viewer = await here.viewer("a");
    await viewer.next("shell_started");
    here.agent.drop();
    expect((await viewer.next("shell_error")).data.error).toContain("offline");
    expect(await within(viewer.closed, 5_000, "the close")).toMatchObject({ code: 4003 });
  });

  test("is told of a session that ended while it was away", async () => {
    await using here = await stage({ splitGraceMs: 50 });
    const viewer = await here.viewer("a", "newSession=true");
    await viewer.next("shell_started");
    here.agent.drop();
    await viewer.next("agent_status");
    viewer.drop();
    await until(
      () => here.gateway.log.some((line) => line.includes("nobody is left on it")),
      5_000,
      "the grace",
    );
    await using back = await V1Agent.connect(here.gateway, here.registered);
    expect((await back.next("shell_stop_session")).data).toEqual({ session_id: "split-a" });
  });
});

test("statistics reach every viewer of the agent", async () => {
  await using here = await stage();
  await using viewer = await here.viewer("a");
  const stats = { cpu_percent: 1, memory: 2, memory_limit: 3, disk_usage: 4, disk_limit: 5 };
  here.agent.send({ type: "stats", data: stats });
  expect((await viewer.next("stats")).data).toEqual(stats);
});
