/** Bounds of rexec.v2 at the agent: memory, credit, channels; measured on an agent that is a process of its own. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { SessionInfo } from "../../src/protocol/v2/control.ts";
import { ChaosProxy } from "../chaos/proxy.ts";
import { AgentProcess } from "../support/agent-process.ts";
import { testWith } from "../support/needs.ts";
import { type Channel, Taken, V2Opener } from "../support/v2-opener.ts";
import { settled, until } from "../support/wait.ts";

const MB = 1_000_000;
const NEW = { create: true, cols: 80, rows: 24 };

let opener: V2Opener;
let agent: AgentProcess;

async function start(settings: object = {}): Promise<void> {
  agent = new AgentProcess(opener, settings);
  await opener.connected();
}

beforeEach(() => {
  opener = new V2Opener();
});
afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await opener[Symbol.asyncDispose]();
});

/** Keeps the counts and the hash, not the text. */
function counting(): Taken {
  const taken = new Taken();
  taken.keeps = false;
  return taken;
}

async function list(): Promise<SessionInfo[]> {
  const from = opener.heard.length;
  opener.control({ type: "list" });
  const heard = () => opener.heard.slice(from).find(({ type }) => type === "sessions");
  const { sessions } = (await until(heard, 5_000, "the list")) as unknown as { sessions: SessionInfo[] };
  return sessions;
}

const writtenBy = (pid: number) =>
  Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1] ?? 0);

/** A shell whose output is only granted by the test, with a command that floods it. */
async function flood(name: string, taken = counting()): Promise<{ channel: Channel; pid: number }> {
  const channel = opener.attach(name, { ...NEW, viewer: `gateway-${name}` }, taken);
  await opener.answered(channel);
  const said = opener.attach(name, { viewer: `look-${name}` });
  await opener.answered(said);
  opener.type(said, 0, "echo pid:$$; exec cat /dev/zero\r");
  await until(() => /pid:\d+\r/.test(said.out.text), 5_000, "its pid");
  opener.control({ type: "detach", channel: said.number });
  channel.acks = false;
  return { channel, pid: Number(/pid:(\d+)/.exec(said.out.text)?.[1]) };
}

describe("a flood that nobody takes", () => {
  test("stands still with its program, and the agent's memory with it", async () => {
    await start();
    await opener.answered(opener.attach("idle", NEW));
    await Bun.sleep(500);
    const idle = agent.rss;
    const { pid } = await flood("main");
    await settled(() => writtenBy(pid), 10_000, "it to stand still", 300);
    const stalled: number[] = [];
    for (let look = 0; look < 20; look += 1) {
      await Bun.sleep(50);
      stalled.push(agent.rss);
    }
    expect(Math.max(...stalled) - idle).toBeLessThan(20 * MB);
    const [first] = (await list()).filter(({ session }) => session === "main");
    // The window was a megabyte at most, and a read may go one chunk over it.
    expect(first?.bytes ?? Infinity).toBeLessThan(1.5 * MB);
    expect(writtenBy(pid)).toBeLessThan(4 * MB);
  }, 20_000);

  test("in twenty sessions takes 16 MiB of rings at most, and each goes on when it is taken", async () => {
    await start();
    await Bun.sleep(500);
    const before = agent.rss;
    const floods: Awaited<ReturnType<typeof flood>>[] = [];
    for (let n = 0; n < 20; n += 1) floods.push(await flood(`split-${n}`));
    const consumed = new Map<string | undefined, number>();
    for (const { channel } of floods) {
      const { next } = channel.out;
      consumed.set(channel.attached?.info.instance, next);
      opener.ack(channel, next, next + 8 * MB);
    }
    await Bun.sleep(1_500);
    // The pace is held by what is not consumed: no more is read than fits, and nothing is overwritten.
    for (const { instance, bytes } of await list())
      expect(bytes - (consumed.get(instance) ?? 0)).toBeLessThanOrEqual((16 * 1024 * 1024) / 20);
    const gaps = floods.map(({ channel }) => channel.out.gaps.length);
    expect(agent.rss - before).toBeLessThan(60 * MB);
    for (const { channel } of floods) {
      const had = channel.out.bytes;
      opener.ack(channel, channel.out.next, channel.out.next + 2 * MB);
      await until(() => channel.out.bytes > had, 5_000, "more of it");
    }
    expect(floods.map(({ channel }) => channel.out.gaps.length)).toEqual(gaps);
  }, 60_000);
});

