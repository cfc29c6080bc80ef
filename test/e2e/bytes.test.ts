/** Arguments, folders and variables that are no text: whatever bytes the near shell hands over, the program is given. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { binary } from "../support/binaries.ts";
import { type Ran, World } from "./support.ts";

const LATIN1 = "J\\374rgen";
const BYTES = "J\xfcrgen";
/** In the agent's own environment. */
const RUNNER = ["/bin/sh", "-c", `ODD_NAME="$(printf '${LATIN1}')" exec "$0" "$@"`];

let world: World;
beforeAll(async () => {
  world = await World.start({ agentRunner: RUNNER, env: { XDG_RUNTIME_DIR: undefined } });
});
afterAll(() => world[Symbol.asyncDispose]());

/** A line of shell in which `$REXEC` is the program and `$ODD` the bytes; the runtime that tests run on hands on text only. */
async function line(text: string, program: "rexec" | "rexec-agent" = "rexec"): Promise<Ran> {
  const child = Bun.spawn(["/bin/sh", "-c", `ODD=$(printf '${LATIN1}'); export ODD; ${text}`], {
    env: { ...world.stack.clientEnv, REXEC: binary(program), BOX: "box" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.bytes(), child.stderr.text(), child.exited]);
  return { code, stdout: Buffer.from(stdout), stderr };
}

const latin1 = ({ stdout, stderr, code }: Ran) => ({ out: stdout.toString("latin1"), stderr, code });
const ok = (out: string) => ({ out, stderr: "", code: 0 });

describe("bytes that are not UTF-8", () => {
  test("reach a program as its arguments", async () => {
    expect(latin1(await line(`"$REXEC" exec box -- printf '[%s]' "$ODD" é "!" ''`))).toEqual(
      ok(`[${BYTES}][\u00c3\u00a9][!][]`),
    );
  });

  test("as the value of a variable, given or handed on", async () => {
    const show = `sh -c 'printf %s "$A|$ODD|$B"'`;
    expect(latin1(await line(`"$REXEC" exec -e A="$ODD" -e ODD -e B=é box -- ${show}`))).toEqual(
      ok(`${BYTES}|${BYTES}|\u00c3\u00a9`),
    );
  });

  test("as its folder", async () => {
    const ran = await line(
      `mkdir -p "${world.folder}/$ODD" && "$REXEC" exec --cwd "${world.folder}/$ODD" box -- pwd`,
    );
    expect(latin1(ran)).toEqual(ok(`${world.folder}/${BYTES}\n`));
  });

  test.each(["HOME", "REXEC_CONFIG", "REXEC_HOST", "REXEC_TOKEN"])("are refused in %s", async (name) => {
    for (const command of ["ls", "whoami", "version"]) {
      const { code, stderr } = await line(`${name}="$ODD" "$REXEC" ${command}`);
      expect([code, stderr.split("\n")[0]]).toEqual([2, `error: the variable ${name} is not valid UTF-8`]);
    }
    expect((await line(`${name}="$ODD" "$REXEC" status`, "rexec-agent")).code).toBe(2);
  });

  test("are shown as escapes by --json and lists", async () => {
    const ran = await line(`"$REXEC" exec --json box -- printf %s "$ODD"`);
    expect(JSON.parse(ran.stdout.toString())).toMatchObject({
      command: expect.stringContaining("J\\xfcrgen"),
      stdout_base64: Buffer.from(BYTES, "latin1").toString("base64"),
    });
  });

  test.each([
    `exec "$ODD" -- true`,
    `connect "$ODD"`,
    `exec --host "http://$ODD" box -- true`,
    `exec --ca-file="$ODD" box -- true`,
    `exec --timeout "$ODD" box -- true`,
    `ls --tag "$ODD"`,
    `"$ODD"`,
    `--"$ODD"`,
  ])("are refused with a word where a name is meant: rexec %s", async (words) => {
    const ran = await line(`"$REXEC" ${words}`);
    expect([ran.code, ran.stdout.toString()]).toEqual([2, ""]);
    expect(ran.stderr).not.toContain("\ufffd");
  });

  test.each([`register --name "$ODD"`, `start --config "$ODD"`, `status -c "$ODD"`, `logs "$ODD"`])(
    "and by rexec-agent %s",
    async (words) => {
      const ran = await line(`"$REXEC" ${words}`, "rexec-agent");
      expect(ran.code).toBe(2);
      expect(ran.stderr).not.toContain("\ufffd");
    },
  );

  test("stand in shells and commands as they stood at the agent's start, after a restart too", async () => {
    for (const _ of [1, 2]) {
      const ran = await world.rexec(["exec", "box", "--", "sh", "-c", 'printf %s "$ODD_NAME"']);
      expect(ran.stdout.toString("latin1")).toBe(BYTES);
      await using terminal = world.terminal(["connect", "box", "--new"]);
      await terminal.see(/[$#] $/);
      await terminal.type('printf %s "$ODD_NAME" | od -An -tx1; echo $0 $-\r');
      await terminal.see("4a fc 72 67 65 6e");
      const restarted = Bun.spawnSync([binary("rexec-agent"), "restart"], {
        env: { ...world.stack.clientEnv, REXEC_CONFIG: `${world.folder}/agent.yaml` },
      });
      expect(restarted.exitCode).toBe(0);
    }
  });
});

test("a command line that no machine takes is refused before it is sent", async () => {
  const ran = await world.rexec([
    "exec",
    "box",
    "--",
    "echo",
    "x".repeat(140_000).slice(0, 120_000),
    "y".repeat(20_000),
  ]);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain("as one argument");
});

const tcsh = Bun.which("tcsh");
if (tcsh === null) test.skip("an account with tcsh: SKIPPED, tcsh is not installed", () => {});
describe.skipIf(tcsh === null)("an account with tcsh", () => {
  let csh: World;
  beforeAll(async () => {
    csh = await World.start({ env: { SHELL: tcsh ?? "" } });
  });
  afterAll(() => csh[Symbol.asyncDispose]());

  test("is given every word as it is", async () => {
    const words = [
      "!",
      "a!b",
      "!!",
      "a\nb\n",
      "",
      "-n",
      "*",
      "~",
      "$HOME",
      "`id`",
      "it's",
      '"',
      "\\!",
      "{a,b}",
      "é",
    ];
    const ran = await csh.rexec(["exec", "box", "--", "printf", "[%s]", ...words]);
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout.toString()).toBe(words.map((word) => `[${word}]`).join(""));
  });

  test("runs a script of several lines", async () => {
    const script = "set -e\nif ! false; then\n  echo one\nfi\necho two # !$\nexit 7\n";
    const ran = await csh.rexec(["exec", "box", "--", "sh", "-c", script]);
    expect([ran.stdout.toString(), ran.stderr, ran.code]).toEqual(["one\ntwo\n", "", 7]);
  });
});
