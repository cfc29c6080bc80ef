/** Rexec: agent, gateway and client as the executables of dist/, by v2 or by v1. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { nativeArch } from "../build.ts";
import { Stack } from "../scripts/stack.ts";
import { ChaosProxy } from "../test/chaos/proxy.ts";
import type { Subject } from "./subject.ts";
import { ptyTerminal } from "./terminals.ts";
import { begin } from "./workloads.ts";

const ROOT = join(import.meta.dir, "..");

/** What is started, and where its files go. */
export interface RexecOptions {
  version: "rexec.v2" | "rexec.v1";
  folder: string;
  /** With a proxy on each leg. */
  proxied: boolean;
}

/** Starts gateway and agent. Also gives the time until the agent was online, ms. */
export async function startRexec({
  version,
  folder,
  proxied,
}: RexecOptions): Promise<Subject & { startMs: number; agentPid: number }> {
  const binary = (program: string) => join(ROOT, "dist", `${program}-linux-${nativeArch()}`);
  mkdirSync(folder, { recursive: true });
  const stack = new Stack({
    rexec: binary("rexec"),
    agent: binary("rexec-agent"),
    folder,
    env: { SHELL: "/bin/sh", HOME: folder },
    gatewayArgs: version === "rexec.v1" ? ["--v1-only"] : [],
  });
  try {
    await stack.startGateway();
    const port = Number(new URL(stack.url).port);
    const legs = proxied
      ? {
          agent: await ChaosProxy.to(port, { narrow: true }),
          viewer: await ChaosProxy.to(port, { narrow: true }),
        }
      : {};
    await stack.register("bench", legs.agent?.url ?? stack.url);
    const { id, ms } = await stack.startAgent();
    const env = { ...stack.clientEnv, REXEC_HOST: legs.viewer?.url ?? stack.url };
    let latest = "";
    const client = (session: readonly string[]) =>
      ptyTerminal([binary("rexec"), "connect", ...session, id], env);
    return {
      name: version,
      startMs: ms,
      agentPid: stack.agentPid,
      legs,
      get serverPids() {
        return [stack.agentPid];
      },
      get gatewayPids() {
        return [stack.gatewayPid];
      },
      async shell() {
        const session = `bench-${crypto.randomUUID()}`;
        latest = session;
        // v1 has no names of sessions: two viewers share only the main session.
        const terminal = client(version === "rexec.v1" ? ["--new"] : ["--session", session]);
        await begin(terminal);
        if (version === "rexec.v1") return terminal;
        // A v2 shell outlives its viewers: its flood would go on beside the next measurement.
        const leave = terminal.close;
        const close = async () => {
          await leave();
          await ended([binary("rexec"), "kill", "--yes", id, session], stack.clientEnv);
        };
        return Object.assign(terminal, { close });
      },
      ...(version === "rexec.v2"
        ? {
            async record(on: boolean) {
              const answer = await fetch(`${stack.url}/api/recording-policies`, {
                method: "PUT",
                headers: { authorization: `Bearer ${stack.token}`, "content-type": "application/json" },
                body: JSON.stringify({ kind: "all", mode: on ? "always" : "never" }),
              });
              if (!answer.ok) throw new Error(`no policy: ${await answer.text()}`);
            },
          }
        : {}),
      ...(version === "rexec.v2" ? { second: async () => client(["--session", latest]) } : {}),
      async stop() {
        await stack.stop();
        await legs.agent?.[Symbol.asyncDispose]();
        await legs.viewer?.[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

// --- internal ---

async function ended(command: string[], env: Record<string, string | undefined>): Promise<void> {
  const child = Bun.spawn(command, { env, stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")}: ${await child.stderr.text()}`);
}
