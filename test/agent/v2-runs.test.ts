import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { Stream } from "../../src/protocol/v2/frames.ts";
import { type RunningAgent, startAgent } from "../support/agent.ts";
import { testWith } from "../support/needs.ts";
import { type Channel, Taken, V2Opener } from "../support/v2-opener.ts";
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

const ended = (channel: Channel, ms = 5_000) => until(() => channel.ended, ms, "the end of the command");
const stderr = ({ outputs }: Channel) => outputs[Stream.stderr];
const lives = (pid: number) => existsSync(`/proc/${pid}`);

test("a command's streams stay apart, its environment and folder are as asked, and its exit code is told", async () => {
  await start();
  const channel = opener.run(crypto.randomUUID(), "echo out:$X; pwd; echo err >&2; exit 9", {
    env: { X: "given" },
    cwd: "/usr",
  });
  expect(await ended(channel)).toMatchObject({ exit_code: 9, signal: null, timed_out: false });
  expect(channel.out.text).toBe("out:given\n/usr\n");
  expect(stderr(channel)?.text).toBe("err\n");
  expect([channel.out.fin, stderr(channel)?.fin]).toEqual([15, 4]);
});

testWith("openssl")(
  "100 MB over random cuts arrive as they were written",
  async () => {
    await start();
    const id = crypto.randomUUID();
    const outputs = [new Taken(), new Taken()];
    for (const each of outputs) each.keeps = false;
    const made = "head -c 100000000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null";
    const command = `made() { ${made}; }; made >&2 & made; wait`;
    let channel = opener.run(id, command, {}, outputs);
    await opener.answered(channel);
    for (let cuts = 0; cuts < 15 && !channel.ended; cuts += 1) {
      const goal = channel.out.bytes + 1_000_000 + Math.random() * 8_000_000;
      await until(() => channel.ended || channel.out.bytes > goal, 20_000, "some output");
      if (channel.ended) break;
      opener.cut();
      await opener.connected();
      channel = opener.run(id, command, { resume: true }, outputs);
      await opener.answered(channel);
    }
    expect((await ended(channel, 60_000)).exit_code).toBe(0);
    const wanted = Bun.spawnSync(["sh", "-c", `${made} | sha256sum`]).stdout.toString();
    for (const each of outputs) {
      expect(each.gaps).toEqual([]);
      expect(each.bytes).toBe(100_000_000);
      expect(wanted).toContain(each.hash.digest("hex"));
    }
    expect(opener.connections).toBeGreaterThan(5);
  },
  90_000,
);

test("stdin over cuts arrives once, and its end too", async () => {
  await start();
  const id = crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const all = Buffer.concat(Array.from({ length: 30 }, () => bytes));
  const outputs = [new Taken(), new Taken()];
  const ask = (resume: boolean) => opener.run(id, "sha256sum", { resume }, outputs);
  let channel = ask(false);
  await opener.answered(channel);
  let sent = 0;
  let cutAt = 200_000;
  while (channel.applied < all.length) {
    if (sent > cutAt) {
      cutAt += 250_000;
      opener.cut();
      await opener.connected();
      channel = ask(true);
      sent = Math.max(0, (await opener.answered(channel)).input - 10_000);
    }
    const room = Math.max(channel.inputLimit, 256 * 1024) - sent;
    const piece = all.subarray(sent, sent + Math.min(60_000, room));
    if (piece.length > 0) opener.type(channel, sent, piece);
    sent += piece.length;
    await Bun.sleep(1);
  }
  for (let twice = 0; twice < 2; twice += 1)
    opener.frame({ kind: "fin", stream: Stream.input, channel: channel.number, offset: all.length });
  expect((await ended(channel)).exit_code).toBe(0);
  expect(channel.out.text).toContain(new Bun.CryptoHasher("sha256").update(all).digest("hex"));
  expect(opener.closed.filter(({ code }) => code === 1002)).toEqual([]);
}, 20_000);

