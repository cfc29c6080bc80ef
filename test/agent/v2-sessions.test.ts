import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type RunningAgent, startAgent } from "../support/agent.ts";
import { Taken, V2Opener } from "../support/v2-opener.ts";
import { settled, until } from "../support/wait.ts";

let opener: V2Opener;
let agent: RunningAgent;

async function start(config: object = {}): Promise<void> {
  agent = startAgent({ host: opener.url, token: opener.token, agentId: opener.agentId, ...config });
  await opener.connected();
}

beforeEach(() => {
  opener = new V2Opener();
});
afterEach(async () => {
  expect(await agent.stop()).toBeNull();
  await opener[Symbol.asyncDispose]();
});

const NEW = { create: true, cols: 80, rows: 24 };

test("a shell is started, shows what it prints, and takes what is typed", async () => {
  await start();
  const channel = opener.attach("main", NEW);
  const { created, info, input, starts } = await opener.answered(channel);
  expect({ created, input, starts, session: info.session }).toEqual({
    created: true,
    input: 0,
    starts: [0, 0],
    session: "main",
  });
  opener.type(channel, 0, "stty size; echo $((6*7))-done\r");
  await opener.printed(channel, "42-done");
  expect(channel.out.text).toContain("24 80");
  await until(() => channel.applied === 30, 2_000, "the ack of the input");
  opener.control({ type: "resize", channel: channel.number, cols: 100, rows: 40 });
  opener.type(channel, 30, "stty size\r");
  await opener.printed(channel, "40 100");
});

test("an end is told after the last output, and can be read again", async () => {
  await start();
  const channel = opener.attach("main", NEW);
  const { info } = await opener.answered(channel);
  opener.type(channel, 0, "echo by''e; exit 7\r");
  await until(() => channel.ended, 5_000, "the end");
  expect(channel.ended?.exit_code).toBe(7);
  expect(channel.out.text).toContain("bye");
  expect(channel.out.fin).toBe(channel.out.next);
  const again = opener.attach("main", { instance: info.instance, cursor: 0 });
  await until(() => again.ended, 5_000, "the end again");
  expect(again.out.text).toBe(channel.out.text);
  const anew = opener.attach("main", NEW);
  expect((await opener.answered(anew)).created).toBe(true);
  expect(anew.attached?.info.instance).not.toBe(info.instance);
});

test("cut at random while it prints: each byte comes once and in order", async () => {
  await start();
  let channel = opener.attach("main", NEW);
  const { info } = await opener.answered(channel);
  opener.type(channel, 0, "stty -onlcr; seq 1 600000; echo all-''done\r");
  const taken = channel.out;
  for (let cut = 0; cut < 12 && !taken.text.includes("all-done"); cut += 1) {
    const before = taken.bytes;
    await until(
      () => taken.bytes > before + Math.random() * 300_000 || taken.text.includes("all-done"),
      10_000,
      "some output",
    );
    opener.cut();
    await opener.connected();
    channel = opener.attach("main", { instance: info.instance, cursor: taken.next }, taken);
    await opener.answered(channel);
  }
  await opener.printed(channel, "all-done", 20_000);
  expect(taken.gaps).toEqual([]);
  // What was typed ahead of the prompt stands before it, so that the first number may follow it on its line.
  const numbers = taken.text.slice(taken.text.indexOf("1\n2\n3\n")).split("\n");
  expect(numbers.slice(0, 600_000)).toEqual(Array.from({ length: 600_000 }, (_, i) => String(i + 1)));
}, 40_000);

test("a reader that takes nothing stops the program; the agent keeps no more than it may", async () => {
  await start();
  const channel = opener.attach("main", NEW);
  channel.acks = false;
  const { info } = await opener.answered(channel);
  opener.ack(channel, 0, 100_000);
  opener.type(channel, 0, "echo pid:$$; exec cat /dev/zero\r");
  await until(() => channel.out.bytes === 100_000, 5_000, "all that was granted");
  const pid = Number(/pid:(\d+)/.exec(channel.out.text)?.[1]);
  const blocked = () => /^State:\s+S/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  await until(blocked, 5_000, "the program to be blocked");
  const written = () => /wchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1];
  await settled(written, 5_000, "it to stand still");
  opener.control({ type: "list" });
  const list = await until(() => opener.heard.find(({ type }) => type === "sessions"), 2_000, "the list");
  expect(JSON.stringify(list)).toContain(info.instance);
  expect(Number((list as { sessions?: { bytes: number }[] }).sessions?.[0]?.bytes)).toBeLessThan(
    100_000 + 256 * 1024,
  );
  // What is typed and asked for overtakes it all.
  opener.ack(channel, 100_000, 400_000);
  await until(() => channel.out.bytes === 400_000, 5_000, "more where more is granted");
  opener.control({ type: "kill", session: "main" });
  await until(() => agent.logger.lines.some((line) => line.includes("session main ended")), 6_000, "its end");
});

