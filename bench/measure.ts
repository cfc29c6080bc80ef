/** The measurements: each takes a subject and gives figures. */
import { readFileSync } from "node:fs";
import type { ChaosProxy } from "../test/chaos/proxy.ts";
import { cpuSeconds, rssMegabytes } from "../test/support/proc.ts";
import { type Figures, median } from "./figures.ts";
import type { Subject } from "./subject.ts";
import type { Terminal } from "./terminals.ts";
import { bare, bulkSeconds, echoLatency, heard, interruptMs } from "./workloads.ts";

/** The files that subjects print. */
export interface Payloads {
  /** Text like that of listings, large and small, and random text. */
  bulk: Payload;
  small: Payload;
  random: Payload;
}
/** A file and its size in bytes. */
export interface Payload {
  file: string;
  size: number;
}

/** Time for the first stats message and a garbage collection or two. */
const SETTLE_MS = 3_000;
const SLOW = 100_000;
const RANDOM_FLOOD = "base64 /dev/urandom";
const AWAY_MS = 3_000;
const FLOOD_MS = 8_000;

/** Time to the prompt and echo, alone and beside a flood; Ctrl-C. */
export async function interactive(subject: Subject, { bulk }: Payloads): Promise<Figures> {
  const start = performance.now();
  const terminal = await subject.shell();
  const connectMs = performance.now() - start;
  try {
    const ctrlC = await interruptMs(terminal, "yes", 1_500);
    await bare(terminal);
    const idle = await echoLatency(terminal);
    const other = await subject.shell();
    other.write(`while :; do cat ${bulk.file}; done\n`);
    await Bun.sleep(500);
    const flooded = await echoLatency(terminal);
    await other.close();
    return {
      connectMs,
      ...given("ctrlC", ctrlC),
      echoP50: idle.p50,
      echoP99: idle.p99,
      floodEchoP50: flooded.p50,
      floodEchoP99: flooded.p99,
    };
  } finally {
    await terminal.close();
  }
}

/** Throughput, and its cost in CPU time. */
export async function throughput(subject: Subject, { bulk }: Payloads): Promise<Figures> {
  return withShell(subject, async (terminal) => {
    const parties = { server: subject.serverPids, gateway: subject.gatewayPids, client: [terminal.pid] };
    const used = () => ({
      server: cpuSeconds(parties.server),
      gateway: cpuSeconds(parties.gateway),
      client: cpuSeconds(parties.client),
    });
    const before = used();
    const seconds = await bulkSeconds(terminal, bulk);
    const after = used();
    const perGb = (party: keyof typeof before) => (after[party] - before[party]) / (bulk.size / 1e9);
    return {
      bulk: bulk.size / 1e6 / seconds,
      serverCpu: perGb("server"),
      ...(parties.gateway.length > 0 ? { gatewayCpu: perGb("gateway") } : {}),
      clientCpu: perGb("client"),
    };
  });
}

/**
 * What recording costs: the same shells recorded and not, in turn, so that both have the machine as it is.
 * Medians of three pairs.
 */
export async function recorded(subject: Subject, payloads: Payloads): Promise<Figures> {
  if (!subject.record) return {};
  const cpu: number[] = [];
  const echo: number[] = [];
  const bulk: number[] = [];
  for (let pair = 0; pair < 3; pair += 1) {
    const both: { cpu: number; echo: number; bulk: number }[] = [];
    for (const on of [false, true]) {
      await subject.record(on);
      const [keys, output] = [await echoOf(subject), await throughput(subject, payloads)];
      both.push({ cpu: output.gatewayCpu ?? 0, echo: keys, bulk: output.bulk ?? 0 });
    }
    const [plain, taped] = both;
    if (!plain || !taped) continue;
    cpu.push(taped.cpu - plain.cpu);
    echo.push(taped.echo / plain.echo);
    bulk.push(taped.bulk / plain.bulk);
  }
  await subject.record(false);
  return {
    ...given("recordingCpu", median(cpu)),
    ...given("recordedEcho", median(echo)),
    ...given("recordedBulk", median(bulk)),
  };
}

/** Resident memory of an idle agent or sshd, and with ten shells. */
export async function resident(subject: Subject): Promise<Figures> {
  await Bun.sleep(SETTLE_MS);
  const idleRss = rssMegabytes(subject.serverPids);
  const idleGatewayRss = subject.gatewayPids.length > 0 ? rssMegabytes(subject.gatewayPids) : undefined;
  const shells = await Promise.all(Array.from({ length: 10 }, () => subject.shell()));
  await Bun.sleep(SETTLE_MS);
  const tenShellsRss = rssMegabytes(subject.serverPids);
  await Promise.all(shells.map((shell) => shell.close()));
  return { idleRss, ...given("idleGatewayRss", idleGatewayRss), tenShellsRss };
}

