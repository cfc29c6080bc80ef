/** The program that is to take this process over: what it is called with, and whether it would start. */
import { readFileSync } from "node:fs";
import * as z from "zod/mini";
import { messageOf, RexecError } from "../../lib/errors.ts";
import { withOpenFilesAsBefore } from "../../pty/open-files.ts";
import { CHECK, HANDOVER } from "./inherited.ts";
import { HANDOVER_VERSION } from "./schema.ts";

/** The program that is to take over. */
export interface Program {
  /** Absolute path. */
  path: string;
  /** With argv[0]. */
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
}

/** Where this program is, or was: Linux says so of a file that has been replaced, and this may be asked after that. */
const OWN_PATH = process.execPath.replace(/ \(deleted\)$/, "");
/** How long it may take to say that it would start, ms. */
const CHECK_MS = 8_000;
/** Of the service manager, which is not to be told anything by the one that is only asked. */
const NOT_FOR_THE_CHECK = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

const readiness = z.object({ handover: z.array(z.int()), version: z.string() });

/** This program as it was started, or another one in its place. @param path absolute */
export function programOf(env: Program["env"], path: string = OWN_PATH): Program {
  const argv = readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(0, -1);
  return { path, argv, env };
}

/**
 * Runs it once to see whether it runs on this machine, takes the options and the configuration, and reads what it will
 * be handed. After the replacement there is no way back.
 * @returns its version
 * @throws RexecError `restart_refused`
 */
export async function assertStarts({ path, argv, env }: Program): Promise<string> {
  const checkEnv = Object.fromEntries(
    Object.entries(env).filter(([name]) => !NOT_FOR_THE_CHECK.includes(name)),
  );
  try {
    const child = withOpenFilesAsBefore(() =>
      Bun.spawn([path, ...argv.slice(1)], {
        argv0: argv[0] ?? path,
        env: { ...checkEnv, [HANDOVER]: CHECK },
        stdio: ["ignore", "pipe", "pipe"],
        timeout: CHECK_MS,
        killSignal: "SIGKILL",
      }),
    );
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    if (child.exitCode !== 0)
      throw new Error(lastLine(stderr) || `it ends with ${child.exitCode ?? child.signalCode}`);
    const { handover, version } = readiness.parse(JSON.parse(stdout));
    if (!handover.includes(HANDOVER_VERSION))
      throw new Error(`version ${version} cannot take over open shells`);
    return version;
  } catch (error) {
    throw new RexecError(`${path} would not start in the agent's place: ${messageOf(error)}`, {
      code: "restart_refused",
      hint: "the running agent goes on as it was",
      cause: error,
    });
  }
}

// --- internal ---

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.trim() ?? "";
}
