/** What this machine has to offer: a terminal, a shell that starts, room on its disks, files that others cannot read. */
import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { openPty, ptyBackend } from "../../pty/open.ts";
import { childEnvironment, currentAccount } from "../child-env.ts";
import { chooseFolder, chooseShell, loginArguments, shellProblem } from "../shell.ts";
import type { Answer } from "./finding.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** An exit code that no shell would have by itself. */
const EXIT_CODE = 97;

/** Opens a terminal with the shell as a session has it, and leaves it again. */
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
    env: childEnv,
    cwd: chooseFolder([childEnv.HOME]),
    cols: 80,
    rows: 24,
  });
  signal.addEventListener("abort", () => void pty.close(500));
  await pty.write(Buffer.from(`exit ${EXIT_CODE}\n`));
  let shown = "";
  for (;;) {
    const chunk = await pty.read();
    if (chunk === null) break;
    shown = (shown + Buffer.from(chunk).toString()).slice(-500);
  }
  const { exitCode, signal: killed } = await pty.exited;
  await pty.close(500);
  if (exitCode !== EXIT_CODE) {
    const how = killed ?? `exit code ${exitCode}`;
    return { verdict: "failed", detail: `${shell} ended by itself (${how}): ${lastLine(shown)}`, hint };
  }
  const ms = Math.round(performance.now() - start);
  const { backend, reason } = ptyBackend();
  const detail = `${shell} starts on a terminal, in ${ms} ms`;
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

/** For who runs this; a folder that does not exist yet counts as its parent. */
function freeBytes(path: string): number {
  let folder = path;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const { bavail, bsize, files, ffree } = statfsSync(folder);
  // Some file systems count no inodes.
  return files > 0 && ffree === 0 ? 0 : bavail * bsize;
}

function megabytes(bytes: number): string {
  return bytes >= 10 * 2 ** 30 ? `${Math.round(bytes / 2 ** 30)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}

function lastLine(text: string): string {
  // What was typed stands there too.
  const lines = text.split(/[\r\n]+/).filter((line) => !["", `exit ${EXIT_CODE}`].includes(line.trim()));
  return lines.at(-1)?.trim() ?? "it said nothing";
}
