/** Figures of the process, under the names that all programs use. */
import { descriptorLimit, openDescriptors } from "../descriptors.ts";
import type { Family } from "./metrics.ts";

export const processFamilies: readonly Family[] = [
  {
    name: "process_resident_memory_bytes",
    help: "Memory of the process that is in RAM.",
    type: "gauge",
    read: () => process.memoryUsage.rss(),
  },
  {
    name: "process_cpu_seconds_total",
    help: "CPU time of the process, user and system.",
    type: "counter",
    read: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  },
  {
    name: "process_start_time_seconds",
    help: "Start of the process, Unix time.",
    type: "gauge",
    read: () => Math.round(performance.timeOrigin) / 1000,
  },
  { name: "process_open_fds", help: "Open file descriptors.", type: "gauge", read: openDescriptors },
  { name: "process_max_fds", help: "Limit of open file descriptors.", type: "gauge", read: descriptorLimit },
];