test("stdin that nobody reads is taken and thrown away", async () => {
  await start();
  const channel = opener.run(crypto.randomUUID(), "exec <&-; sleep 1; echo done");
  await opener.answered(channel);
  opener.type(channel, 0, new Uint8Array(60_000));
  opener.type(channel, 60_000, new Uint8Array(60_000));
  await until(() => channel.applied === 120_000, 5_000, "all of it to be taken");
  expect((await ended(channel)).exit_code).toBe(0);
  expect(channel.out.text).toBe("done\n");
});

test("a signal reaches the whole group", async () => {
  await start();
  const channel = opener.run(crypto.randomUUID(), "trap 'echo got; exit 3' INT; echo ready; sleep 30 & wait");
  await opener.printed(channel, "ready");
  opener.control({ type: "signal", channel: channel.number, signal: "SIGINT" });
  expect((await ended(channel)).exit_code).toBe(3);
  expect(channel.out.text).toContain("got");
});

test("a command that takes too long is ended", async () => {
  await start();
  const channel = opener.run(crypto.randomUUID(), "sleep 30; true", { timeout_ms: 200 });
  expect(await ended(channel)).toMatchObject({ signal: "SIGTERM", timed_out: true });
});

test("output that nobody takes stops the command", async () => {
  await start();
  const channel = opener.run(crypto.randomUUID(), "echo $$ >&2; exec cat /dev/zero");
  channel.acks = false;
  await opener.answered(channel);
  opener.ack(channel, 0, 100, Stream.stderr);
  opener.ack(channel, 0, 10_000);
  await until(
    () => channel.out.bytes === 10_000 && stderr(channel)?.text.includes("\n"),
    5_000,
    "what was granted",
  );
  const pid = Number(stderr(channel)?.text);
  const written = async () => Number(/wchar: (\d+)/.exec(await Bun.file(`/proc/${pid}/io`).text())?.[1]);
  expect(await settled(written, 5_000, "it to stand still")).toBeLessThan(1024 * 1024);
  opener.control({ type: "detach", channel: channel.number });
  await until(() => !lives(pid), 5_000, "it to be hung up");
});

test("a command for which nobody comes back is hung up after the hold time, and then unknown", async () => {
  await start({ viewerGraceMs: 400 });
  const id = crypto.randomUUID();
  const channel = opener.run(id, "echo $$; exec sleep 30");
  await opener.printed(channel, "\n");
  const pid = Number(channel.out.text);
  opener.cut();
  await opener.connected();
  await until(() => !lives(pid), 5_000, "it to be hung up");
  const again = opener.run(id, "echo $$; exec sleep 30", { resume: true });
  await until(() => again.refused?.code === "gone", 2_000, "the refusal");
});

test("one that ended while nobody was there is told of when somebody comes", async () => {
  await start();
  const id = crypto.randomUUID();
  const outputs = [new Taken(), new Taken()];
  const channel = opener.run(id, "echo $$; sleep 0.3; echo late; exit 4", {}, outputs);
  await opener.printed(channel, "\n");
  const pid = Number(channel.out.text);
  opener.cut();
  await opener.connected();
  await until(() => !lives(pid), 5_000, "its end");
  const again = opener.run(id, "never", { resume: true }, outputs);
  expect((await ended(again)).exit_code).toBe(4);
  expect(again.out.text).toBe(`${pid}\nlate\n`);
});

test("an unknown command is not started on a resume, and one that can't start is refused in words", async () => {
  await start();
  const gone = opener.run(crypto.randomUUID(), "touch /tmp/never", { resume: true });
  await until(() => gone.refused?.code === "gone", 2_000, "gone");
  const failed = opener.run(crypto.randomUUID(), "true", { cwd: "/does/not/exist" });
  await until(() => failed.refused?.code === "failed", 2_000, "failed");
  expect(failed.refused?.message).toContain("the working folder /does/not/exist does not exist");
});
