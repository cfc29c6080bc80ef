/** OpenSSH: ssh and sshd. */
import { ChaosProxy } from "../test/chaos/proxy.ts";
import { family } from "../test/support/proc.ts";
import { startSshd } from "./sshd.ts";
import type { Subject } from "./subject.ts";
import { ptyTerminal } from "./terminals.ts";
import { begin } from "./workloads.ts";

/** The server, or why there is none. */
export async function startOpenssh(
  folder: string,
  proxied: boolean,
): Promise<(Subject & { startMs: number }) | string> {
  const sshd = await startSshd(folder);
  if (typeof sshd === "string") return sshd;
  const viewer = proxied ? await ChaosProxy.to(sshd.port, { narrow: true }) : undefined;
  return {
    name: "sshd",
    startMs: sshd.startMs,
    legs: viewer ? { viewer } : {},
    get serverPids() {
      return family(sshd.pid, "sshd");
    },
    gatewayPids: [],
    async shell() {
      const terminal = ptyTerminal([...sshd.client(viewer?.port), "/bin/sh"], process.env);
      await begin(terminal);
      return terminal;
    },
    async stop() {
      await sshd.stop();
      await viewer?.[Symbol.asyncDispose]();
    },
  };
}
