/** Our half of the table: agent, gateway and client as the executables of dist/. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { nativeArch } from "../build.ts";
import { Stack } from "../scripts/stack.ts";
import type { Figures } from "./figures.ts";
import { cpuSeconds, rssMegabytes } from "./proc.ts";
import { countingProxy } from "./proxy.ts";
import { ptyTerminal, type Terminal, viewerTerminal } from "./terminals.ts";
import { bulkSeconds, echoLatency, heard, sessionLine } from "./workloads.ts";

const ROOT = join(import.meta.dir, "..");
/** Long enough for the first stats message and a garbage collection or two. */
const SETTLE_MS = 3_000;
/** Of /bin/sh, which is the shell here: what is typed before it is there is not sent. */
const PROMPT = process.getuid?.() === 0 ? "# " : "$ ";

/** One run of everything. `bulk` is a file of `size` bytes; `small` one of `smallSize`. */
export async function measureRexec(
  folder: string,
  bulk: { file: string; size: number },
  small: { file: string; size: number },
): Promise<Figures> {
  const binary = (program: string) => join(ROOT, "dist", `${program}-linux-${nativeArch()}`);
  mkdirSync(folder, { recursive: true });
  const stack = new Stack({
    rexec: binary("rexec"),
    agent: binary("rexec-agent"),
    folder,
    env: { SHELL: "/bin/sh" },
  });
  const figures: Figures = {};
  try {
    await stack.startGateway();
    await stack.register("bench");
    const { id, ms } = await stack.startAgent();
    figures.startMs = ms;
    await Bun.sleep(SETTLE_MS);
    figures.idleRss = rssMegabytes([stack.agentPid]);

    const viewer = () => viewerTerminal(stack.url, stack.token, id);
    const shells = await Promise.all(Array.from({ length: 10 }, viewer));
    await Bun.sleep(SETTLE_MS);
    figures.tenShellsRss = rssMegabytes([stack.agentPid]);
    await Promise.all(shells.map((shell) => shell.close()));

    const seat = () => ptyTerminal([binary("rexec"), "connect", "--new", id], stack.clientEnv);
    await withTerminal(await viewer(), async (terminal) => {
      await begin(terminal);
      const { p50, p99 } = await echoLatency(terminal);
      Object.assign(figures, { viewerEchoP50: p50, viewerEchoP99: p99 });
    });
    const connectStart = performance.now();
    await withTerminal(seat(), async (terminal) => {
      await heard(terminal, PROMPT);
      figures.connectMs = performance.now() - connectStart;
      await begin(terminal);
      const { p50, p99 } = await echoLatency(terminal);
      Object.assign(figures, { echoP50: p50, echoP99: p99 });
    });

    const bulkAt = async (terminal: Terminal) => {
      const before = { agent: cpuSeconds([stack.agentPid]), gateway: cpuSeconds([stack.gatewayPid]) };
      const seconds = await bulkOn(terminal, bulk);
      const perGb = (used: number) => used / (bulk.size / 1e9);
      return {
        speed: bulk.size / 1e6 / seconds,
        agent: perGb(cpuSeconds([stack.agentPid]) - before.agent),
        gateway: perGb(cpuSeconds([stack.gatewayPid]) - before.gateway),
      };
    };
    figures.viewerBulk = await withTerminal(
      await viewer(),
      async (terminal) => (await bulkAt(terminal)).speed,
    );
    await withTerminal(seat(), async (terminal) => {
      await heard(terminal, PROMPT);
      const { speed, agent, gateway } = await bulkAt(terminal);
      Object.assign(figures, { bulk: speed, serverCpu: agent, gatewayCpu: gateway });
    });

    await stack.stopAgent();
    const proxy = await countingProxy(Number(new URL(stack.url).port));
    try {
      await stack.startAgent({ REXEC_HOST: `http://127.0.0.1:${proxy.port}` });
      await withTerminal(await viewer(), async (terminal) => {
        const before = proxy.up;
        await bulkOn(terminal, small);
        figures.wire = (proxy.up - before) / small.size;
      });
      await stack.stopAgent();
    } finally {
      proxy.close();
    }
    return figures;
  } finally {
    await stack.stop();
  }
}

// --- internal ---

/** Puts the session's terminal out of the way; `cat` answers from then on. */
async function begin(terminal: Terminal): Promise<void> {
  const ready = heard(terminal, "READY");
  terminal.write(`${sessionLine()}\n`);
  await ready;
}

async function bulkOn(terminal: Terminal, { file, size }: { file: string; size: number }): Promise<number> {
  const done = bulkSeconds(terminal, size);
  terminal.write(`${sessionLine(file)}\n`);
  return await done;
}

async function withTerminal<T>(terminal: Terminal, use: (terminal: Terminal) => Promise<T>): Promise<T> {
  try {
    return await use(terminal);
  } finally {
    await terminal.close();
  }
}
