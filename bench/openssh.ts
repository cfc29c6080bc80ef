/** The other half of the table: the same workloads through ssh and sshd. */
import type { Figures } from "./figures.ts";
import { cpuSeconds, family, rssMegabytes } from "./proc.ts";
import { countingProxy } from "./proxy.ts";
import { startSshd } from "./sshd.ts";
import { ptyTerminal, type Terminal } from "./terminals.ts";
import { bulkSeconds, echoLatency, heard, sessionLine } from "./workloads.ts";

/** One run, or why there is none. */
export async function measureOpenssh(
  folder: string,
  bulk: { file: string; size: number },
  small: { file: string; size: number },
): Promise<Figures | string> {
  const sshd = await startSshd(folder);
  if (typeof sshd === "string") return sshd;
  const figures: Figures = { startMs: sshd.startMs };
  const seat = (line: string, port?: number) => ptyTerminal([...sshd.client(port), line], process.env);
  const sessions = () => family(sshd.pid, "sshd");
  try {
    figures.idleRss = rssMegabytes(sessions());
    const shells = Array.from({ length: 10 }, () => seat(sessionLine()));
    await Promise.all(shells.map((shell) => heard(shell, "READY")));
    figures.tenShellsRss = rssMegabytes(sessions());
    await Promise.all(shells.map((shell) => shell.close()));

    const start = performance.now();
    await withTerminal(seat(sessionLine()), async (terminal) => {
      await heard(terminal, "READY");
      figures.connectMs = performance.now() - start;
      const { p50, p99 } = await echoLatency(terminal);
      Object.assign(figures, { echoP50: p50, echoP99: p99 });
    });
    await withTerminal(seat(sessionLine(bulk.file)), async (terminal) => {
      // What the handshake costs is in it; so is nothing of other sessions, which have ended.
      const seconds = await bulkSeconds(terminal, bulk.size);
      figures.bulk = bulk.size / 1e6 / seconds;
      figures.serverCpu = cpuSeconds(sessions().filter((pid) => pid !== sshd.pid)) / (bulk.size / 1e9);
    });
    const proxy = await countingProxy(sshd.port);
    await withTerminal(seat(sessionLine(small.file), proxy.port), async (terminal) => {
      await bulkSeconds(terminal, small.size);
      figures.wire = proxy.down / small.size;
    });
    proxy.close();
    return figures;
  } finally {
    await sshd.stop();
  }
}

async function withTerminal(terminal: Terminal, use: (terminal: Terminal) => Promise<void>): Promise<void> {
  try {
    await use(terminal);
  } finally {
    await terminal.close();
  }
}
