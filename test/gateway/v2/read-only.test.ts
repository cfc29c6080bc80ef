import { describe, expect, test } from "bun:test";
import type { OwnerMessage } from "../../../src/protocol/v2/control.ts";
import { Stream } from "../../../src/protocol/v2/frames.ts";
import { startGateway } from "../../support/gateway.ts";
import { member } from "../../support/member.ts";
import { V1Agent } from "../../support/v1-agent.ts";
import { V1Viewer } from "../../support/v1-viewer.ts";
import { type V2Stage, v2Stage } from "../../support/v2-stage.ts";
import type { V2Viewer } from "../../support/v2-viewer.ts";
import { until } from "../../support/wait.ts";

const CHANNEL = 7;

/** A stage, its owner attached to `main`, and a user that may only look. */
async function watched(here: V2Stage): Promise<{ owner: V2Viewer; guest: V2Viewer }> {
  const owner = await here.viewer({ cols: 100, rows: 30 }).attach();
  const { token } = await member(here.gateway, here.agentId, "view", "grace");
  const guest = here.viewerOf(token, { cols: 40, rows: 10 });
  return { owner, guest };
}

/** Resolves once the agent has applied something that was typed later. */
async function flush(here: V2Stage, owner: V2Viewer, text = "!"): Promise<string> {
  owner.type(text);
  const shell = here.agent.shell("main");
  await until(() => shell.typed.toString().endsWith(text), 5_000, "the owner's input");
  return shell.typed.toString();
}

const refusals = ({ messages }: V2Viewer) =>
  messages.filter(({ type }) => type === "input_refused" || type === "refused");

