/** What one run of the bench gives. Absent where it does not apply. */
export interface Figures {
  /** ms from the start of the agent until the gateway has it online; of sshd until it takes a connection. */
  startMs?: number;
  /** ms from the start of the client until the session answers. */
  connectMs?: number;
  /** ms from a key to its echo, client under a PTY. */
  echoP50?: number;
  echoP99?: number;
  /** The same for a scripted viewer. */
  viewerEchoP50?: number;
  viewerEchoP99?: number;
  /** MB/s of output through the client under a PTY, and to a scripted viewer. */
  bulk?: number;
  viewerBulk?: number;
  /** CPU seconds per GB of output: agent or sshd, and gateway. */
  serverCpu?: number;
  gatewayCpu?: number;
  /** MB resident: agent, or sshd with its session processes. */
  idleRss?: number;
  tenShellsRss?: number;
  /** Bytes on the wire for each byte of output. */
  wire?: number;
}

interface Row {
  key: keyof Figures;
  label: string;
  digits: number;
  target?: string;
  met?: (value: number) => boolean;
}

export const ROWS: readonly Row[] = [
  { key: "startMs", label: "start to connected, ms", digits: 0 },
  { key: "connectMs", label: "client start to session, ms", digits: 0 },
  { key: "echoP50", label: "keystroke echo p50, ms", digits: 2, target: "< 2", met: (value) => value < 2 },
  { key: "echoP99", label: "keystroke echo p99, ms", digits: 2 },
  { key: "viewerEchoP50", label: "  scripted viewer p50, ms", digits: 2 },
  { key: "viewerEchoP99", label: "  scripted viewer p99, ms", digits: 2 },
  { key: "bulk", label: "bulk output, MB/s", digits: 1, target: ">= 40", met: (value) => value >= 40 },
  { key: "viewerBulk", label: "  scripted viewer, MB/s", digits: 1 },
  { key: "serverCpu", label: "CPU s per GB, agent | sshd", digits: 1 },
  { key: "gatewayCpu", label: "CPU s per GB, gateway", digits: 1 },
  { key: "idleRss", label: "RSS idle, MB", digits: 1, target: "< 55", met: (value) => value < 55 },
  { key: "tenShellsRss", label: "RSS with 10 shells, MB", digits: 1 },
  { key: "wire", label: "wire bytes per payload byte", digits: 3 },
];

/** The middle value of each figure over all runs. */
export function medians(runs: readonly Figures[]): Figures {
  const middle: Figures = {};
  for (const { key } of ROWS) {
    const values = runs.flatMap((run) => run[key] ?? []).sort((a, b) => a - b);
    const value = values[Math.floor(values.length / 2)];
    if (value !== undefined) middle[key] = value;
  }
  return middle;
}

/** The table, one row to a figure. `theirs` is null where sshd could not be had. */
export function table(ours: Figures, theirs: Figures | null): string {
  const cell = (value: number | undefined, digits: number) =>
    (value === undefined ? "-" : value.toFixed(digits)).padStart(10);
  const lines = ROWS.map(({ key, label, digits, target = "", met }) => {
    const value = ours[key];
    const verdict = met === undefined ? "" : value !== undefined && met(value) ? "met" : "MISSED";
    return `${label.padEnd(32)}${cell(value, digits)}${cell(theirs?.[key], digits)}   ${target.padEnd(7)}${verdict}`.trimEnd();
  });
  return [`${"".padEnd(32)}${"rexec".padStart(10)}${"sshd".padStart(10)}   target`, ...lines].join("\n");
}
