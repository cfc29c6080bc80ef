/** Terminals of the bench: a program on a PTY, as at a user's terminal. */
import { openPty } from "../src/pty/open.ts";

/** A program on a PTY. Its starter closes it. */
export interface Terminal {
  /** The client's. */
  readonly pid: number;
  write(text: string): void;
  /** Called with each piece of output; one listener at a time. */
  onData: (bytes: Uint8Array) => void;
  /** While set, output is not read: a frozen terminal. */
  frozen: boolean;
  close(): Promise<void>;
}

export function ptyTerminal(command: readonly string[], env: Record<string, string | undefined>): Terminal {
  const [file = "", ...args] = command;
  const defined = Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const pty = openPty({
    file,
    args,
    env: { ...defined, TERM: "xterm-256color" },
    cwd: "/",
    cols: 120,
    rows: 30,
  });
  const encoder = new TextEncoder();
  let thaw = Promise.withResolvers<void>();
  thaw.resolve();
  let frozen = false;
  const terminal: Terminal = {
    pid: pty.pid,
    write: (text) => void pty.write(encoder.encode(text)),
    onData: () => {},
    get frozen() {
      return frozen;
    },
    set frozen(now: boolean) {
      if (now && !frozen) thaw = Promise.withResolvers();
      if (!now) thaw.resolve();
      frozen = now;
    },
    close: async () => {
      thaw.resolve();
      await pty.close();
    },
  };
  void (async () => {
    for (;;) {
      await thaw.promise;
      const chunk = await pty.read();
      if (!chunk) return;
      terminal.onData(chunk);
    }
  })();
  return terminal;
}
