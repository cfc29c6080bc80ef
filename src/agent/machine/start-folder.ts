/** Where shells and commands start, and warnings ahead of the first. */
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import { chooseFolder, shellProblem } from "./shell.ts";

/** Says what is wrong with shell and folder now, and not only when a viewer waits for a session. */
export function warnAhead(shell: string, folder: () => string, logger: Logger): void {
  const problem = shellProblem(shell);
  if (problem)
    logger.warn(`the shell ${shell} ${problem}: set another one with rexec-agent register --shell PATH`);
  folder();
}

/** The configured folder, else the home, else `/`: a folder that is gone must not keep a person out. */
export function folderOf(
  config: { workingDir: string | undefined },
  home: string | undefined,
  logger: Logger,
): () => string {
  return () => {
    const folder = chooseFolder([config.workingDir, home]);
    if (config.workingDir && folder !== config.workingDir) {
      const line = `working_dir ${config.workingDir} cannot be entered: starting in ${folder} instead`;
      gather(logger, { level: "warn", kind: "working_dir", who: "config" }, line);
    }
    return folder;
  };
}
