/** Starts the programs of sessions: a login shell, or a line of shell, each on a terminal of its own. */
import type { Logger } from "../../lib/log.ts";
import { asText } from "../../lib/posix-script.ts";
import { ptyOpener } from "../../pty/open.ts";
import type { Pty } from "../../pty/pty.ts";
import { commandArguments } from "../machine/shell.ts";
import { terminalVariables } from "../machine/terminfo.ts";
import type { ShellWish } from "./session-request.ts";

/** What shells are started with. */
export interface ShellOpenerOptions {
  shell: string;
  /** Of a login shell. */
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Where it starts. */
  folder(): string;
  logger: Logger;
}

/** @returns what opens one; it throws PtyOpenError */
export function shellOpener({ shell, args, env, folder, logger }: ShellOpenerOptions) {
  const openPty = ptyOpener((reason) =>
    logger.warn(`terminals work, but cannot make a program wait that floods: ${reason}`),
  );
  return (size: { cols: number; rows: number }, { command, ...terminal }: ShellWish): Pty =>
    openPty({
      ...asText({
        file: shell,
        args: command === undefined ? args : commandArguments(shell, command),
        env: { ...env, ...terminalVariables(terminal, env) },
      }),
      cwd: folder(),
      ...size,
    });
}