describe("a viewer that may only look", () => {
  test("sees all, is told once that it cannot type, and the screen goes on", async () => {
    await using here = await v2Stage();
    const { owner, guest } = await watched(here);
    await using _owner = owner;
    await using _guest = guest;
    await guest.attach();
    expect(await guest.hears("control")).toMatchObject({
      may_type: false,
      read_only: true,
      mode: "everybody",
    });
    for (const text of ["rm -rf /\r", "\x1b[200~pasted\x1b[201~", "\x03"]) guest.type(text);
    await until(() => guest.inputConsumed === guest.typed.length, 5_000, "what was dropped to be taken");
    expect(await flush(here, owner)).toBe("!");
    expect(refusals(guest)).toEqual([
      {
        type: "input_refused",
        channel: CHANNEL,
        code: "read_only",
        message: expect.stringContaining("read-only"),
      },
    ]);
    await here.agent.write("main", "still here");
    await guest.sees("still here");
    expect(guest.closes).toEqual([]);
    const { audits } = here.gateway.gateway.store;
    const refused = () => audits.page({ action: "input.refused" }, 10, null);
    await until(async () => (await refused()).length > 0, 5_000, "the audit to tell of it");
    expect(await refused()).toHaveLength(1);
  });

  test("has no say in the size: not by attaching, resizing or typing", async () => {
    await using here = await v2Stage();
    const { owner, guest } = await watched(here);
    await using _owner = owner;
    await using _guest = guest;
    const shell = here.agent.shell("main");
    await until(() => shell.cols === 100, 5_000, "the owner's size");
    await guest.attach();
    guest.resize(20, 5);
    guest.type("x");
    await until(() => guest.inputConsumed === 1, 5_000, "what was typed to be dropped");
    await flush(here, owner);
    expect([shell.cols, shell.rows]).toEqual([100, 30]);
    expect(here.agent.heard.filter(({ type, cols }) => type === "attach" && cols === 40)).toEqual([]);
    await owner[Symbol.asyncDispose]();
    await here.agent.write("main", "later");
    await guest.sees("later");
    expect([shell.cols, shell.rows]).toEqual([100, 30]);
  });

  test("makes no program wait by not reading", async () => {
    await using here = await v2Stage();
    const { owner, guest } = await watched(here);
    await using _guest = guest;
    guest.stalled = true;
    await guest.attach();
    await owner[Symbol.asyncDispose]();
    const holds = () => {
      const own = here.agent.heard.filter(
        ({ type, viewer }) => type === "hold" || (type === "attach" && viewer === "gateway"),
      );
      return own.at(-1)?.hold ?? true;
    };
    // The owner dropped off, and is held for: then the guest alone is left.
    await using again = await here.viewer({ id: owner.id }).attach();
    again.detach();
    await until(() => holds() === false, 5_000, "the agent to be told that no reader has a say in the pace");
    guest.send({ type: "hold", channel: CHANNEL, hold: true });
    guest.send({ type: "list" });
    await guest.hears("sessions");
    expect(holds()).toBe(false);
  });

  test("cannot run, kill or start anything, or signal what runs, whatever it sends", async () => {
    await using here = await v2Stage();
    const { owner, guest } = await watched(here);
    await using _owner = owner;
    await using _guest = guest;
    await guest.attach();
    const run = crypto.randomUUID();
    owner.send({ type: "run", channel: 3, run, command: "sleep 100" });
    await until(() => here.agent.commands.length === 1, 5_000, "the owner's command");
    guest.send({ type: "run", channel: 20, run: crypto.randomUUID(), command: "id" });
    guest.send({ type: "run", channel: 21, run, command: "", resume: true });
    guest.frame({ kind: "data", stream: Stream.input, channel: 21, offset: 0, bytes: Buffer.from("x") });
    guest.send({ type: "signal", channel: 21, signal: "SIGKILL" });
    guest.send({ type: "signal", channel: CHANNEL, signal: "SIGKILL" });
    guest.send({ type: "kill", session: "main" });
    guest.send({
      type: "attach",
      channel: 22,
      session: "own",
      create: true,
      viewer: guest.id,
      command: "id",
      shown: "id",
    });
    guest.send({ type: "v1_output", session: "main", wanted: false });
    await until(() => refusals(guest).length === 4, 5_000, "the refusals");
    expect(refusals(guest).map((message) => ("channel" in message ? message.channel : undefined))).toEqual([
      20,
      21,
      undefined,
      22,
    ]);
    expect(new Set(refusals(guest).map((message) => "code" in message && message.code))).toEqual(
      new Set(["not_allowed"]),
    );
    await flush(here, owner);
    expect(here.agent.commands).toHaveLength(1);
    expect(here.agent.heard.filter(({ type }) => type === "kill" || type === "v1_output")).toEqual([]);
    expect([...here.agent.shells.keys()]).toEqual(["main"]);
    expect(guest.closes).toEqual([]);
  });

  test("types nothing by raw frames: other offsets, other channels, beyond the limit", async () => {
    await using here = await v2Stage();
    const { owner, guest } = await watched(here);
    await using _owner = owner;
    await using _guest = guest;
    await guest.attach();
    const frame = (channel: number, offset: number, bytes = Buffer.from("raw")) =>
      guest.frame({ kind: "data", stream: Stream.input, channel, offset, bytes });
    frame(CHANNEL, 0);
    frame(CHANNEL, 1);
    frame(CHANNEL, 3);
    frame(CHANNEL, 100);
    frame(99, 0);
    guest.frame({ kind: "fin", stream: Stream.input, channel: CHANNEL, offset: 6 });
    await until(() => guest.inputConsumed === 6, 5_000, "what was dropped to be taken");
    expect(await flush(here, owner)).toBe("!");
    frame(CHANNEL, 1_000_000);
    await until(() => guest.closes.length === 1, 5_000, "the end of its connection");
    expect(guest.closes[0]?.code).toBe(1002);
    expect(await flush(here, owner, "?")).toBe("!?");
  });

  test("is not told about its terminal's own answers, which are dropped too", async () => {
    await using here = await v2Stage();
    const { owner, guest } = await watched(here);
    await using _owner = owner;
    await using _guest = guest;
    await guest.attach();
    const answers = [
      "\x1b[?62;22c",
      "\x1b[12;40R",
      "\x1b[0n",
      "\x1b]11;rgb:0000/0000/0000\x1b\\",
      "\x1b[?2026;2$y",
    ];
    guest.type(answers.join(""));
    guest.type("\x1b[I");
    guest.type("\x1b[<0;10;10M");
    await until(() => guest.inputConsumed === guest.typed.length, 5_000, "the answers to be dropped");
    expect(await flush(here, owner)).toBe("!");
    expect(refusals(guest)).toEqual([]);
    guest.type("\x1b[A");
    await guest.hears("input_refused");
  });

  test("cannot take another user's viewer id, and so its socket and its input", async () => {
    await using here = await v2Stage();
    const { owner, guest } = await watched(here);
    await using _owner = owner;
    await using _guest = guest;
    const { token } = await member(here.gateway, here.agentId, "view");
    await using thief = here.viewerOf(token, { id: owner.id });
    await thief.connect();
    await until(() => thief.closes.length === 1, 5_000, "the thief's end");
    expect(thief.closes[0]?.code).toBe(1008);
    expect(await flush(here, owner)).toBe("!");
    owner.drop();
    await thief.connect();
    await until(() => thief.closes.length === 2, 5_000, "the thief's second end");
    await owner.attach();
    expect(await flush(here, owner, "?")).toBe("!?");
  });

  test("starts with the right that it loses: running commands end, and typing is over within a second", async () => {
    await using here = await v2Stage();
    await using owner = await here.viewer().attach();
    const can = await member(here.gateway, here.agentId, "use", "hopper");
    await using guest = await here.viewerOf(can.token).attach();
    guest.type("yes ");
    await until(() => guest.inputConsumed === 4, 5_000, "its input");
    guest.send({ type: "run", channel: 9, run: crypto.randomUUID(), command: "sleep 100" });
    await until(() => here.agent.commands.length === 1, 5_000, "its command");
    await here.gateway.api("POST", "/api/grants", { user: "hopper", target: here.agentId, level: "view" });
    const is = (message: OwnerMessage) => message.type === "refused" && message.channel === 9;
    await until(() => guest.messages.some(is), 1_000, "its command's end");
    expect(await guest.hears("control")).toMatchObject({ may_type: false, read_only: true });
    guest.type("no ");
    expect(await flush(here, owner)).toBe("yes !");
  });
});