/** Memory of a flood while a viewer's terminal is frozen. @param idle as `resident` gave it */
export async function stalled(subject: Subject, idle: Figures, { bulk }: Payloads): Promise<Figures> {
  const over = async () => {
    const most = { server: 0, gateway: 0 };
    const until = performance.now() + FLOOD_MS;
    while (performance.now() < until) {
      most.server = Math.max(most.server, rssMegabytes(subject.serverPids));
      most.gateway = Math.max(most.gateway, rssMegabytes(subject.gatewayPids));
      await Bun.sleep(50);
    }
    return {
      server: most.server - (idle.idleRss ?? 0),
      gateway: most.gateway - (idle.idleGatewayRss ?? 0),
    };
  };
  return withShell(subject, async (terminal) => {
    terminal.write(`while :; do cat ${bulk.file}; done\n`);
    await Bun.sleep(200);
    terminal.frozen = true;
    const alone = await over();
    const figures: Figures = { stalledRss: alone.server };
    if (subject.gatewayPids.length > 0) figures.stalledGatewayRss = alone.gateway;
    const second = await subject.second?.();
    if (second) {
      const beside = await over();
      await second.close();
      Object.assign(figures, { besideRss: beside.server, besideGatewayRss: beside.gateway });
    }
    terminal.frozen = false;
    return figures;
  });
}

/** Ctrl-C over a slow leg. */
export async function slowInterrupts(subject: Subject): Promise<Figures> {
  const over = async (leg: ChaosProxy | undefined, flood: string) => {
    if (!leg) return undefined;
    return withShell(subject, async (terminal) => {
      leg.throttle(SLOW);
      const ms = await interruptMs(terminal, flood, 4_000).finally(() => leg.throttle(0));
      return ms;
    }).catch(() => Number.POSITIVE_INFINITY);
  };
  const { viewer, agent } = subject.legs;
  return {
    ...given("ctrlCViewerYes", await over(viewer, "yes")),
    ...given("ctrlCViewerRandom", await over(viewer, RANDOM_FLOOD)),
    ...given("ctrlCAgentYes", await over(agent, "yes")),
    ...given("ctrlCAgentRandom", await over(agent, RANDOM_FLOOD)),
  };
}

/** Bytes on each leg for a byte of output. */
export async function wire(subject: Subject, { random, small }: Payloads): Promise<Figures> {
  const { viewer, agent } = subject.legs;
  const cross = (payload: Payload) =>
    withShell(subject, async (terminal) => {
      const before = { viewer: viewer?.down.passed ?? 0, agent: agent?.up.passed ?? 0 };
      await bulkSeconds(terminal, payload);
      return {
        viewer: viewer && (viewer.down.passed - before.viewer) / payload.size,
        agent: agent && (agent.up.passed - before.agent) / payload.size,
      };
    });
  const fast = await cross(random);
  const slow = { viewer: undefined as number | undefined, agent: undefined as number | undefined };
  for (const name of ["viewer", "agent"] as const) {
    const leg = subject.legs[name];
    if (!leg) continue;
    leg.throttle(SLOW);
    slow[name] = (await cross(small).finally(() => leg.throttle(0)))[name];
  }
  return {
    ...given("wireAgent", fast.agent),
    ...given("wireViewer", fast.viewer),
    ...given("wireSlowAgent", slow.agent),
    ...given("wireSlowViewer", slow.viewer),
  };
}

/** Time until all output from an outage of a leg is shown. */
export async function caughtUp(subject: Subject, folder: string): Promise<Figures> {
  const away = async (leg: ChaosProxy | undefined) => {
    if (!leg) return undefined;
    return withShell(subject, async (terminal) => {
      // A new shell: that of the other leg's turn may live on.
      const ticks = `${folder}/ticks-${crypto.randomUUID()}`;
      terminal.write(`i=0; while :; do i=$((i+1)); echo "tick-$i."; echo $i >${ticks}; sleep 0.01; done\n`);
      await heard(terminal, "tick-100.");
      const times: number[] = [];
      for (let round = 0; round < 5; round += 1) {
        await leg.refuse();
        await Bun.sleep(AWAY_MS);
        await leg.listen();
        const start = performance.now();
        await heard(terminal, `tick-${latest(ticks)}.`);
        times.push(performance.now() - start);
        await Bun.sleep(1_000);
      }
      return median(times);
    }).catch(() => Number.POSITIVE_INFINITY);
  };
  return {
    ...given("caughtUpAgent", await away(subject.legs.agent)),
    ...given("caughtUpViewer", await away(subject.legs.viewer)),
  };
}

// --- internal ---

function echoOf(subject: Subject): Promise<number> {
  return withShell(subject, async (terminal) => {
    await bare(terminal);
    return (await echoLatency(terminal)).p50;
  });
}

/** The number in a file that is rewritten all the time, and empty for a moment each time. */
function latest(file: string): number {
  for (;;) {
    const number = Number(readFileSync(file, "utf8"));
    if (number > 0) return number;
  }
}

function given<K extends keyof Figures>(key: K, value: number | undefined): Pick<Figures, K> | object {
  return value === undefined ? {} : { [key]: value };
}

async function withShell<T>(subject: Subject, use: (terminal: Terminal) => Promise<T>): Promise<T> {
  const terminal = await subject.shell();
  try {
    return await use(terminal);
  } finally {
    await terminal.close();
  }
}
