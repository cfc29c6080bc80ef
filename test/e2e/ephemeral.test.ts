/** `rexec-agent start --ephemeral` as a CI job runs it, against a live gateway. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod/mini";
import { binary } from "../support/binaries.ts";
import { until, within } from "../support/wait.ts";
import { World } from "./support.ts";

const FORGET_MS = 2_000;
const agentList = z.array(
  z.object({
    id: z.string(),
    name: z.string(),
    status: z.string(),
    tags: z.array(z.string()),
    ephemeral: z.optional(z.boolean()),
  }),
);

let world: World;
beforeAll(async () => {
  world = new World({ gatewayArgs: ["--forget-ephemeral", `${FORGET_MS}ms`] });
  await world.stack.startGateway();
});
afterAll(() => world[Symbol.asyncDispose]());

async function agents() {
  const headers = { authorization: `Bearer ${world.stack.token}` };
  return agentList.parse(await (await fetch(`${world.stack.url}/api/agents`, { headers })).json());
}

const named = async (name: string) => (await agents()).find((agent) => agent.name === name);
const isGone = (name: string, ms = 10_000) =>
  until(async () => (await named(name)) === undefined, ms, `${name} to be gone from the list`);

/** A step of a job: `rexec-agent` with a runner's environment, in a workspace of its own. */
class Step implements AsyncDisposable {
  readonly home = mkdtempSync(join(world.folder, "home-"));
  readonly workspace = mkdtempSync(join(realpathSync(world.folder), "work-"));
  readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly out: Promise<unknown>;
  stdout = "";
  stderr = "";