describe("a viewer by rexec.v1 that may only look", () => {
  test("is told by shell_error, sees on, and starts nothing", async () => {
    await using gateway = await startGateway({ timings: { tickMs: 20 } });
    const registered = await gateway.register();
    await using agent = await V1Agent.connect(gateway, registered);
    const { token } = await member(gateway, registered.id, "view");
    const connect = (id: string, query = "") => V1Viewer.connect(gateway, registered.id, id, query, token);
    await using early = await connect("early");
    const refused = await early.next("shell_error");
    expect(refused.data.error).toContain("read-only");
    expect(agent.shells.size).toBe(0);
    await using owner = await V1Viewer.connect(gateway, registered.id, "owner");
    await owner.next("shell_started");
    await using guest = await connect("guest");
    await guest.next("shell_started");
    guest.send({ type: "input", data: "typed" });
    guest.send(new Uint8Array(Buffer.from("binary")));
    guest.send({ type: "resize", cols: 20, rows: 5 });
    guest.send({ type: "exec", data: { command: "id", id: "1" } });
    expect((await guest.next("exec_result")).data).toMatchObject({ success: false, id: "1" });
    const [notice, ...more] = guest.messages.filter(({ type }) => type === "shell_error");
    expect(notice?.data.error).toContain("read-only");
    expect(more).toEqual([]);
    await using split = await connect("split", "newSession=true");
    expect((await split.next("shell_error")).data.error).toContain("read-only");
    owner.send({ type: "input", data: "!" });
    await until(() => agent.input("main").length > 0, 5_000, "the owner's input");
    expect(agent.input("main").toString()).toBe("!");
    expect([agent.sizes.size, [...agent.shells]]).toEqual([0, ["main"]]);
    agent.output("main", "goes on");
    await guest.sees("goes on");
  });
});

describe("a token that may run commands and open no terminal", () => {
  test("runs, and neither sees nor types, by either protocol", async () => {
    await using here = await v2Stage();
    await using owner = await here.viewer().attach();
    const { token } = await here.gateway.mint(["exec"]);
    await using viewer = here.viewerOf(token);
    await viewer.connect();
    viewer.send({ type: "attach", channel: CHANNEL, session: "main", create: true, viewer: viewer.id });
    expect(await viewer.hears("refused")).toMatchObject({ channel: CHANNEL, code: "not_allowed" });
    viewer.send({ type: "kill", session: "main" });
    viewer.send({ type: "run", channel: 9, run: crypto.randomUUID(), command: "id" });
    await until(() => here.agent.commands.length === 1, 5_000, "its command");
    await using old = await V1Viewer.connect(here.gateway, here.agentId, "old", "", token);
    old.send({ type: "input", data: "typed" });
    old.send({ type: "exec", data: { command: "id", id: "1" } });
    await until(() => here.agent.heard.some(({ type }) => type === "exec"), 5_000, "its command by v1");
    await here.agent.write("main", "secret");
    await owner.sees("secret");
    await old.settle();
    expect([old.text, here.agent.heard.filter(({ type }) => /^(shell_|kill)/.test(type))]).toEqual(["", []]);
    expect(viewer.messages.filter(({ type }) => type === "attached" || type === "screen")).toEqual([]);
  });
});
