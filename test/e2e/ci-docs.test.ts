/** The snippets of docs/ci.md, run as the CI systems run them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import * as z from "zod/mini";
import { until, within } from "../support/wait.ts";
import { World } from "./support.ts";

const text = readFileSync(join(import.meta.dir, "../../docs/ci.md"), "utf8");
const blocks = [...text.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, yaml = ""]): unknown => parse(yaml));

const step = z.object({ name: z.optional(z.string()), run: z.optional(z.string()) });
const github = z.object({ jobs: z.object({ build: z.object({ steps: z.array(step) }) }) });
const gitlab = z.object({
  test: z.object({ before_script: z.array(z.string()), script: z.array(z.string()) }),
});

let world: World;
beforeAll(async () => {
  world = new World();
  await world.stack.startGateway();
});
afterAll(() => world[Symbol.asyncDispose]());

/** A job's machine: a folder of its own as home and as the runner's. */
class Runner {
  readonly folder: string;
  /** For the installer alone: as root it would make a folder in /etc. */
  readonly config: string;
  readonly env: Record<string, string | undefined>;

  constructor(name: string, variables: Record<string, string>) {
    this.folder = join(world.folder, name);
    this.config = join(this.folder, "agent.yaml");
    mkdirSync(join(this.folder, "home"), { recursive: true });
    const { REXEC_TOKEN: _, ...env } = world.stack.clientEnv;
    this.env = {
      ...env,
      HOME: join(this.folder, "home"),
      RUNNER_TEMP: this.folder,
      GITHUB_PATH: join(this.folder, "path"),
      ...variables,
    };
  }

  /** GitHub: `bash -e`, with the folders of GITHUB_PATH in front. */
  start(script: string, more: Record<string, string> = {}) {
    const added = existsSync(join(this.folder, "path"))
      ? readFileSync(join(this.folder, "path"), "utf8").trim().split("\n")
      : [];
    return Bun.spawn(["bash", "-e", "-c", script], {
      cwd: this.folder,
      env: { ...this.env, PATH: [...added, process.env.PATH].join(":"), ...more },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }
}

async function online(): Promise<string[]> {
  const headers = { authorization: `Bearer ${world.stack.token}` };
  const agents = await (await fetch(`${world.stack.url}/api/agents`, { headers })).json();
  return z
    .array(z.object({ name: z.string() }))
    .parse(agents)
    .map(({ name }) => name);
}

const goneSoon = () => until(async () => (await online()).length === 0, 10_000, "the list to be empty");

describe("the snippets of docs/ci.md", () => {
  test("GitHub's: get the agent, wait for somebody; a cancelled step unregisters", async () => {
    const [wait] = blocks;
    const { steps } = github.parse(wait).jobs.build;
    const scripts = steps.map(({ run }) => run).filter((run) => /rexec/i.test(run ?? ""));
    expect(scripts).toHaveLength(2);
    const [get = "", look = ""] = scripts;
    const runner = new Runner("github", { GITHUB_RUN_ID: "5", GITHUB_REPOSITORY: "o/r", GITHUB_JOB: "j" });
    const got = runner.start(get, { REXEC_CONFIG: runner.config });
    expect([await within(got.exited, 60_000, "the agent to be got"), await got.stderr.text()]).toEqual([
      0,
      expect.any(String),
    ]);
    const token = { REXEC_TOKEN: world.stack.token };
    const waiting = runner.start(look, token);
    await until(async () => (await online()).includes("o-r-5-j"), 20_000, "the agent to be listed");
    await using terminal = world.terminal(["connect", "o-r-5-j"]);
    await terminal.see(/\[rexec\] rexec-agent continue ends this, at the latest in 60 min/);
    await terminal.see(/[$#] $/);
    await terminal.type("rexec-agent continue\r");
    expect(await within(waiting.exited, 10_000, "the step to go on")).toBe(0);
    const cancelled = runner.start(look, token);
    await until(async () => (await online()).length === 1, 20_000, "the agent to be listed");
    cancelled.kill("SIGINT"); // to the step's entry process
    expect(await within(cancelled.exited, 7_500, "the step to end")).toBe(0);
    expect(await online()).toEqual([]);
  });

  test("GitHub's in the background: the next step runs, the last one ends it", async () => {
    const steps = z.array(step).parse(blocks[1]);
    const [open = "", , end = ""] = steps.map(({ run }) => run ?? "");
    const runner = new Runner("behind", { GITHUB_RUN_ID: "6", GITHUB_REPOSITORY: "o/r" });
    const path = join(world.folder, "bin");
    await Bun.$`mkdir -p ${path} && ln -sf ${world.stack.paths.agent} ${path}/rexec-agent`.quiet();
    const more = { PATH: `${path}:${process.env.PATH}`, REXEC_TOKEN: world.stack.token };
    const opened = runner.start(open, more);
    expect(await within(opened.exited, 20_000, "the first step")).toBe(0);
    expect(await opened.stdout.text()).toContain("rexec connect o-r-6");
    expect(await online()).toEqual(["o-r-6"]);
    expect(await within(runner.start(end, more).exited, 10_000, "the last step")).toBe(0);
    await goneSoon();
    expect(await within(runner.start(end, more).exited, 10_000, "the last step, again")).toBe(0);
  });

  test("GitLab's: the failed job waits, and fails all the same", async () => {
    const { before_script: before, script } = gitlab.parse(blocks[2]).test;
    const runner = new Runner("gitlab", {
      CI_JOB_ID: "9",
      CI_PROJECT_PATH_SLUG: "g-app",
      REXEC_BIN_DIR: join(world.folder, "got"),
    });
    const install = before.filter((line) => !line.startsWith("apt-get")).join("\n");
    const more = { PATH: `${join(world.folder, "got")}:${process.env.PATH}`, REXEC_TOKEN: world.stack.token };
    const named = [`export REXEC_CONFIG="${runner.config}"`, install, "unset REXEC_CONFIG"];
    const job = runner.start([...named, ...script].join("\n"), more);
    await until(async () => (await online()).includes("g-app-9"), 60_000, "the agent to be listed");
    await using terminal = world.terminal(["connect", "g-app-9"]);
    await terminal.see(/[$#] $/);
    await terminal.type("rexec-agent continue\r");
    expect(await within(job.exited, 10_000, "the job to end")).toBe(1);
    await goneSoon();
  });
});
