import { describe, expect, test } from "bun:test";
import { describeJob } from "../../src/agent/ephemeral/job.ts";
import { LeavePolicy, type LeaveReason, SECOND_THOUGHTS_MS } from "../../src/agent/ephemeral/leave-policy.ts";
import { siftEnvironment } from "../../src/agent/ephemeral/secret-environment.ts";
import { Watch } from "../../src/agent/ephemeral/watch.ts";
import { within } from "../support/wait.ts";

const MINUTE = 60_000;

describe("how long an ephemeral agent stays", () => {
  test("at most for --timeout, whoever is there", () => {
    const policy = new LeavePolicy({ timeoutMs: 30 * MINUTE, idleMs: 10 * MINUTE, untilLeft: false }, 1_000);
    policy.see(true, true, 2_000);
    expect(policy.verdict(1_000 + 30 * MINUTE - 1)).toBeNull();
    expect(policy.verdict(1_000 + 30 * MINUTE)).toBe("timeout");
  });

  test("without anybody for --idle-timeout, counted anew from whenever the last one left", () => {
    const policy = new LeavePolicy({ idleMs: 10 * MINUTE, untilLeft: false }, 0);
    expect(policy.verdict(10 * MINUTE - 1)).toBeNull();
    expect(policy.verdict(10 * MINUTE)).toBe("idle");
    policy.see(true, true, 9 * MINUTE);
    expect(policy.verdict(50 * MINUTE)).toBeNull();
    policy.see(false, true, 50 * MINUTE);
    policy.see(false, true, 55 * MINUTE);
    expect(policy.verdict(60 * MINUTE - 1)).toBeNull();
    expect(policy.verdict(60 * MINUTE)).toBe("idle");
  });

  test("for ever without limits", () => {
    const policy = new LeavePolicy({ untilLeft: false }, 0);
    expect(policy.verdict(1_000 * MINUTE)).toBeNull();
    expect(policy.remaining(1_000 * MINUTE)).toBe(Number.POSITIVE_INFINITY);
  });

  test("with --wait-for-viewer until whoever was at a shell has left, and a moment more", () => {
    const policy = new LeavePolicy({ untilLeft: true }, 0);
    expect(policy.verdict(60 * MINUTE)).toBeNull();
    policy.see(true, false, 60 * MINUTE); // a command, no shell
    policy.see(false, false, 61 * MINUTE);
    expect(policy.verdict(90 * MINUTE)).toBeNull();
    policy.see(true, true, 90 * MINUTE);
    policy.see(false, true, 91 * MINUTE);
    expect(policy.verdict(91 * MINUTE + SECOND_THOUGHTS_MS - 1)).toBeNull();
    policy.see(true, true, 91 * MINUTE + 1_000); // the wrong window
    expect(policy.verdict(95 * MINUTE)).toBeNull();
    policy.see(false, true, 95 * MINUTE);
    expect(policy.verdict(95 * MINUTE + SECOND_THOUGHTS_MS)).toBe("left");
  });
});

