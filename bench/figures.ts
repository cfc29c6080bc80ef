/** The figures of one run for one subject; a figure that does not apply is missing. */
export interface Figures {
  /** ms from the start of the agent until the gateway has it online; of sshd until it takes a connection. */
  startMs?: number;
  /** ms from the start of the client until the remote shell's prompt. */
  connectMs?: number;
  /** ms from a key to its echo, client under a PTY. */
  echoP50?: number;
  echoP99?: number;
  /** The same while another session of the same machine prints as fast as it can. */
  floodEchoP50?: number;
  floodEchoP99?: number;
  /** ms from Ctrl-C in a flood to the prompt: `yes`, and random text, which no compression helps. */
  ctrlC?: number;
  ctrlCViewerYes?: number;
  ctrlCViewerRandom?: number;
  ctrlCAgentYes?: number;
  ctrlCAgentRandom?: number;
  /** MB/s of output through the client under a PTY. */
  bulk?: number;
  /** CPU seconds per GB of output: agent or sshd, gateway, client. */
  serverCpu?: number;
  gatewayCpu?: number;
  clientCpu?: number;
  /** CPU seconds that recording adds per GB of output, and the recorded echo and output by those that are not recorded. */
  recordingCpu?: number;
  recordedEcho?: number;
  recordedBulk?: number;
  /** Bytes on the wire for each byte of random text, and of listings at 100 KB/s. */
  wireAgent?: number;
  wireViewer?: number;
  wireSlowAgent?: number;
  wireSlowViewer?: number;
  /** MB resident: agent, or sshd with its session processes; gateway. */
  idleRss?: number;
  idleGatewayRss?: number;
  tenShellsRss?: number;
  /** MB above idle at the worst moment of a flood: with only a stalled viewer; with a stalled and a reading viewer. */
  stalledRss?: number;
  stalledGatewayRss?: number;
  besideRss?: number;
  besideGatewayRss?: number;
  /** ms from the return of a leg that was away for 3 s until all that was printed meanwhile is shown. */
  caughtUpAgent?: number;
  caughtUpViewer?: number;
}

/** The subjects, in the order of the columns. */
export const SUBJECTS = ["rexec.v2", "rexec.v1", "sshd", "ssh -J", "mosh"] as const;
export type SubjectName = (typeof SUBJECTS)[number];
/** The figures of each, a run after the other. */
export type Results = Partial<Record<SubjectName, Figures[]>>;

interface Row {
  key: keyof Figures;
  label: string;
  digits: number;
  target?: string;
  met?: (ours: number, sshd: number | undefined) => boolean;
}

const below = (limit: number) => (value: number) => value < limit;