  constructor(words: readonly string[], env: Record<string, string | undefined> = {}) {
    const runner = join(this.home, "t");
    mkdirSync(runner);
    this.child = Bun.spawn([binary("rexec-agent"), ...words], {
      cwd: this.workspace,
      env: { ...world.stack.clientEnv, HOME: this.home, RUNNER_TEMP: runner, ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const read = async (stream: ReadableStream<Uint8Array>, take: (text: string) => void) => {
      const decoder = new TextDecoder();
      for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
    };
    this.out = Promise.all([
      read(this.child.stdout, (text) => {
        this.stdout += text;
      }),
      read(this.child.stderr, (text) => {
        this.stderr += text;
      }),
    ]);
  }

  /** What `rexec connect` is to be given. */
  async reference(): Promise<string> {
    const [, reference = ""] = await until(
      () => /rexec connect (\S+)\n/.exec(this.stdout),
      20_000,
      () => `the words to connect with; it says ${this.stderr}`,
    );
    return reference;
  }

  async exit(ms = 20_000): Promise<number> {
    const code = await within(this.child.exited, ms, `the agent to leave; it says ${this.stderr}`);
    await this.out;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null) this.child.kill("SIGKILL");
    await this.child.exited;
  }
}

const start = (...options: string[]) => new Step(["start", "--ephemeral", ...options]);

describe("start --ephemeral", () => {
  test("is listed while it runs and gone with SIGTERM or SIGINT, and writes nothing to home or /etc", async () => {
    const before = etc();
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const name = `stopped-by-${signal}`;
      await using step = start("--name", name, "--tags", "mine");
      expect(await step.reference()).toBe(name);
      expect(await named(name)).toMatchObject({
        status: "online",
        ephemeral: true,
        tags: ["ephemeral", "mine"],
      });
      step.child.kill(signal);
      expect(await step.exit()).toBe(0);
      expect(await named(name)).toBeUndefined();
      expect(readdirSync(step.home)).toEqual(["t"]);
      expect(readdirSync(join(step.home, "t", "rexec"))).toEqual([]);
    }
    expect(etc()).toEqual(before);
  });

  test("goes on where SIGUSR2 asks it to restart in place, and says why", async () => {
    await using step = start("--name", "not-restarted");
    await step.reference();
    step.child.kill("SIGUSR2");
    await until(() => step.stderr.includes("is not restarted"), 5_000, "the refusal");
    expect(await named("not-restarted")).toMatchObject({ status: "online" });
    step.child.kill("SIGTERM");
    expect(await step.exit()).toBe(0);
    await isGone("not-restarted");
  });

  test("prints how to connect once, and those words connect to a shell in the job's folder", async () => {
    await using step = start("--name", "words");
    const reference = await step.reference();
    await using terminal = world.terminal(["connect", reference]);
    await terminal.see(/\[rexec\] .*continue ends this/);
    await terminal.see(/[$#] $/);
    await terminal.type("pwd; echo $REXEC_CONTROL\r");
    await terminal.see(step.workspace);
    await terminal.see(/\/rexec\/ephemeral-\w+\.sock/);
    const headers = { authorization: `Bearer ${world.stack.token}` };
    const path = `/api/agents/${(await named("words"))?.id}/status`;
    const status = await (await fetch(`${world.stack.url}${path}`, { headers })).json();
    expect(status).toMatchObject({ status: "online", sessions: 1 });
    expect(step.stdout.match(/rexec connect/g)).toHaveLength(1);
    // A gateway of one's own has no page for terminals.
    expect(step.stdout).not.toContain("browser");
    expect(step.stdout).toContain(world.stack.url);
  });

  test("leaves at --timeout with code 0, and whoever is there is told", async () => {
    await using step = start("--name", "timed", "--timeout", "3s");
    await using terminal = world.terminal(["connect", await step.reference()]);
    await terminal.see("at the latest in");
    await terminal.see("[rexec] time is up: this machine leaves");
    expect(await step.exit()).toBe(0);
    expect(step.stderr).toContain("the time of --timeout is up");
    await isGone("timed");
  });

  test("leaves at --idle-timeout with code 0 where nobody comes, also where a job waits for somebody", async () => {
    for (const more of [[], ["--wait-for-viewer"]]) {
      await using step = start("--name", "lonely", "--idle-timeout", "1s", ...more);
      await step.reference();
      expect(await step.exit()).toBe(0);
      expect(step.stderr).toContain("nobody has been here");
      await isGone("lonely");
    }
  });

  test("--wait-for-viewer leaves with code 0 once somebody came and left, and stays while they are there", async () => {
    await using other = start("--name", "visited", "--wait-for-viewer");
    await using visitor = world.terminal(["connect", await other.reference()]);
    await visitor.see(/[$#] $/);
    await visitor.type("exit\r");
    await visitor.exit();
    await using step = start("--name", "waiting", "--wait-for-viewer", "--idle-timeout", "2500ms");
    await using terminal = world.terminal(["connect", await step.reference()]);
    await terminal.see(/[$#] $/);
    await terminal.type("sleep 3; echo still-$((40+2))\r");
    await terminal.see("still-42");
    expect(step.child.exitCode).toBeNull();
    await terminal.type("\x1d");
    await terminal.exit();
    expect(await step.exit()).toBe(0);
    expect(step.stderr).toContain("nobody has been here");
    expect(await other.exit()).toBe(0);
    expect(other.stderr).toContain("everybody has gone");
    await isGone("waiting");
  });

  test("rexec-agent continue in the shell lets the job go on at once", async () => {
    await using step = start("--name", "continued", "--wait-for-viewer");
    await using terminal = world.terminal(["connect", await step.reference()]);
    await terminal.see(/[$#] $/);
    await terminal.type(`${binary("rexec-agent")} continue\r`);
    await terminal.see('"continued" leaves, and the job goes on');
    expect(await step.exit(5_000)).toBe(0);
    expect(step.stderr).toContain("rexec-agent continue");
    expect(await named("continued")).toBeUndefined();
  });

  test("rexec-agent continue and status find the agent from another step of the job, and say where none runs", async () => {
    await using step = start("--name", "found");
    await step.reference();
    const runner = { HOME: step.home, RUNNER_TEMP: join(step.home, "t") };
    await using status = new Step(["status"], runner);
    expect(await status.exit()).toBe(0);
    expect(status.stdout).toMatch(/Name: +found\n[\s\S]*Run by: +rexec-agent start --ephemeral/);
    await using first = new Step(["continue"], runner);
    expect(await first.exit()).toBe(0);
    expect(await step.exit()).toBe(0);
    const nobody = { ...runner, REXEC_CONTROL: join(runner.RUNNER_TEMP, "rexec/ephemeral-none.sock") };
    await using second = new Step(["continue"], nobody);
    expect(await second.exit()).toBe(3);
    expect(second.stderr).toContain("no ephemeral agent runs here");
  });

  test("keeps secrets of the environment from shells and commands, unless it is told not to", async () => {
    const env = {
      DEPLOY_KEY: "s3cr3t-deploy-key-1",
      AUTHORIZATION: "Bearer s3cr3t-deploy-key-1",
      DATABASE_URL: "postgres://u:pw@db/x",
      BUILD_MODE: "fast",
      PATH: `/opt/of-the-job:${process.env.PATH}`,
    };
    const environmentOf = async (...options: string[]) => {
      await using step = new Step(["start", "--ephemeral", "--name", "env", ...options], env);
      await using terminal = world.terminal(["connect", await step.reference()]);
      await terminal.see(/[$#] $/);
      await terminal.type("env > inside; cat /proc/$PPID/environ > outside; echo done-$((1+1))\r");
      await terminal.see("done-2");
      const command = await world.rexec(["exec", "env", "--", "env"]);
      step.child.kill();
      await step.exit();
      await isGone("env");
      const shell = await Bun.file(join(step.workspace, "inside")).text();
      const parent = await Bun.file(join(step.workspace, "outside")).text();
      return { shell, parent, command: command.stdout.toString(), log: step.stderr };
    };
    const usual = await environmentOf();
    for (const inside of [usual.shell, usual.command]) {
      expect(inside).toContain("BUILD_MODE=fast\n");
      expect(inside).toContain("PATH=/opt/of-the-job:");
      expect(inside).not.toMatch(/s3cr3t|postgres:|REXEC_TOKEN/);
    }
    expect(usual.parent).toContain("BUILD_MODE=fast\0");
    expect(usual.parent).not.toMatch(/s3cr3t|postgres:|rexec_[0-9a-f]/);
    expect(usual.log).toContain("4 variable(s) that look like secrets are kept from shells");
    expect(usual.log).toContain("AUTHORIZATION, DATABASE_URL, DEPLOY_KEY, REXEC_TOKEN");
    expect(usual.log).not.toMatch(/s3cr3t|pw@db/);
    const one = await environmentOf("--pass-env", "DEPLOY_KEY");
    expect(one.shell).toContain("DEPLOY_KEY=s3cr3t-deploy-key-1\n");
    expect(one.shell).not.toContain("postgres:");
    const all = await environmentOf("--keep-env");
    expect(all.shell).toContain("DATABASE_URL=postgres://u:pw@db/x\n");
    expect(all.shell).not.toContain("REXEC_TOKEN");
  });

  test("that was killed with -9 is forgotten by the gateway, with its token", async () => {
    await using step = start("--name", "killed");
    await step.reference();
    step.child.kill("SIGKILL");
    await step.child.exited;
    expect(await named("killed")).toBeDefined();
    await isGone("killed", FORGET_MS * 4);
    const headers = { authorization: `Bearer ${world.stack.token}` };
    const tokens = await (await fetch(`${world.stack.url}/api/tokens`, { headers })).text();
    expect(tokens).not.toContain("agent: killed");
  });

  test("of two jobs with the same variables each has a name of its own; of two that were named alike each has words of its own", async () => {
    const job = { GITHUB_RUN_ID: "7", GITHUB_REPOSITORY: "octo/app", GITHUB_JOB: "test" };
    await using first = new Step(["start", "--ephemeral"], job);
    expect(await first.reference()).toBe("octo-app-7-test");
    await using second = new Step(["start", "--ephemeral"], job);
    expect(await second.reference()).toMatch(/^octo-app-7-test-[0-9a-f]{8}$/);
    await using third = start("--name", "twin");
    expect(await third.reference()).toBe("twin");
    await using fourth = start("--name", "twin");
    expect(await fourth.reference()).toMatch(/^[0-9a-f]{8}-/);
    for (const step of [first, second, fourth]) {
      const ran = await world.rexec(["exec", await step.reference(), "--", "pwd"]);
      expect(ran.stdout.toString().trim()).toBe(step.workspace);
    }
  });

  test("--daemon returns once it is connected, with the words to connect; stop ends and unregisters it", async () => {
    await using parent = new Step([
      "start",
      "--ephemeral",
      "--daemon",
      "--name",
      "behind",
      "--timeout",
      "60s",
    ]);
    expect(await parent.exit()).toBe(0);
    expect(await parent.reference()).toBe("behind");
    expect(await named("behind")).toMatchObject({ status: "online" });
    const ran = await world.rexec(["exec", "behind", "--", "pwd"]);
    expect(ran.stdout.toString().trim()).toBe(parent.workspace);
    const env = { HOME: parent.home, RUNNER_TEMP: join(parent.home, "t"), REXEC_CONFIG: undefined };
    await using stop = new Step(["stop"], env);
    expect(await stop.exit()).toBe(0);
    await isGone("behind");
    expect(existsSync(join(parent.home, ".rexec"))).toBe(false);
  });

  test("that somebody deletes while it runs leaves with 4", async () => {
    await using step = start("--name", "deleted");
    await step.reference();
    const headers = { authorization: `Bearer ${world.stack.token}` };
    const agent = await named("deleted");
    await fetch(`${world.stack.url}/api/agents/${agent?.id}`, { method: "DELETE", headers });
    expect(await step.exit()).toBe(4);
  });

  test("a second signal cuts it short, and the server is told all the same", async () => {
    await using step = start("--name", "hurried");
    await using terminal = world.terminal(["connect", await step.reference()]);
    await terminal.see(/[$#] $/);
    await terminal.type("trap '' HUP; echo deaf-$((1+1)); sleep 20\r");
    await terminal.see("deaf-2");
    step.child.kill("SIGINT");
    await until(() => step.stderr.includes("SIGINT"), 5_000, "the first signal to be heard");
    step.child.kill("SIGTERM");
    expect(await step.exit(10_000)).toBe(143);
    expect(await named("hurried")).toBeUndefined();
    expect(readdirSync(join(step.home, "t", "rexec"))).toEqual([]);
  });

  test("without a token it leaves with 3, with a wrong one with 4, and its options alone with 2", async () => {
    await using none = new Step(["start", "--ephemeral"], { REXEC_TOKEN: undefined });
    expect(await none.exit()).toBe(3);
    expect(none.stderr).toContain("REXEC_TOKEN");
    await using wrong = new Step(["start", "--ephemeral"], { REXEC_TOKEN: `rexec_${"0".repeat(64)}` });
    expect(await wrong.exit()).toBe(4);
    await using alone = new Step(["start", "--wait-for-viewer"]);
    expect(await alone.exit()).toBe(2);
    expect(alone.stderr).toContain("--wait-for-viewer belongs to --ephemeral");
    await using both = start("--daemon", "--wait-for-viewer");
    expect(await both.exit()).toBe(2);
  });
});

/** What is in /etc/rexec, with its times; of root's, which another account may not list, the folder's own. */
function etc(): unknown {
  if (!existsSync("/etc/rexec")) return null;
  const own = statSync("/etc/rexec").mtimeMs;
  try {
    return [own, readdirSync("/etc/rexec").map((name) => [name, statSync(`/etc/rexec/${name}`).mtimeMs])];
  } catch {
    return [own];
  }
}
