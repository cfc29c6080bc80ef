import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRoot } from "../../support/account.ts";
import { binary } from "../../support/binaries.ts";
import { testUnless } from "../../support/needs.ts";

const home = mkdtempSync(join(tmpdir(), "rexec-serve-config-"));
afterAll(() => rmSync(home, { recursive: true }));

/** The built program, with a home of its own and no other variables. */
async function serve(args: readonly string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([binary("rexec"), "serve", ...args], {
    cwd: home,
    env: { HOME: home, PATH: "/usr/bin:/bin", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: 20_000,
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, code };
}

describe("rexec serve", () => {
  test("prints where each value comes from, and starts no gateway", async () => {
    const file = join(home, "a.yaml");
    writeFileSync(file, "data: here\nport: 1\nscrollback: 7\n");
    const env = { REXEC_SERVE_PORT: "2", REXEC_SERVE_MAX_AGENTS: "9" };
    const { out, err, code } = await serve(["-c", file, "--port", "3", "--print-config"], env);
    expect([err, code]).toEqual(["", 0]);
    expect(out).toStartWith(`# with ${file}\n`);
    expect(out).toContain("\nport: 3  # --port\n");
    expect(out).toContain(`\ndata: ${home}/here  # ${file}:1\n`);
    expect(out).toContain(`\nscrollback: 7  # ${file}:3\n`);
    expect(out).toContain("\n  agents: 9  # REXEC_SERVE_MAX_AGENTS\n");
    expect(out).toContain("\n  tokens: 1000  # default\n");
    // A switch can be off by its option where the file has it on.
    writeFileSync(file, "v1_only: on\n");
    expect((await serve(["-c", file, "--print-config"])).out).toContain(`v1_only: on  # ${file}:1`);
    expect((await serve(["-c", file, "--no-v1-only", "--print-config"])).out).toContain(
      "v1_only: false  # --v1-only",
    );
  });

  test("ends with 2 where the file is wrong, also for what only works on the data", async () => {
    const file = join(home, "b.yaml");
    writeFileSync(file, "# a comment\nprot: 1\n");
    for (const args of [["--print-config"], [], ["--new-admin-token"], ["--backup", join(home, "x.db")]]) {
      const { out, err, code } = await serve(["--config", file, ...args]);
      expect([out, code]).toEqual(["", 2]);
      expect(err).toBe(`error: ${file}:2: there is no key "prot"\nhint: did you mean "port"?\n`);
    }
    const { err, code } = await serve(["--print-config"], {
      REXEC_SERVE_CONFIG: file,
      REXEC_SERVE_PORT: "1",
    });
    expect([code, err.includes(":2:")]).toEqual([2, true]);
  });

  testUnless(isRoot ? "root has /etc/rexec/serve.yaml in its place" : null)(
    "reads the account's own file",
    async () => {
      mkdirSync(join(home, ".rexec"));
      writeFileSync(join(home, ".rexec/serve.yaml"), "port: 4321\n");
      expect((await serve(["--print-config"])).out).toContain("port: 4321  # ");
    },
  );
});

test("rexec serve --log-format json writes nothing but JSON lines, where its output is no terminal", async () => {
  const dataDir = join(home, "json");
  const args = [binary("rexec"), "serve", "--port", "0", "--data", dataDir, "--log-format", "json"];
  const child = Bun.spawn([...args, "--log-level", "debug"], {
    cwd: home,
    env: { HOME: home, PATH: "/usr/bin:/bin", REXEC_SERVE_PROT: "1" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: 20_000,
  });
  let said = "";
  const decoder = new TextDecoder();
  let asked = false;
  for await (const chunk of child.stderr) {
    said += decoder.decode(chunk, { stream: true });
    const url = /listens on (http:[^ ,"]+)/.exec(said)?.[1];
    if (url && !asked) {
      asked = true;
      await fetch(`${url}/health`);
    }
    if (said.includes('"path":"/health"')) child.kill();
  }
  const lines = said.trimEnd().split("\n");
  const objects = lines.map((line) => JSON.parse(line));
  expect(objects.every(({ time, level, message }) => time && level && message)).toBe(true);
  expect(objects.map(({ message }) => message).join("\n")).toContain("did you mean REXEC_SERVE_PORT?");
  expect(objects.find(({ path }) => path === "/health")).toMatchObject({ level: "debug", status: 200 });
  expect(await child.stdout.text()).toBe("");
});
