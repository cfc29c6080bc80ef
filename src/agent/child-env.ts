/** The environment of shells and commands: the agent's own, less what is only its business. */
import { userInfo } from "node:os";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where programs are looked for if the agent was started without a PATH. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Names that must not travel: our settings and token, the runtime's switches (they would act on any Bun program),
 * what a service manager told the agent alone, and the terminal that the agent itself was started in (LINES and
 * COLUMNS would overrule the real size).
 */
const PRIVATE =
  /^(REXEC_|BUN_)|^(NOTIFY_SOCKET|WATCHDOG_PID|WATCHDOG_USEC|LISTEN_PID|LISTEN_FDS|LISTEN_FDNAMES|CREDENTIALS_DIRECTORY|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID|LINES|COLUMNS|TERMCAP|TMUX|TMUX_PANE|STY|WINDOW|WINDOWID|TERM_PROGRAM|TERM_PROGRAM_VERSION|SSH_TTY)$/;

/** The account that the agent runs as. */
export interface Account {
  readonly name: string;
  readonly home: string;
  /** Its login shell, where the system names one. */
  readonly shell: string | null;
}

/** Never throws: an account without an entry (a container with a random uid) is nameless at `/`. */
export function currentAccount(): Account {
  try {
    const { username, homedir, shell } = userInfo();
    return { name: username, home: homedir || "/", shell };
  } catch {
    return { name: String(process.getuid?.() ?? 0), home: "/", shell: null };
  }
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
  return { ...env, SHELL: shell, TERM: "xterm-256color", REXEC_AGENT: "1" };
}
