/**
 * What months of bad lines and of people coming and going leave behind: reconnects of the agent and of a viewer, then
 * sessions that begin and end, with the resident memory of agent, gateway and CLI along the way.
 */
import { openPty } from "../../src/pty/open.ts";
import { binary } from "../support/binaries.ts";
import { rssMegabytes } from "../support/proc.ts";
import { until } from "../support/wait.ts";
import { ChaosWorld } from "./world.ts";

export interface SoakOptions {
  /** Cuts of both legs at once, each followed by both coming back. */
  reconnects: number;
  /** Shells that are started, used and left by `exit`. */
  sessions: number;
  say?: (line: string) => void;
}

/** Of a phase, one process: MB at the samples, and what the second half of them says. */
export interface Curve {
  name: string;
  samples: readonly number[];
  /** MB per 1,000 events over the second half, by least squares. */
  slope: number;
  /** MB from the middle to the end, by that slope. */
  growth: number;
}

export interface SoakReport {
  reconnects: { seconds: number; curves: Curve[] };
  sessions: { seconds: number; curves: Curve[] };
}

const SAMPLES = 40;
/** Shells at the same time. */
const ABREAST = 4;

export async function soak(options: SoakOptions): Promise<SoakReport> {
  await using world = await ChaosWorld.start();
  const reconnects = await reconnecting(world, options);
  const sessions = await comingAndGoing(world, options);
  return { reconnects, sessions };
}

/** One line to a curve. */
export function described({ name, samples, slope, growth }: Curve): string {
  const shown = [0, 0.25, 0.5, 0.75, 1].map((part) => samples[Math.round(part * (samples.length - 1))] ?? 0);
  const curve = shown.map((mb) => mb.toFixed(1)).join(" → ");
  return `${name.padEnd(8)} ${curve} MB; second half ${slope.toFixed(3)} MB per 1,000, ${growth.toFixed(2)} MB in all`;
}

// --- internal ---

/** A person stays at a shell that prints, while both lines are cut again and again. */
async function reconnecting(world: ChaosWorld, { reconnects, say }: SoakOptions) {
  await using viewer = new Watcher(world);
  await until(() => /[$#] $/.test(viewer.last), 20_000, "a prompt");
  await viewer.type("i=0; while :; do i=$((i+1)); echo tick-$i.; sleep 0.05; done\r");
  await until(() => viewer.tick > 2, 10_000, "the first ticks");
  const { agentLeg, viewerLeg, stack } = world;
  const pids = { agent: () => stack.agentPid, gateway: () => stack.gatewayPid, rexec: () => viewer.pid };
  // Awaited: the watcher is to see all of it.
  return await sampled(pids, reconnects, say, "reconnects", async () => {
    const before = { agent: agentLeg.accepted, viewer: viewerLeg.accepted, tick: viewer.tick };
    agentLeg.cut();
    viewerLeg.cut();
    await until(
      () =>
        agentLeg.accepted > before.agent && viewerLeg.accepted > before.viewer && viewer.tick > before.tick,
      30_000,
      () =>
        `both to be back, and a tick after ${before.tick}; the screen shows ${JSON.stringify(viewer.last)}\n${world.lastWords()}`,
    );
  });
}

/** Shells begin, print, and end. */
async function comingAndGoing(world: ChaosWorld, { sessions, say }: SoakOptions) {
  const pids = { agent: () => world.stack.agentPid, gateway: () => world.stack.gatewayPid };
  return sampled(pids, Math.ceil(sessions / ABREAST), say, `times ${ABREAST} sessions`, async () => {
    await Promise.all(
      Array.from({ length: ABREAST }, async () => {
        await using viewer = world.viewer({ keeps: false, session: crypto.randomUUID() });
        await viewer.attach();
        viewer.type("seq 2000; exit 3\r");
        const { exit_code } = await viewer.hears("ended", 0, 20_000);
        if (exit_code !== 3) throw new Error(`a shell ended with ${exit_code}, not with 3`);
      }),
    );
  });
}

async function sampled(
  pids: Record<string, () => number>,
  events: number,
  say: ((line: string) => void) | undefined,
  what: string,
  event: () => Promise<void>,
) {
  const begun = performance.now();
  const samples = Object.fromEntries(Object.keys(pids).map((name): [string, number[]] => [name, []]));
  const every = Math.max(1, Math.floor(events / SAMPLES));
  for (let done = 0; done <= events; done += 1) {
    if (done > 0) await event();
    if (done % every !== 0) continue;
    for (const [name, pid] of Object.entries(pids)) samples[name]?.push(rssMegabytes([pid()]));
    const now = Object.entries(samples).map(([name, values]) => `${name} ${values.at(-1)?.toFixed(1)}`);
    say?.(`${done} of ${events} ${what}: ${now.join(", ")} MB`);
  }
  const curves = Object.entries(samples).map(([name, values]) => curveOf(name, values, every));
  return { seconds: (performance.now() - begun) / 1000, curves };
}

/** @param every events between two samples */
function curveOf(name: string, samples: readonly number[], every: number): Curve {
  const half = samples.slice(Math.floor(samples.length / 2));
  const middle = (half.length - 1) / 2;
  const mean = half.reduce((sum, value) => sum + value, 0) / half.length;
  const [over, under] = half.reduce(
    ([a, b], value, at) => [a + (at - middle) * (value - mean), b + (at - middle) ** 2],
    [0, 0],
  );
  const perSample = under === 0 ? 0 : over / under;
  return { name, samples, slope: (perSample * 1000) / every, growth: perSample * (half.length - 1) };
}

/** `rexec connect` on a PTY of which only the last is kept. */
class Watcher implements AsyncDisposable {
  readonly #pty: ReturnType<typeof openPty>;
  last = "";
  /** The highest that was shown. */
  tick = 0;

  constructor(world: ChaosWorld) {
    const env = Object.entries({ ...world.clientEnv, TERM: "xterm-256color" });
    this.#pty = openPty({
      file: binary("rexec"),
      args: ["connect", "box", "--new"],
      env: Object.fromEntries(env.filter((entry): entry is [string, string] => entry[1] !== undefined)),
      cwd: world.folder,
      cols: 80,
      rows: 24,
    });
    void this.#watch();
  }

  get pid(): number {
    return this.#pty.pid;
  }

  type(text: string): Promise<void> {
    return this.#pty.write(Buffer.from(text));
  }

  async #watch(): Promise<void> {
    for (let chunk = await this.#pty.read(); chunk; chunk = await this.#pty.read()) {
      this.last = (this.last + Buffer.from(chunk).toString("latin1")).slice(-500);
      const [, newest] = [...this.last.matchAll(/tick-(\d+)\./g)].at(-1) ?? [];
      this.tick = Math.max(this.tick, Number(newest ?? 0));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pty.close(500);
  }
}