export const ROWS: readonly Row[] = [
  { key: "startMs", label: "start to connected, ms", digits: 0 },
  { key: "connectMs", label: "client start to prompt, ms", digits: 0 },
  {
    key: "echoP50",
    label: "keystroke echo p50, ms",
    digits: 2,
    target: "<= 1.2 x sshd",
    met: (ours, sshd) => sshd !== undefined && ours <= 1.2 * sshd,
  },
  { key: "echoP99", label: "keystroke echo p99, ms", digits: 2 },
  { key: "floodEchoP50", label: "  beside a flood p50, ms", digits: 2 },
  { key: "floodEchoP99", label: "  beside a flood p99, ms", digits: 2 },
  { key: "ctrlC", label: "Ctrl-C to prompt, loopback, ms", digits: 0, target: "< 100", met: below(100) },
  {
    key: "ctrlCViewerYes",
    label: "  100 KB/s to the viewer, yes",
    digits: 0,
    target: "< 1500",
    met: below(1500),
  },
  {
    key: "ctrlCViewerRandom",
    label: "  100 KB/s to the viewer, random",
    digits: 0,
    target: "< 1500",
    met: below(1500),
  },
  {
    key: "ctrlCAgentYes",
    label: "  100 KB/s to the agent, yes",
    digits: 0,
    target: "< 1500",
    met: below(1500),
  },
  {
    key: "ctrlCAgentRandom",
    label: "  100 KB/s to the agent, random",
    digits: 0,
    target: "< 1500",
    met: below(1500),
  },
  {
    key: "bulk",
    label: "bulk output, MB/s",
    digits: 1,
    target: ">= sshd",
    met: (ours, sshd) => sshd !== undefined && ours >= sshd,
  },
  { key: "serverCpu", label: "CPU s per GB, agent | sshd", digits: 1 },
  { key: "gatewayCpu", label: "CPU s per GB, gateway", digits: 1 },
  { key: "clientCpu", label: "CPU s per GB, client", digits: 1 },
  {
    key: "recordingCpu",
    label: "  more for recording it",
    digits: 2,
    target: "<= 0.8",
    met: (ours) => ours <= 0.8,
  },
  {
    key: "recordedEcho",
    label: "recorded echo p50, by unrecorded",
    digits: 2,
    target: "<= 1.05",
    met: (ours) => ours <= 1.05,
  },
  {
    key: "recordedBulk",
    label: "recorded output, by unrecorded",
    digits: 2,
    target: ">= 0.97",
    met: (ours) => ours >= 0.97,
  },
  {
    key: "wireAgent",
    label: "wire bytes per byte, agent's leg",
    digits: 4,
    target: "<= 1.02",
    met: (ours) => ours <= 1.02,
  },
  {
    key: "wireViewer",
    label: "wire bytes per byte, viewer's leg",
    digits: 4,
    target: "<= 1.02",
    met: (ours) => ours <= 1.02,
  },
  { key: "wireSlowAgent", label: "  listings, 100 KB/s, agent's", digits: 4 },
  { key: "wireSlowViewer", label: "  listings, 100 KB/s, viewer's", digits: 4 },
  { key: "idleRss", label: "RSS idle, agent | sshd, MB", digits: 1 },
  { key: "idleGatewayRss", label: "RSS idle, gateway, MB", digits: 1 },
  { key: "tenShellsRss", label: "RSS with 10 shells, agent, MB", digits: 1 },
  {
    key: "stalledRss",
    label: "flood, viewer stalled: agent, +MB",
    digits: 1,
    target: "<= 20",
    met: (ours) => ours <= 20,
  },
  { key: "stalledGatewayRss", label: "  gateway, +MB", digits: 1 },
  {
    key: "besideRss",
    label: "  a fast one beside it: agent, +MB",
    digits: 1,
    target: "<= 20",
    met: (ours) => ours <= 20,
  },
  { key: "besideGatewayRss", label: "  gateway, +MB", digits: 1 },
  {
    key: "caughtUpAgent",
    label: "caught up, agent's leg back, ms",
    digits: 0,
    target: "<= 1000",
    met: (ours) => ours <= 1000,
  },
  {
    key: "caughtUpViewer",
    label: "caught up, viewer's leg back, ms",
    digits: 0,
    target: "<= 1000",
    met: (ours) => ours <= 1000,
  },
];

/** The median of numbers. */
export function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** The median of each figure over all runs. */
export function medians(runs: readonly Figures[]): Figures {
  const middle: Figures = {};
  for (const { key } of ROWS) {
    const value = median(runs.flatMap((run) => run[key] ?? []));
    if (value !== undefined) middle[key] = value;
  }
  return middle;
}

/** The table, one row to a figure and one column to a subject. */
export function table(results: Results): string {
  const columns = SUBJECTS.map((name) => medians(results[name] ?? []));
  const [ours, , sshd, jumping] = columns;
  const head = [
    "".padEnd(LABEL),
    ...SUBJECTS.map((name) => name.padStart(CELL)),
    "  target".padEnd(TARGET),
  ].join("");
  const lines = ROWS.map(({ key, label, digits, target = "", met }) => {
    const cells = columns.map((figures) => (figures[key]?.toFixed(digits) ?? "-").padStart(CELL)).join("");
    const value = ours?.[key];
    const verdict =
      !met || value === undefined ? "" : verdictOf((other) => met(value, other?.[key]), sshd, jumping);
    return `${label.padEnd(LABEL)}${cells}  ${target.padEnd(TARGET - 2)}${verdict}`.trimEnd();
  });
  return [head.trimEnd(), ...lines].join("\n");
}

// --- internal ---

/** OpenSSH has no relay, except by a jump host. */
function verdictOf(
  met: (other: Figures | undefined) => boolean,
  sshd: Figures | undefined,
  jumping: Figures | undefined,
): string {
  if (met(sshd)) return "met";
  return met(jumping) ? "MISSED; met beside ssh -J" : "MISSED";
}

const LABEL = 36;
const CELL = 10;
const TARGET = 17;
