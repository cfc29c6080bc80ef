/** The environment of shells and commands: the agent's own, less what is only its business. */
import { type Account, accountOf } from "../../lib/account.ts";

import { USUAL_TERM } from "./terminfo.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where programs are looked for if the agent was started without a PATH. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Names that must not travel: our settings and token, the runtime's switches (they would act on any Bun program),
 * what a service manager told the agent alone, and the terminal that the agent itself was started in (LINES and
 * COLUMNS would overrule the real size).
 */
const PRIVATE =
  /^(REXEC_|BUN_)|^(NOTIFY_SOCKET|WATCHDOG_PID|WATCHDOG_USEC|LISTEN_PID|LISTEN_FDS|LISTEN_FDNAMES|CREDENTIALS_DIRECTORY|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID|LINES|COLUMNS|TERMCAP|COLORTERM|TMUX|TMUX_PANE|STY|WINDOW|WINDOWID|TERM_PROGRAM|TERM_PROGRAM_VERSION|SSH_TTY)$/;

/** The account that the agent runs as. */
export function currentAccount(): Account {
  return accountOf(process.getuid?.() ?? 0);
}

/** The environment with the bytes of those of its variables that are not UTF-8. */
export function withOdd(env: Environment, odd: ReadonlyMap<string, string>): Environment {
  return { ...env, ...Object.fromEntries([...odd].filter(([name]) => env[name] !== undefined)) };
}

/** What a shell or a command gets. A systemd unit starts without HOME, LANG and often SHELL: they are filled in. */
export function childEnvironment(base: Environment, shell: string, account: Account): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(base)) {
    if (value !== undefined && !PRIVATE.test(name)) env[name] = value;
  }
  env.HOME ||= account.home;
  env.USER ||= account.name;
  env.LOGNAME ||= account.name;
  env.PATH ||= DEFAULT_PATH;
  if (!env.LANG && !Object.keys(env).some((name) => name.startsWith("LC_"))) env.LANG = "C.UTF-8";
  return { ...env, SHELL: shell, TERM: USUAL_TERM, REXEC_AGENT: "1" };
}
