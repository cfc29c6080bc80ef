/** What this machine has to offer: a terminal, a shell that starts, room on its disks, files that others cannot read. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname } from "node:path";
import { freeBytes, megabytes } from "../../lib/disk.ts";
import type { Answer } from "../../lib/finding.ts";
import { openPty, ptyBackend } from "../../pty/open.ts";
import type { Pty } from "../../pty/pty.ts";
import { childEnvironment, currentAccount } from "../machine/child-env.ts";
import { chooseFolder, chooseShell, loginArguments, shellProblem } from "../machine/shell.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** A shell that has shown something and then nothing for so long waits for input, ms. */
const QUIET_MS = 300;
/** One that runs and shows nothing at all for so long has an empty prompt, ms. */
const SILENT_MS = 3_000;
/** How long it may take to leave at the end of its input, ms; then its terminal is closed. */
const LEAVE_MS = 1_000;
const END_OF_INPUT = Uint8Array.of(4);

/**
 * Opens a terminal with the shell as a session has it, waits for its prompt, and leaves it again. Nothing is typed: a
 * line would go into the account's history, which some shells write before they run it.
 */
export async function tryShell(
  configured: string | undefined,
  env: Environment,
  signal: AbortSignal,
): Promise<Answer> {
  const account = currentAccount();
  const shell = chooseShell(configured, env.SHELL, account);
  const problem = shellProblem(shell);
  const hint = "set another shell: rexec-agent register --shell /bin/sh";
  if (problem) return { verdict: "failed", detail: `the shell ${shell} ${problem}`, hint };
  const childEnv = childEnvironment(env, shell, account);
  const start = performance.now();
  const pty = openPty({
    file: shell,
    args: loginArguments(shell),
    env: { ...childEnv, ...withoutHistory(shell) },
    cwd: chooseFolder([childEnv.HOME]),
    cols: 80,
    rows: 24,
  });
  signal.addEventListener("abort", () => void pty.close(500));
  const seen = { text: "", at: 0 };
  const output = watch(pty, seen);
  while (!output.ended && !isWaiting(seen, start)) await Promise.race([output.end, Bun.sleep(20)]);
  if (output.ended) {
    const { exitCode, signal: killed } = await pty.exited;
    await pty.close(500);
    const how = killed ?? `exit code ${exitCode}`;
    return { verdict: "failed", detail: `${shell} ended by itself (${how}): ${lastLine(seen.text)}`, hint };
  }
  await pty.write(END_OF_INPUT).catch(() => {}); // it may leave at this very moment
  await Promise.race([output.end, Bun.sleep(LEAVE_MS)]);
  await pty.close(500);
  const { backend, reason } = ptyBackend();
  const shown = seen.at > 0 ? `, in ${Math.round(seen.at - start)} ms` : "; it shows no prompt";
  const detail = `${shell} starts on a terminal${shown}`;
  if (backend === "native") return { detail };
  return {
    verdict: "warning",
    detail: `${detail}; a program that floods cannot be made to wait`,
    hint: reason,
  };
}

/** Below this nothing can be written any more, bytes. */
const FULL = 1024 * 1024;
/** Below this an update has no room, bytes. */
const TIGHT = 300 * 1024 * 1024;

/** Room where the agent writes: its configuration, its program (updates), temporary files. */
export function tryDisk(configPath: string, program: string, env: Environment): Answer {
  const places = [
    { path: dirname(configPath), least: FULL },
    { path: dirname(program), least: TIGHT },
    { path: env.BUN_TMPDIR || tmpdir(), least: FULL },
  ].map((place) => ({ ...place, free: freeBytes(place.path) }));
  const full = places.find(({ free }) => free < FULL);
  if (full) return { verdict: "failed", detail: `no room in ${full.path}`, hint: "make room there" };
  const tight = places.find(({ free, least }) => free < least);
  const shown = places.map(({ path, free }) => `${path} ${megabytes(free)}`).join(", ");
  if (!tight) return { detail: `free: ${shown}` };
  const hint = `an update needs about ${megabytes(TIGHT)} in ${tight.path}`;
  return { verdict: "warning", detail: `free: ${shown}`, hint };
}

/** Who may read the token, and who may change the program that runs with it. */
export function tryPermissions(configPath: string, program: string): Answer {
  for (const file of [program, dirname(program)]) {
    const mode = existsSync(file) ? statSync(file).mode : 0;
    // The sticky bit (as /tmp has it) keeps others from replacing what is not theirs.
    if ((mode & 0o002) !== 0 && (mode & 0o1000) === 0) {
      const detail = `anybody may change ${file}, and with it what runs here`;
      return { verdict: "failed", detail, hint: `chmod o-w ${file}` };
    }
  }
  if (!existsSync(configPath)) return { detail: `the program is safe; there is no ${configPath} yet` };
  const { mode, uid } = statSync(configPath);
  const own = process.getuid?.() ?? 0;
  if ((mode & 0o077) !== 0) {
    const detail = `others may read the token: ${configPath} has mode ${(mode & 0o777).toString(8)}`;
    return { verdict: "failed", detail, hint: `chmod 600 ${configPath}` };
  }
  if (uid !== own && own !== 0) {
    return {
      verdict: "failed",
      detail: `${configPath} belongs to another account`,
      hint: "run this with sudo",
    };
  }
  try {
    accessSync(dirname(configPath), constants.W_OK);
  } catch {
    const hint = "only refresh-token and register need it: run those as its owner";
    return { verdict: "warning", detail: `${configPath} cannot be written`, hint };
  }
  return { detail: `${configPath} is its owner's alone` };
}

// --- internal ---

/** What a shell has shown; `at` is the time of the latest, 0 before the first. */
interface Seen {
  text: string;
  at: number;
}

function watch(pty: Pty, seen: Seen): { readonly ended: boolean; readonly end: Promise<void> } {
  const output = { ended: false, end: Promise.resolve() };
  const read = async () => {
    for (let chunk = await pty.read(); chunk !== null; chunk = await pty.read()) {
      seen.text = (seen.text + Buffer.from(chunk).toString()).slice(-500);
      seen.at = performance.now();
    }
    output.ended = true;
  };
  output.end = read();
  return output;
}

function isWaiting({ at }: Seen, start: number): boolean {
  const now = performance.now();
  return at > 0 ? now - at > QUIET_MS : now - start > SILENT_MS;
}

/** ksh opens its history as it starts. The others write nothing where nothing is typed, and need no setting. */
function withoutHistory(shell: string): Record<string, string> {
  return basename(shell).startsWith("ksh") ? { HISTFILE: "/dev/null" } : {};
}

function lastLine(text: string): string {
  const lines = text.split(/[\r\n]+/).filter((line) => line.trim() !== "");
  return lines.at(-1)?.trim() ?? "it said nothing";
}
