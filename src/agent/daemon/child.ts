/** The agent that `start --daemon` has started: its log and the way back to the process that waits for it. */
import { createLogger, type Logger } from "../../lib/log.ts";
import { LogFile } from "./log-file.ts";
import { DAEMON_LOG, DAEMON_REPORT, Reporter } from "./report.ts";

/** What the process of `start --daemon` was given by the one that started it. */
export interface DaemonChild {
  /** Path of the log. */
  readonly log: string;
  /** Null where no process waits: after an in-place restart. */
  readonly reporter: Reporter | null;
  logger(options: { verbose?: boolean | undefined }): Logger;
}

/** Null where this process is none. @param env the report's entry is taken out of it */
export function daemonChild(env: Record<string, string | undefined>): DaemonChild | null {
  const { [DAEMON_LOG]: log, [DAEMON_REPORT]: report, REXEC_LOG: level } = env;
  if (!log) return null;
  delete env[DAEMON_REPORT];
  const file = new LogFile({ path: log });
  return {
    log,
    reporter: report ? new Reporter(Number(report)) : null,
    logger: ({ verbose }) => createLogger(verbose ? "debug" : level, false, (line) => file.write(line)),
  };
}
