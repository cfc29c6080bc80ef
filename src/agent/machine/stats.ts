/** Load of this machine, cheap enough for every five seconds: four small reads, no process. */
import type { AgentStats } from "../../protocol/v1.ts";
import { type CpuTicks, readCpu, readDisk, readMemory } from "./proc.ts";

/** Owned by the ticker that sends them; remembers the last reading for the share of CPU. */
export class StatsReader {
  #last: CpuTicks | null = null;

  /** CPU is the mean since the last call, over all cores; since boot at the first. */
  read() {
    const memory = readMemory();
    const disk = readDisk();
    return {
      cpu_percent: this.#cpuPercent(),
      memory: Math.max(0, memory.total - memory.available),
      memory_limit: memory.total,
      disk_usage: Math.max(0, disk.total - disk.free),
      disk_limit: disk.total,
    } satisfies AgentStats;
  }

  // --- internal ---

  #cpuPercent(): number {
    const now = readCpu();
    const before = this.#last ?? { busy: 0, total: 0 };
    if (now === null) return 0;
    this.#last = now;
    const share = (now.busy - before.busy) / (now.total - before.total);
    return Number.isFinite(share) ? Math.round(Math.min(1, Math.max(0, share)) * 1000) / 10 : 0;
  }
}
