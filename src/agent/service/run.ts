/** Runs the service manager's programs. */
import { messageOf, RexecError } from "../../lib/errors.ts";
import type { Command } from "./recipe.ts";

/** The longest that one may take, ms: a start waits for the agent's first word. */
const LIMIT_MS = 240_000;

/** How a command of the service manager ended. */
export interface Ran {
  ok: boolean;
  out: string;
  /** What it said about its failure, in one line; empty where it succeeded. */
  error: string;
}

export type Run = (command: Command) => Promise<Ran>;

/** @param env of the programs; our settings, secrets and the runtime's switches are taken out of it */
export function runner(env: Readonly<Record<string, string | undefined>>): Run {
  const kept = Object.entries(env).filter(([name]) => !/^(REXEC_|BUN_)/.test(name));
  const clean = { ...Object.fromEntries(kept), LC_ALL: "C", SYSTEMD_PAGER: "", SYSTEMD_COLORS: "0" };
  return async (command) => {
    try {
      const child = Bun.spawn([...command], {
        env: clean,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
        timeout: LIMIT_MS,
      });
      const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
      const said = (err.trim() || out.trim()).replaceAll(/\s*\n\s*/g, " ");
      return { ok: code === 0, out: out.trim(), error: code === 0 ? "" : said || `it left with ${code}` };
    } catch (error) {
      return { ok: false, out: "", error: messageOf(error) };
    }
  };
}

/** Runs one after the other. @throws RexecError `service_failed` with the first that fails */
export async function runAll(run: Run, commands: readonly Command[]): Promise<void> {
  for (const command of commands) {
    const { ok, error } = await run(command);
    if (ok) continue;
    throw new RexecError(`${command.join(" ")} failed: ${error}`, { code: "service_failed" });
  }
}