test("with nobody who has a say it runs freely, and what was overwritten is a gap", async () => {
  await start({ ringSize: 256 * 1024 });
  const channel = opener.attach("main", { ...NEW, hold: false });
  channel.acks = false;
  const { info } = await opener.answered(channel);
  opener.type(channel, 0, "head -c 3000000 /dev/zero | tr '\\0' x; echo all-''done\r");
  const end = await until(
    async () => {
      opener.control({ type: "list" });
      const last = opener.heard.findLast(({ type }) => type === "sessions");
      const [first] = (last as { sessions?: { bytes: number }[] } | undefined)?.sessions ?? [];
      return first && first.bytes > 3_000_000 ? first.bytes : null;
    },
    10_000,
    "it to have run",
  );
  const late = opener.attach("main", { instance: info.instance, cursor: 10 }, new Taken(10));
  await opener.printed(late, "all-done");
  expect(late.out.gaps).toEqual([{ from: 10, to: late.attached?.starts[0] ?? 0 }]);
  expect(end - (late.out.gaps[0]?.to ?? 0)).toBeLessThanOrEqual(256 * 1024);
});

test("after a lost connection the program waits for the hold time, and then runs on", async () => {
  await start({ viewerGraceMs: 700 });
  const channel = opener.attach("main", NEW);
  channel.acks = false;
  await opener.answered(channel);
  opener.ack(channel, 0, 50_000);
  opener.type(channel, 0, "head -c 1500000 /dev/zero | tr '\\0' x; echo all-''done\r");
  await until(() => channel.out.bytes === 50_000, 5_000, "all that was granted");
  opener.cut();
  await opener.connected();
  const bytes = async () => {
    const from = opener.heard.length;
    opener.control({ type: "list" });
    const heard = () => opener.heard.slice(from).find(({ type }) => type === "sessions");
    const list = await until(heard, 2_000, "the list");
    return (list as { sessions?: { bytes: number }[] }).sessions?.[0]?.bytes ?? 0;
  };
  expect(await bytes()).toBeLessThan(400_000);
  await until(async () => (await bytes()) > 1_500_000, 5_000, "it to run on");
});

test("after a detach it runs on at once", async () => {
  await start();
  const channel = opener.attach("main", NEW);
  channel.acks = false;
  const { info } = await opener.answered(channel);
  opener.ack(channel, 0, 10_000);
  opener.type(channel, 0, "head -c 1500000 /dev/zero | tr '\\0' x; echo all-''done\r");
  await until(() => channel.out.bytes === 10_000, 5_000, "all that was granted");
  opener.control({ type: "detach", channel: channel.number });
  await until(
    () => {
      const look = opener.attach("main", { instance: info.instance, tail: 200, hold: false });
      return opener.printed(look, "all-done", 200).catch(() => false as const);
    },
    5_000,
    "it to run on",
  );
});

test("what is typed arrives once over any number of cuts", async () => {
  await start();
  const shell = opener.attach("main", NEW);
  const { info } = await opener.answered(shell);
  const command = "stty raw -echo; echo rea''dy; head -c 400000 | sha256sum; stty sane; echo all-''done\r";
  opener.type(shell, 0, command);
  await opener.printed(shell, "ready");
  const bytes = Buffer.from(Array.from({ length: 400_000 }, () => 32 + Math.floor(Math.random() * 90)));
  const attach = (viewer: string) =>
    opener.attach("main", { instance: info.instance, output: false, viewer });
  let typist = attach("typist");
  await opener.answered(typist);
  let cutAt = 60_000;
  let sent = 0;
  while (typist.applied < bytes.length) {
    if (sent > cutAt) {
      cutAt += 20_000 + Math.random() * 60_000;
      opener.cut();
      await opener.connected();
      typist = attach("typist");
      const { input } = await opener.answered(typist);
      sent = Math.max(0, input - 5_000); // what is there already does no harm
    }
    const room = Math.max(typist.inputLimit, 256 * 1024) - sent;
    const piece = bytes.subarray(sent, sent + Math.min(7_000, room));
    if (piece.length > 0) opener.type(typist, sent, piece);
    sent += piece.length;
    await Bun.sleep(1);
  }
  const look = opener.attach("main", { instance: info.instance });
  await opener.printed(look, "all-done");
  expect(look.out.text).toContain(new Bun.CryptoHasher("sha256").update(bytes).digest("hex"));
  expect(opener.closed.filter(({ code }) => code === 1002)).toEqual([]);
}, 30_000);

test("input that leaves bytes out ends the connection", async () => {
  await start();
  const channel = opener.attach("main", NEW);
  await opener.answered(channel);
  opener.type(channel, 5, "x");
  await until(() => opener.closed.some(({ code }) => code === 1002), 5_000, "the close");
});

test("a session that is unknown is refused, and so is one too many", async () => {
  await start({ maxSessions: 1 });
  const gone = opener.attach("main", { instance: "00000000-0000-4000-8000-000000000000", create: true });
  await until(() => gone.refused?.code === "gone", 2_000, "gone");
  await opener.answered(opener.attach("main", NEW));
  const second = opener.attach("split-1", NEW);
  await until(() => second.refused?.code === "too_many_sessions", 2_000, "the refusal");
});

