/** OpenSSH: ssh and sshd, straight, or through a jump host, which stands where our gateway does. */
import { ChaosProxy } from "../test/chaos/proxy.ts";
import { family } from "../test/support/proc.ts";
import { startSshd } from "./sshd.ts";
import type { Subject } from "./subject.ts";
import { ptyTerminal } from "./terminals.ts";
import { begin } from "./workloads.ts";

/** The server, or why there is none. */
export async function startOpenssh(
  folder: string,
  { proxied, jumps = false }: { proxied: boolean; jumps?: boolean },
): Promise<(Subject & { startMs: number }) | string> {
  const sshd = await startSshd(folder);
  if (typeof sshd === "string") return sshd;
  const viewer = proxied ? await ChaosProxy.to(sshd.port, { narrow: true }) : undefined;
  return {
    name: jumps ? "ssh -J" : "sshd",
    startMs: sshd.startMs,
    legs: viewer ? { viewer } : {},
    get serverPids() {
      return family(sshd.pid, "sshd");
    },
    gatewayPids: [],
    async shell() {
      const client = jumps ? sshd.jumpingClient() : sshd.client(viewer?.port);
      const terminal = ptyTerminal([...client, "/bin/sh"], process.env);
      await begin(terminal);
      return terminal;
    },
    async stop() {
      await sshd.stop();
      await viewer?.[Symbol.asyncDispose]();
    },
  };
}
