/** mosh: its own server on loopback. It sends screens, not bytes, so it has no bulk; and UDP, so no proxy of ours. */
import type { Subject } from "./subject.ts";
import { ptyTerminal } from "./terminals.ts";
import { begin } from "./workloads.ts";

/** A subject that starts a server for each shell, or why there is none. */
export function startMosh(): Subject | string {
  const [server, client] = [Bun.which("mosh-server"), Bun.which("mosh-client")];
  if (!server || !client) return "mosh is not installed (Debian: mosh)";
  const env = { ...process.env, LC_ALL: "C.UTF-8", LANG: "C.UTF-8", SHELL: "/bin/sh" };
  const pids: number[] = [];
  return {
    name: "mosh",
    legs: {},
    serverPids: pids,
    gatewayPids: [],
    async shell() {
      const started = Bun.spawn([server, "new", "-s", "-i", "127.0.0.1", "--", "/bin/sh"], {
        env: { ...env, SSH_CONNECTION: "127.0.0.1 1 127.0.0.1 1" },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const said = `${await started.stdout.text()}${await started.stderr.text()}`;
      const [, port, key] = /MOSH CONNECT (\d+) (\S+)/.exec(said) ?? [];
      const [, pid] = /pid = (\d+)/.exec(said) ?? [];
      if (!port || !key) throw new Error(`mosh-server said: ${said.trim()}`);
      if (pid) pids.push(Number(pid));
      // Its predictions are no echo.
      const options = { ...env, MOSH_KEY: key, MOSH_PREDICTION_DISPLAY: "never" };
      const terminal = ptyTerminal([client, "127.0.0.1", port], options);
      await begin(terminal);
      return terminal;
    },
    async stop() {
      for (const pid of pids) {
        try {
          process.kill(pid);
        } catch {
          // The server ended with its client.
        }
      }
    },
  };
}
