import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../../src/agent/config/file.ts";
import { binary } from "../support/binaries.ts";
import { within } from "../support/wait.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rexec-keys-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function warnings(name: string, text: string): readonly string[] {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return readConfig(path)?.warnings ?? [];
}

describe("a key that has no effect", () => {
  test.each([
    ["shel", "shell"],
    ["Shell", "shell"],
    ["workingDir", "working_dir"],
    ["working-dir", "working_dir"],
    ["agentId", "agent_id"],
    ["apiURL", "api_url"],
    ["lables", "labels"],
    ["tag", "tags"],
    ["max_session", "max_sessions"],
    ["tokn", "token"],
    ["idle_timout", "idle_timeout"],
    ["autoUpdate", "auto_update"],
  ])("%s is warned of with %s, in YAML and JSON, with its line", (key, meant) => {
    const words = `there is no key "${key}", so it has no effect: did you mean "${meant}"?`;
    const yaml = join(folder, "agent.yaml");
    expect(warnings("agent.yaml", `name: box\n${key}: /bin/sh\n`)).toEqual([`${yaml}:2: ${words}`]);
    const json = join(folder, "agent.json");
    expect(warnings("agent.json", `{\n "name": "box",\n "${key}": 1\n}`)).toEqual([`${json}:3: ${words}`]);
  });

  test("is left alone where it is like none of ours, or the original agent's", () => {
    const text = "id: x\nhost: https://x.example\ncomment: ours\nx: 1\nfleet: 7\nname: box\nlabels: [a]\n";
    expect(warnings("agent.yaml", text)).toEqual([]);
  });

  test("can't hurt, whatever it is", () => {
    const keys = ["a(b", "[", "\\", "she\u001b[2Jl", "x".repeat(1_000_000), "__proto__", "constructor"];
    const text = `{${keys.map((key) => `${JSON.stringify(key)}: 1`).join(", ")}}`;
    const start = performance.now();
    warnings("agent.json", text);
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  test("is said by the programs, and by the doctor", async () => {
    const path = join(folder, "agent.yaml");
    writeFileSync(path, "shel: /bin/sh\n", { mode: 0o600 });
    const child = Bun.spawn([binary("rexec-agent"), "start", "-c", path], {
      env: { PATH: process.env.PATH ?? "", HOME: folder },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const [text] = await within(Promise.all([child.stderr.text(), child.exited]), 10_000, "its end");
    expect(text).toContain(`${path}:1: there is no key "shel"`);
  });
});
