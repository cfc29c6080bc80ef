/**
 * The main job, on this machine alone: a gateway on loopback with its database in a temporary folder, this machine
 * registered as an agent and connected, then a shell through both in this terminal. The shell has a home of its own,
 * so it writes to no account's history.
 *
 *   bun run demo                       a shell (Ctrl+] or `exit` leaves)
 *   bun run demo --exec 'uname -a'     one command; its output is all of stdout, its exit code is the demo's
 *
 * Without a terminal it runs `uname -a`. Its own messages go to stderr. It leaves no files behind.
 */
import { hostname } from "node:os";
import { join } from "node:path";
import { nativeArch } from "../build.ts";
import { ensureDeps } from "./ensure-deps.ts";
import { onLeaving } from "./leaving.ts";
import { say } from "./say.ts";
import { Scratch } from "./scratch.ts";
import { Stack } from "./stack.ts";

const ROOT = join(import.meta.dir, "..");

let foreground: Bun.Subprocess | null = null;
const command = readArguments(process.argv.slice(2));
await ensureDeps();
const build = Bun.spawnSync([process.execPath, join(ROOT, "build.ts"), "--native"], {
  stdio: ["ignore", "inherit", "inherit"],
});
if (!build.success) process.exit(1);

const scratch = new Scratch("rexec-demo-");
const folder = join(scratch.folder, "stack");
const binary = (program: string) => join(ROOT, "dist", `${program}-linux-${nativeArch()}`);
const stack = new Stack({
  rexec: binary("rexec"),
  agent: binary("rexec-agent"),
  folder,
  env: scratch.changes,
});
process.on("exit", () => stack.kill());
onLeaving((code) => void leave(code));

try {
  await stack.startGateway();
  say(`gateway    ${stack.url}, SQLite and a home in ${scratch.folder}, which goes at the end`);
  const name = hostname();
  await stack.register(name);
  say(`agent      ${name} is registered`);
  const { id, ms } = await stack.startAgent();
  say(`           connected ${Math.round(ms)} ms after its start`);
  await leave(command === null ? await shell(id) : await run(id, command));
} catch (error) {
  say(`error: ${error instanceof Error ? error.message : String(error)}`);
  await leave(1);
}

// --- internal ---

async function shell(id: string): Promise<number> {
  say("shell      rexec connect: through the gateway to the agent; `exit` or Ctrl+] leaves\n");
  return await client(["connect", "--new", id], "inherit");
}

async function run(id: string, line: string): Promise<number> {
  say(`command    rexec exec -- sh -c '${line}'\n`);
  // v1 carries stdin as a whole, so an open one that never ends would be waited for.
  return await client(["exec", id, "--", "sh", "-c", line], "ignore");
}

async function client(args: string[], stdin: "inherit" | "ignore"): Promise<number> {
  foreground = Bun.spawn([binary("rexec"), ...args], {
    env: stack.clientEnv,
    stdio: [stdin, "inherit", "inherit"],
  });
  return await foreground.exited;
}

/** The client first: it gives the terminal back as it found it. */
async function leave(code: number): Promise<never> {
  foreground?.kill("SIGTERM");
  await foreground?.exited;
  await stack.stop();
  await scratch.remove();
  process.exit(code);
}

/** The command to run, or null for a shell. */
function readArguments(args: readonly string[]): string | null {
  const [option, value, ...more] = args[0]?.startsWith("--exec=")
    ? ["--exec", args[0].slice(7), ...args.slice(1)]
    : args;
  if (option === undefined) return process.stdin.isTTY && process.stdout.isTTY ? null : "uname -a";
  if (option === "--exec" && value !== undefined && more.length === 0) return value;
  say("usage: bun run demo [--exec 'COMMAND']");
  process.exit(2);
}