describe("two who read one session", () => {
  test("have places of their own: the faster sets the pace, and the slower hears how much it missed", async () => {
    await start({ ring_size: 262_144 });
    const slow = opener.attach("main", { ...NEW, viewer: "slow" }, counting());
    slow.acks = false;
    await opener.answered(slow);
    const fast = opener.attach("main", { viewer: "fast" }, counting());
    await opener.answered(fast);
    opener.ack(slow, 0, 1_000);
    opener.type(fast, 0, "stty -onlcr; head -c 3000000 /dev/zero | tr '\\0' x; echo\r");
    await until(() => fast.out.bytes > 3 * MB, 10_000, "all of it at the faster one");
    expect([slow.out.bytes, fast.out.gaps]).toEqual([1_000, []]);
    opener.ack(slow, 1_000, fast.out.next + 1000);
    await until(() => slow.out.next >= fast.out.next, 5_000, "the slower one to be there too");
    const [gap] = slow.out.gaps;
    expect(slow.out.gaps.length).toBe(1);
    expect(gap?.from).toBe(1_000);
    expect(slow.out.bytes + (gap?.to ?? 0) - 1_000).toBe(slow.out.next);
    expect(slow.out.bytes).toBeLessThanOrEqual(1_000 + 262_144 + 65_536);
  }, 20_000);

  test("are resumed each at its own place after a cut", async () => {
    await start();
    const [one, two] = [new Taken(), new Taken()];
    const first = opener.attach("main", NEW, one);
    const { info } = await opener.answered(first);
    const second = opener.attach("main", { viewer: "b" }, two);
    second.acks = false;
    await opener.answered(second);
    opener.ack(second, 0, 30_000);
    opener.type(first, 0, "stty -onlcr; seq 1 30000; echo all-''done\r");
    await opener.printed(first, "all-done");
    expect(two.bytes).toBe(30_000);
    opener.cut();
    await opener.connected();
    const again = opener.attach("main", { instance: info.instance, cursor: one.next }, one);
    const behind = opener.attach("main", { instance: info.instance, cursor: two.next, viewer: "b" }, two);
    opener.type(again, (await opener.answered(again)).input, "echo after-''wards\r");
    await opener.printed(again, "after-wards");
    await opener.printed(behind, "after-wards");
    expect(one.text).toBe(two.text);
    expect([...one.gaps, ...two.gaps]).toEqual([]);
  }, 20_000);
});

describe("a command", () => {
  testWith("openssl")(
    "of 300 MB arrives exactly over random cuts, in flat memory",
    async () => {
      await start();
      await Bun.sleep(500);
      const idle = agent.rss;
      const id = crypto.randomUUID();
      const outputs = [counting(), counting()];
      const command = "head -c 300000000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null";
      let channel = opener.run(id, command, {}, outputs);
      await opener.answered(channel);
      let most = 0;
      let cuts = 0;
      while (!channel.ended) {
        const goal = channel.out.bytes + Math.random() * 20 * MB;
        const enough = () => {
          most = Math.max(most, agent.rss);
          return channel.ended || channel.out.bytes > goal;
        };
        await until(enough, 20_000, "some output");
        if (channel.ended || cuts >= 40) continue;
        cuts += 1;
        opener.cut();
        await opener.connected();
        channel = opener.run(id, "false", { resume: true }, outputs);
        await opener.answered(channel);
      }
      expect(channel.ended.exit_code).toBe(0);
      expect(cuts).toBeGreaterThan(10);
      expect([channel.out.bytes, channel.out.gaps]).toEqual([300 * MB, []]);
      const wanted = Bun.spawnSync(["sh", "-c", `${command} | sha256sum`]).stdout.toString();
      expect(wanted).toContain(channel.out.hash.digest("hex"));
      // What is held is 1.25 MiB a stream; the rest is garbage between two collections.
      expect(most - idle).toBeLessThan(80 * MB);
    },
    120_000,
  );
});

describe("a slow line", () => {
  test("carries listings compressed, and noise as it is", async () => {
    await using line = await ChaosProxy.to(Number(new URL(opener.url).port), { narrow: true });
    agent = new AgentProcess({ url: line.url, token: opener.token, agentId: opener.agentId });
    await opener.connected();
    line.throttle(200_000);
    const outputs = [new Taken(), counting()];
    const run = opener.run(
      crypto.randomUUID(),
      "head -c 400000 /dev/urandom >&2; exec 2>&-; seq -f 'drwxr-xr-x 2 root root 4096 file-%.0f' 1 20000",
      { zstd: true },
      outputs,
    );
    await until(() => run.ended, 20_000, "the command to end");
    const [text = new Taken(), noise = new Taken()] = outputs;
    expect(text.text).toBe(
      Array.from({ length: 20_000 }, (_, at) => `drwxr-xr-x 2 root root 4096 file-${at + 1}\n`).join(""),
    );
    expect(text.packed).toBeGreaterThan(5);
    expect(text.carried).toBeLessThan(text.bytes / 4);
    expect([noise.bytes, noise.packed]).toEqual([400_000, 0]);
  }, 30_000);
});

