/** Starts an agent that goes on without us, and waits for its word on how it fares. */
import { closeSync, fstatSync, writeSync } from "node:fs";
import { errnoOf } from "../../lib/errors.ts";
import { whyNotWritten } from "../../lib/log-sink.ts";
import { ownOddVariables } from "../../lib/own-bytes.ts";
import { asText } from "../../lib/posix-script.ts";
import type { OpenedLog } from "./log-place.ts";
import { DAEMON_LOG, DAEMON_REPORT, REPORT_FD, type Report, report } from "./report.ts";
import { lastLines } from "./tail.ts";

/** Of the service that started us, if one did: the child is none of its processes. */
const NOT_THE_CHILDS =
  /^(NOTIFY_SOCKET|WATCHDOG_PID|WATCHDOG_USEC|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID|BUN_OPTIONS|BUN_BE_BUN|BUN_INSPECT.*)$/;
/** Lines of the log that are shown where it did not go well. */
const SHOWN_LINES = 10;

/** The process to be started in the background. */
export interface LaunchRequest {
  command: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  log: OpenedLog;
  /** How long the connection may take, ms. */
  waitMs: number;
  /** Told, once, that the first try failed. */
  onWaiting(reason: string): void;
}

export type Launched = { pid: number; logLines: string[]; logProblem: string | null } & (
  | { outcome: "connected"; text: string | null }
  /** It runs, and tries again. */
  | { outcome: "waiting"; reason: string }
  /** It runs, and its machine is to be accepted at the server. */
  | { outcome: "pending"; reason: string }
  | { outcome: "ended"; exitCode: number; report: Extract<Report, { state: "failed" }> | null }
);

/** @throws the system's error where the program cannot be started */
export async function launch({ command, env, log, waitMs, onWaiting }: LaunchRequest): Promise<Launched> {
  const logProblem = tryToWrite(log);
  const start = fstatSync(log.fd).size;
  const [own = "", ...words] = command;
  const program = asText({
    file: own,
    args: words,
    env: { ...childsOf(env), [DAEMON_LOG]: log.path, [DAEMON_REPORT]: String(REPORT_FD) },
  });
  const child = Bun.spawn([program.file, ...program.args], {
    cwd: "/",
    detached: true, // a session of its own
    env: program.env,
    stdio: ["ignore", log.fd, log.fd, "pipe"],
  });
  closeSync(log.fd);
  child.unref();
  const about = () => ({ pid: child.pid, logLines: lastLines(log.path, SHOWN_LINES, start), logProblem });
  const pipe = child.stdio[REPORT_FD];
  const heard = listen(pipe, onWaiting);
  const { promise: late, resolve: timeUp } = Promise.withResolvers<null>();
  const timer = setTimeout(() => timeUp(null), waitMs);
  const end = await Promise.race([heard.end, late]);
  clearTimeout(timer);
  if (end === "connected") return { ...about(), outcome: "connected", text: heard.text() };
  if (end === "pending") return { ...about(), outcome: "pending", reason: heard.reason() ?? "" };
  if (end === null) {
    const reason = heard.reason() ?? `it is still connecting after ${waitMs / 1000} s`;
    return { ...about(), outcome: "waiting", reason };
  }
  const exitCode = await child.exited;
  return { ...about(), outcome: "ended", exitCode, report: heard.failure() };
}

// --- internal ---

/** With the bytes of what is not UTF-8. */
function childsOf(env: LaunchRequest["env"]): Record<string, string> {
  const all = Object.entries({ ...env, ...Object.fromEntries(ownOddVariables(env)) });
  return Object.fromEntries(
    all.filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !NOT_THE_CHILDS.test(entry[0]),
    ),
  );
}

function tryToWrite(log: OpenedLog): string | null {
  try {
    writeSync(log.fd, `${new Date().toISOString()} [info] starting in the background\n`);
    return null;
  } catch (error) {
    const code = errnoOf(error) ?? "";
    return `the log ${log.path} cannot be written: ${code}, ${whyNotWritten(error)}; lines are counted until it can`;
  }
}

/** Reads the pipe to the first good news, or to its end, which is that of the child. */
function listen(pipe: number | null | undefined, onWaiting: (reason: string) => void) {
  let reason: string | null = null;
  let said: string | null = null;
  let failure: Extract<Report, { state: "failed" }> | null = null;
  /** The news that ends the wait, or null. */
  const take = (line: string): "connected" | "pending" | null => {
    const word = report.safeParse(parse(line));
    if (!word.success) return null;
    const { state } = word.data;
    if (word.data.state === "failed") failure = word.data;
    if (word.data.state === "waiting" && reason === null) onWaiting(word.data.reason);
    if ("reason" in word.data) reason = word.data.reason;
    if (word.data.state === "connected") said = word.data.text ?? null;
    return state === "connected" || state === "pending" ? state : null;
  };
  const read = async () => {
    let text = "";
    for await (const bytes of Bun.file(pipe ?? -1).stream()) {
      const lines = (text + Buffer.from(bytes).toString()).split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        const news = take(line);
        if (news) return news;
      }
    }
    return "ended" as const;
  };
  return { end: read(), reason: () => reason, text: () => said, failure: () => failure };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