test("one session is shown to v1 and to v2 at the same time", async () => {
  await start();
  const channel = opener.attach("main", NEW);
  await opener.answered(channel);
  opener.type(channel, 0, "echo be''fore\r");
  await opener.printed(channel, "before");
  opener.control({ type: "shell_start", data: { session_id: "main", new_session: false } });
  const v1 = () =>
    opener.heard
      .filter(({ type }) => type === "shell_output")
      .map(({ data }) => Buffer.from(String((data as { data: string }).data), "base64").toString())
      .join("");
  await until(() => v1().includes("before"), 2_000, "what was printed last");
  const data = Buffer.from("echo from-''v1\r").toString("base64");
  opener.control({ type: "shell_input", data: { session_id: "main", data } });
  await opener.printed(channel, "from-v1");
  await until(() => v1().includes("from-v1"), 2_000, "the same by v1");
  opener.type(channel, 14, "exit 3\r");
  await until(() => channel.ended?.exit_code === 3, 5_000, "the end by v2");
  await until(() => opener.heard.some(({ type }) => type === "shell_stopped"), 5_000, "the end by v1");
});

test("output that nobody takes by v1 is not sent by v1, nor sets the pace; they hear of it when they do", async () => {
  await start();
  const channel = opener.attach("main", NEW);
  await opener.answered(channel);
  opener.control({ type: "shell_start", data: { session_id: "main", new_session: false } });
  const frames = () => opener.heard.filter(({ type }) => type === "shell_output");
  const v1 = () =>
    frames()
      .map(({ data }) => Buffer.from(String((data as { data: string }).data), "base64").toString())
      .join("");
  let typed = 0;
  const type = (text: string) => {
    opener.type(channel, typed, text);
    typed += text.length;
  };
  type("stty -echo; echo re''ady\r");
  await until(() => v1().includes("ready"), 5_000, "output by v1");
  opener.control({ type: "v1_output", session: "main", wanted: false });
  const before = frames().length;
  // Ten rings of it, and a reader that takes them in pieces: whoever sets the pace has it all.
  type("head -c 20000000 /dev/zero | tr '\\0' x; echo all-''done\r");
  await opener.printed(channel, "all-done", 20_000);
  expect(channel.out.gaps).toEqual([]);
  expect(frames().length).toBe(before);
  opener.control({ type: "v1_output", session: "main", wanted: true });
  await until(() => v1().includes("all-done"), 5_000, "its end by v1");
  expect(v1()).toMatch(/\[rexec: \d{8} bytes of output skipped/);
  opener.control({ type: "v1_output", session: "main", wanted: false });
  type("seq 1 2000; echo all-''shown\r");
  await opener.printed(channel, "all-shown");
  opener.control({ type: "v1_output", session: "main", wanted: true });
  await until(() => v1().includes("all-shown"), 5_000, "what was missed");
  const numbers = Array.from({ length: 2_000 }, (_, i) => `${i + 1}\r\n`).join("");
  expect(v1()).toContain(numbers);
}, 40_000);

test("a session at which nobody looks is ended after the orphan time, and one that is idle after the idle time", async () => {
  await start({ orphanMs: 400 });
  const channel = opener.attach("main", NEW);
  await opener.answered(channel);
  const look = opener.attach("split-1", NEW);
  await opener.answered(look);
  opener.control({ type: "hold", channel: channel.number, hold: false });
  await until(() => channel.ended, 5_000, "the end of the one");
  expect(channel.out.text).toMatch(/rexec: nobody looked at it for \d+ s, so this shell was ended\r\n$/);
  expect(look.ended).toBeNull();
  await agent.stop();
  opener.cut();
  await start({ idleMs: 400 });
  const idle = opener.attach("main", NEW);
  const busy = opener.attach("split-1", NEW);
  await opener.answered(idle);
  opener.type(busy, 0, "while :; do echo .; sleep 0.1; done\r");
  await until(() => idle.ended, 5_000, "the end of the idle one");
  expect(idle.out.text).toMatch(
    /rexec: nothing was typed or printed for \d+ s, so this shell was ended\r\n$/,
  );
  expect(busy.ended).toBeNull();
}, 15_000);

test("who looks at a shell that others end is told why, behind its last words", async () => {
  await start();
  const killed = opener.attach("main", NEW);
  const stopped = opener.attach("split-1", NEW);
  await opener.answered(killed);
  await opener.answered(stopped);
  opener.type(killed, 0, "printf 'last-''words'; exec sleep 1000\r");
  await opener.printed(killed, "last-words");
  opener.control({ type: "kill", session: "main" });
  await until(() => killed.ended, 5_000, "the end");
  expect(killed.ended?.signal).toBe("SIGHUP");
  expect(killed.out.text).toMatch(/\r\nrexec: this shell was ended on request \(rexec kill\)\r\n$/);
  await agent.stop();
  await until(() => stopped.ended, 5_000, "the end with the agent");
  expect(stopped.out.text).toMatch(/rexec: the agent was stopped, and this shell with it\r\n$/);
});