describe("what is typed", () => {
  test("arrives once over fifty cuts at random places", async () => {
    await start();
    const shell = opener.attach("main", NEW);
    const { info } = await opener.answered(shell);
    const bytes = Buffer.from(Array.from({ length: 600_000 }, () => 32 + Math.floor(Math.random() * 90)));
    const command = `stty raw -echo; echo rea''dy; head -c ${bytes.length} | sha256sum; stty sane; echo all-''done\r`;
    opener.type(shell, 0, command);
    await opener.printed(shell, "ready");
    const attach = () => opener.attach("main", { instance: info.instance, output: false, viewer: "typist" });
    let typist = attach();
    let sent = (await opener.answered(typist)).input;
    for (let cuts = 0; cuts < 50 || typist.applied < bytes.length; ) {
      const room = Math.max(typist.inputLimit, 256 * 1024) - sent;
      const piece = bytes.subarray(sent, sent + Math.min(room, Math.floor(Math.random() * 12_000)));
      if (piece.length > 0) opener.type(typist, sent, piece);
      sent += piece.length;
      if (Math.random() < 0.3) await Bun.sleep(1);
      if (cuts < 50 && sent > (bytes.length / 51) * (cuts + 1) * Math.random()) {
        cuts += 1;
        opener.cut();
        await opener.connected();
        typist = attach();
        sent = Math.max(0, (await opener.answered(typist)).input - Math.floor(Math.random() * 30_000));
      }
      await Bun.sleep(0);
    }
    const look = opener.attach("main", { instance: info.instance });
    await opener.printed(look, "all-done");
    expect(look.out.text).toContain(new Bun.CryptoHasher("sha256").update(bytes).digest("hex"));
    expect(opener.closed.filter(({ code }) => code === 1002)).toEqual([]);
  }, 60_000);

  test("into a program that does not read is bounded, and all of it is there when it does", async () => {
    await start();
    const channel = opener.attach("main", NEW);
    await opener.answered(channel);
    const command = "stty raw -echo; echo rea''dy; sleep 1; head -c 250000 | wc -c; stty sane\r";
    opener.type(channel, 0, command);
    await opener.printed(channel, "ready");
    let sent = command.length;
    for (; sent - command.length < 250_000; sent += 50_000) opener.type(channel, sent, "x".repeat(50_000));
    await Bun.sleep(200);
    expect(channel.applied).toBeLessThan(sent);
    expect(channel.inputLimit - channel.applied).toBe(256 * 1024);
    await opener.printed(channel, "250000");
    await until(() => channel.applied === sent, 2_000, "all of it to be applied");
    opener.type(channel, channel.inputLimit, "x");
    await until(() => opener.closed.some(({ code }) => code === 1002), 5_000, "the end of one who overdraws");
  }, 20_000);
});

describe("channels", () => {
  test("are 1,024 at most, all answered when they are asked for at once", async () => {
    await start();
    await opener.answered(opener.attach("main", NEW));
    const channels = Array.from({ length: 1100 }, (_, n) =>
      opener.attach("main", { output: false, viewer: `v${n}` }),
    );
    await until(() => channels.every((one) => one.attached || one.refused), 10_000, "all answers");
    expect(channels.filter((one) => one.attached).length).toBe(1023);
    expect(new Set(channels.map((one) => one.refused?.code))).toEqual(
      new Set([undefined, "too_many_channels"]),
    );
    opener.control({ type: "detach", channel: channels[0]?.number ?? 0 });
    await opener.answered(opener.attach("main", { output: false, viewer: "late" }));
    expect(opener.connections).toBe(1);
  }, 20_000);

  test("break no connection by nonsense, but by too much of it", async () => {
    await start();
    opener.control({ type: "attach", channel: 9 });
    const refused = () => opener.heard.find(({ type }) => type === "refused");
    expect(await until(refused, 2_000, "the refusal")).toMatchObject({ channel: 9, code: "bad_message" });
    opener.control({ type: "resize", channel: 77, cols: 1, rows: 1 });
    opener.control({ type: "of a later version" });
    opener.socket?.send(new Uint8Array([0xf0, 1, 2]));
    expect(await list()).toEqual([]);
    opener.control({ type: "list", data: "x".repeat(1024 * 1024) });
    await until(() => opener.closed.some(({ code }) => code === 1009), 5_000, "the close");
    await opener.connected();
    opener.socket?.send(new Uint8Array([0x1f]));
    await until(() => opener.closed.some(({ code }) => code === 1002), 5_000, "the close");
  });
});

describe("ended sessions", () => {
  test("can be read, the last sixteen of them", async () => {
    await start();
    const instances: string[] = [];
    for (let n = 0; n < 18; n += 1) {
      const channel = opener.attach("main", { ...NEW, viewer: `v${n}` });
      instances.push((await opener.answered(channel)).info.instance);
      opener.type(channel, 0, `echo num''ber-${n}; exit ${n}\r`);
      await until(() => channel.ended, 5_000, "the end");
    }
    const sessions = await list();
    expect(sessions.map(({ instance }) => instance)).toEqual(instances.slice(2));
    expect(sessions.map(({ exit_code }) => exit_code)).toEqual(instances.slice(2).map((_, n) => n + 2));
    expect(sessions.every(({ ended_at, last_output_at }) => ended_at && last_output_at)).toBe(true);
    const gone = opener.attach("main", { instance: instances[1] });
    await until(() => gone.refused?.code === "gone", 2_000, "the refusal");
    const back = opener.attach("main", { instance: instances[2], tail: 1000 });
    await until(() => back.ended?.exit_code === 2, 5_000, "its end");
    expect(back.out.text).toContain("number-2");
  }, 30_000);
});
