/** The agent replaces itself in place: shells, commands, what they print and what is typed go on. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { binary } from "../support/binaries.ts";
import { testWith } from "../support/needs.ts";
import { until } from "../support/wait.ts";
import { World } from "./support.ts";

let world: World;
beforeAll(async () => {
  world = await World.start({ env: { XDG_RUNTIME_DIR: undefined } });
});
afterAll(() => world[Symbol.asyncDispose]());

async function shell() {
  const terminal = world.terminal(["connect", "box", "--new"]);
  await terminal.see(/[$#] $/);
  return terminal;
}

/** `rexec-agent …` against this world's agent. */
async function agent(...args: string[]) {
  const child = Bun.spawn([binary("rexec-agent"), ...args], {
    env: { ...process.env, HOME: world.folder, REXEC_CONFIG: `${world.folder}/agent.yaml` },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, text: out + err };
}

async function restart(): Promise<string> {
  const { code, text } = await agent("restart");
  expect({ code, text }).toEqual({ code: 0, text: expect.stringContaining("restarted") });
  return text;
}

function numbers(count: number): string {
  return `${Array.from({ length: count }, (_, at) => at + 1).join("\n")}\n`;
}

/** Where two texts differ, and what is there; null where they don't. */
function differs(text: string, wanted: string) {
  if (text === wanted) return null;
  let at = 0;
  while (at < text.length && text[at] === wanted[at]) at += 1;
  const near = (one: string) => one.slice(Math.max(0, at - 20), at + 60);
  return { at, lengths: [text.length, wanted.length], text: near(text), wanted: near(wanted) };
}

/** What a shell printed between the two words, without the line that the CLI shows while the agent is away. */
function printed(shown: string): string {
  const [, text = ""] = /begin\r\n(.*)done/s.exec(shown) ?? [];
  return text.replaceAll(/\u001b7.*?\u001b8/gs, "").replaceAll("\r", "");
}

function descriptors(): string[] {
  return readdirSync(`/proc/${world.stack.agentPid}/fd`);
}

describe("rexec-agent restart", () => {
  test("keeps a shell with its variables and its pid, and the agent's pid; its exit code arrives", async () => {
    await using terminal = await shell();
    await terminal.type("kept=yes; echo pid=$$\r");
    const pid = (await terminal.see(/pid=(\d+)/))[1];
    const before = world.stack.agentPid;
    expect(await restart()).toContain(`pid ${before}`);
    await terminal.type("echo [$kept] still=$$\r");
    await terminal.see(`[yes] still=${pid}`);
    await terminal.type("exit 7\r");
    expect(await terminal.exit()).toEqual({ exitCode: 7, signal: null });
  });

  test("loses and doubles nothing of a flood over three restarts", async () => {
    await using terminal = await shell();
    await terminal.type("stty -echo; echo be''gin; seq 1 3000000; echo do''ne\r");
    for (let turn = 0; turn < 3; turn += 1) await restart();
    await terminal.see("done", 60_000);
    expect(differs(printed(terminal.shown), numbers(3_000_000))).toBeNull();
  }, 120_000);

  test("keeps a command that runs: stdin, both outputs and its exit code", async () => {
    const go = `${world.folder}/go`;
    const script = `seq 1 2000000; echo to-stderr >&2; until [ -e ${go} ]; do sleep 0.05; done; seq 2000001 4000000; wc -c >&2; exit 5`;
    const stdin = "x".repeat(3_000_000);
    const run = world.rexec(["exec", "box", "--", "sh", "-c", script], stdin, 60_000);
    await until(
      async () => (await world.runs()) === 1,
      10_000,
      () => "the command to run",
    );
    for (let turn = 0; turn < 3; turn += 1) expect(await restart()).toContain("1 command kept");
    writeFileSync(go, "");
    const { stdout, stderr, code } = await run;
    expect(differs(stdout.toString(), numbers(4_000_000))).toBeNull();
    expect(stderr).toBe(`to-stderr\n${stdin.length}\n`);
    expect(code).toBe(5);
  }, 120_000);

  test("takes what is typed meanwhile once", async () => {
    await using terminal = await shell();
    await terminal.type("stty -echo; echo rea''dy; cat > typed.txt\r");
    await terminal.see("ready");
    let typed = "";
    const done = restart();
    let over = false;
    void done.finally(() => {
      over = true;
    });
    for (let line = 0; !over; line += 1) {
      typed += `line ${line}\n`;
      await terminal.type(`line ${line}\r`);
      await Bun.sleep(2);
    }
    await done;
    await terminal.type("\x04");
    await terminal.type("echo en''d\r");
    await terminal.see("end");
    expect(readFileSync(`${world.folder}/typed.txt`, "utf8")).toBe(typed);
  });

  testWith("vi")(
    "keeps a full-screen program, which looks the same to one who attaches afterwards",
    async () => {
      await using terminal = world.terminal(["connect", "box", "--session", "split-vi"]);
      await terminal.see(/[$#] $/);
      const file = `${world.folder}/poem.txt`;
      await terminal.type(`vi ${file}\r`);
      await terminal.see("\x1b[?1049h");
      await terminal.type("ifirst line");
      await terminal.see("first line");
      await restart();
      await using other = world.terminal(["connect", "box", "--session", "split-vi"]);
      await other.see("\x1b[?1049h");
      await other.see("first line");
      await other.type("\rsecond line");
      await terminal.see("second line");
      await terminal.type("\x1b:wq\r");
      await other.see("\x1b[?1049l");
      await until(
        () => existsSync(file),
        5_000,
        () => "the file to be written",
      );
      expect(readFileSync(file, "utf8")).toBe("first line\nsecond line\n");
    },
  );

  test("leaks no descriptor over 20 restarts", async () => {
    await using terminal = await shell();
    await restart();
    const before = descriptors().length;
    for (let turn = 0; turn < 20; turn += 1) await restart();
    await until(
      () => descriptors().length <= before,
      5_000,
      () => `${descriptors().length} descriptors to be ${before}`,
    );
    await terminal.type("echo a''live\r");
    await terminal.see("alive");
  }, 60_000);
});
