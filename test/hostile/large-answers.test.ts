import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../support/binaries.ts";
import { AGENT, TOKEN, V2Gateway } from "../support/v2-gateway.ts";

setDefaultTimeout(60_000);

const MIB = 1024 * 1024;
const many = (text: string, bytes: number) => text.repeat(Math.ceil(bytes / text.length));
const agent = JSON.stringify(AGENT).slice(0, -1);

/** Peak memory of one run, bytes, and how it ended. (A rusage would count the peak of this process before the exec.) */
async function measured(
  words: readonly string[],
  env: Record<string, string>,
  program: "rexec" | "rexec-agent" = "rexec",
) {
  const child = Bun.spawn([binary(program), ...words], {
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let peak = 0;
  const look = setInterval(() => {
    peak = Math.max(peak, peakOf(child.pid));
  }, 2);
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  clearInterval(look);
  const code = await child.exited;
  return { code, said: stdout + stderr, peak };
}

/** 0 once it has ended. */
function peakOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Bodies that a hostile server answers a list with; each has the size that hurts most. */
const BODIES: [string, () => string][] = [
  ["5 MB of {}", () => `[${many("{},", 5 * MIB)}{}]`],
  ["15 MB of {}", () => `[${many("{},", 15 * MIB)}{}]`],
  ["15 MB of [", () => many("[", 15 * MIB)],
  ["15 MB of numbers", () => `[${many("0,", 15 * MIB)}0]`],
  ["15 MB of keys", () => `{${Array.from({ length: MIB }, (_, index) => `"k${index}":0`).join(",")}}`],
  ["a machine with a million tags", () => `[${agent},"tags":[${many("0,", 15 * MIB)}0]}]`],
  ["a machine with half a million tags", () => `[${agent},"tags":[${many("{},", 1.5 * MIB)}0]}]`],
  ["many machines of which each is wrong", () => `[${many('{"id":1},', 4 * MIB)}{}]`],
  ["a text of 15 MB", () => JSON.stringify(many("x", 15 * MIB))],
  ["more than is read", () => `[${many(" ", 40 * MIB)}]`],
];

describe("an answer that is made to be expensive", () => {
  test.each(BODIES)("costs rexec little: %s", async (_, body) => {
    const text = body();
    let hostile = false;
    await using gateway = new V2Gateway({
      intercept: (_request, url) =>
        hostile && url.pathname.startsWith("/api/") ? new Response(text) : undefined,
    });
    const usual = await measured(["ls"], gateway.env);
    expect(usual.code).toBe(0);
    hostile = true;
    for (const words of [["ls"], ["sessions", "box"]]) {
      const attacked = await measured(words, gateway.env);
      // At most what a list of that size needs.
      expect(attacked.peak).toBeLessThan(usual.peak + 150 * MIB);
      expect(attacked.said.length).toBeLessThan(10_000);
    }
  });

  test("costs little as an error, too", async () => {
    let hostile = false;
    await using gateway = new V2Gateway({
      intercept: () => (hostile ? new Response(many("{},", 15 * MIB), { status: 500 }) : undefined),
    });
    const usual = await measured(["ls"], gateway.env);
    hostile = true;
    const ran = await measured(["ls"], gateway.env);
    expect(ran.code).toBe(1);
    expect(ran.said).toContain("answered 500");
    expect(ran.said.length).toBeLessThan(10_000);
    expect(ran.peak).toBeLessThan(usual.peak + 100 * MIB);
  });
});

describe("an answer without an end", () => {
  const endless = () => {
    const piece = new TextEncoder().encode(many("{},", 64 * 1024));
    return new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode("[")),
        pull: (controller) => controller.enqueue(piece),
      }),
    );
  };

  test.each([
    "doctor",
    "doctor --json",
    "update --check",
    "update --version 9.9.9",
    `refresh-token --token ${TOKEN}`,
    `register --force --token ${TOKEN}`,
    "unregister --yes",
  ])("costs rexec-agent little: %s", async (line) => {
    const folder = mkdtempSync(join(tmpdir(), "rexec-endless-"));
    try {
      await using gateway = new V2Gateway({ intercept: endless });
      const config = join(folder, "agent.json");
      const settings = {
        api_url: gateway.url,
        token: TOKEN,
        agent_id: AGENT.id,
        name: "box",
        shell: "/bin/sh",
      };
      writeFileSync(config, JSON.stringify(settings), { mode: 0o600 });
      const env = { ...gateway.env, HOME: folder, REXEC_CONFIG: config };
      const usual = await measured(["--version"], env, "rexec-agent");
      const attacked = await measured(line.split(" "), env, "rexec-agent");
      expect(attacked.peak).toBeLessThan(usual.peak + 250 * MIB);
      expect(attacked.said.length).toBeLessThan(10_000);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