describe("what shells of a CI job are not given", () => {
  const withheld = (env: Record<string, string>) => siftEnvironment(env).withheld;

  test.each([
    "REXEC_TOKEN",
    "GITHUB_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "CI_JOB_TOKEN",
    "CI_JOB_JWT_V2",
    "CI_REGISTRY_PASSWORD",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "SSH_PRIVATE_KEY",
    "SSH_AUTH_SOCK",
    "DB_PASS",
    "PGPASSWORD",
    "npm_config__auth",
    "STRIPE_APIKEY",
    "SIGNING_KEY2",
    "GH_PAT",
    "SENTRY_DSN",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "SLACK_WEBHOOK",
    "session_cookie",
  ])("%s is held back by its name", (name) => {
    expect(withheld({ [name]: "anything" })).toEqual([name]);
  });

  test.each([
    "PATH",
    "HOME",
    "PWD",
    "OLDPWD",
    "CI",
    "GITHUB_SHA",
    "GITHUB_WORKSPACE",
    "GIT_AUTHOR_NAME",
    "CI_COMMIT_AUTHOR",
    "KEYBOARD_LAYOUT",
    "KEYCLOAK_URL",
    "PASSTHROUGH",
    "XAUTHORITY",
    "NODE_ENV",
    "PATTERN",
    "LD_LIBRARY_PATH",
    "JAVA_HOME",
  ])("%s is handed over", (name) => {
    expect(withheld({ [name]: "/some/value" })).toEqual([]);
  });

  test("a value that looks like a secret is held back whatever its name is", () => {
    const env = {
      A: `ghp_${"a1".repeat(18)}`,
      B: "postgres://user:pa55@db/name",
      C: "-----BEGIN OPENSSH PRIVATE KEY-----\nabc",
      D: `glpat-${"x9".repeat(10)}`,
      E: `rexec_${"0f".repeat(32)}`,
      F: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
      PLAIN: "https://example.com/a:b@c?d",
      URL: "http://localhost:8080/x",
    };
    expect(withheld(env)).toEqual(["A", "B", "C", "D", "E", "F"]);
  });

  test("a secret is held back under a second name and inside of a longer value, and a path or a word is not", () => {
    const env = {
      API_TOKEN: "q8w7e6r5t4y3",
      SECOND: "q8w7e6r5t4y3",
      HEADER: "Bearer q8w7e6r5t4y3",
      SECRET_MODE: "development",
      NODE_ENV: "development",
      MY_KEY_FILE: "/home/runner/work1/x",
      WORK: "/home/runner/work1/x/y",
      PATH: "/q8w7e6r5t4y3/bin",
    };
    expect(withheld(env)).toEqual(["API_TOKEN", "HEADER", "MY_KEY_FILE", "SECOND", "SECRET_MODE"]);
  });

  test("--keep-env holds nothing back, and --pass-env lets single ones through", () => {
    const env = { A_TOKEN: "x1", B_TOKEN: "y2", C: "z" };
    expect(siftEnvironment(env, true)).toEqual({ env, withheld: [] });
    expect(siftEnvironment(env, false, ["B_TOKEN"])).toEqual({
      env: { B_TOKEN: "y2", C: "z" },
      withheld: ["A_TOKEN"],
    });
  });
});

describe("the name of a CI job", () => {
  test("is made of what tells it from others, and needs no quotes", () => {
    const github = {
      GITHUB_RUN_ID: "123",
      GITHUB_RUN_ATTEMPT: "1",
      GITHUB_REPOSITORY: "octo/hello world",
      GITHUB_JOB: "build",
    };
    expect(describeJob(github, "h").name).toBe("octo-hello-world-123-build");
    expect(describeJob({ ...github, GITHUB_RUN_ATTEMPT: "2" }, "h").name).toBe(
      "octo-hello-world-123-2-build",
    );
    const gitlab = { CI_JOB_ID: "77", CI_PROJECT_PATH_SLUG: "group-app", CI_JOB_URL: "https://gl/-/jobs/77" };
    expect(describeJob(gitlab, "h")).toEqual({
      name: "group-app-77",
      description: "GitLab CI job https://gl/-/jobs/77",
      tags: ["ephemeral", "ci", "gitlab-ci"],
    });
    expect(describeJob({ JENKINS_URL: "x", JOB_NAME: "a/b", BUILD_NUMBER: "5" }, "h").name).toBe("a-b-5");
  });

  test("is the host's where there is no job", () => {
    expect(describeJob({}, "box")).toMatchObject({ name: "box", tags: ["ephemeral"] });
  });
});

describe("watching who is there", () => {
  const activity = {
    busy: 0,
    shellsStarted: 0,
    lines: [] as string[],
    tell: (line: string) => void activity.lines.push(line),
  };

  async function leaves(during: (watch: Watch) => Promise<void>): Promise<{ why: LeaveReason; ms: number }> {
    const left = Promise.withResolvers<LeaveReason>();
    using watch = new Watch({
      rules: { idleMs: 300, untilLeft: false },
      onCame() {},
      onLeave: left.resolve,
    });
    const since = performance.now();
    watch.begin(activity);
    await during(watch);
    const why = await within(left.promise, 10_000, "it to leave");
    return { why, ms: performance.now() - since };
  }

  test("goes by the server's count where it says one, and else by whether anything runs", async () => {
    const told = await leaves(async (watch) => {
      watch.viewers(1);
      await Bun.sleep(1_500);
      watch.viewers(0);
    });
    expect(told.why).toBe("idle");
    expect(told.ms).toBeGreaterThan(1_800);
    activity.busy = 1;
    const untold = await leaves(async () => {
      await Bun.sleep(1_500);
      activity.busy = 0;
    });
    expect(untold.why).toBe("idle");
    expect(untold.ms).toBeGreaterThan(1_800);
    expect(activity.lines).toContain("[rexec] nobody is here: this machine leaves");
  });
});
