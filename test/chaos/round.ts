/** One round of chaos: a world of its own, a transfer, a verdict. What a person and CI start alike. */
import { KINDS } from "./forecast.ts";
import { execTransfer, faults, type Report, shellTransfer } from "./transfer.ts";
import { ChaosWorld, tail } from "./world.ts";

export interface Round {
  kind: "shell" | "exec";
  seed: number;
  /** Of output; input is a tenth of it, 5 MB at most. */
  megabytes: number;
  /** Of each leg, about. */
  cuts: number;
  /** Of the gateway. */
  kills: number;
}

export interface Verdict {
  ok: boolean;
  /** What happened, for a person. */
  line: string;
  report: Report | null;
}

/** Bytes of input in a round. */
const INPUT_BYTES = 5_000_000;
/** Sooner than as shipped: a connection that vanished costs this long. */
const DEAD_AFTER = "2s";

/** Never rejects: what goes wrong is in the verdict, with the command that does it again. */
export async function playRound(round: Round, say: (line: string) => void = () => {}): Promise<Verdict> {
  const { kind, seed, megabytes, cuts, kills } = round;
  const again = `bun run chaos --only ${kind} --seed ${seed} --mb ${megabytes} --cuts ${cuts} --kills ${kills}`;
  const name = `${kind}, seed ${seed}`;
  say(`${name}: ${megabytes} MB, about ${cuts} cuts of each leg, ${kills} kills of the gateway`);
  const world = await ChaosWorld.start({ deadAfter: DEAD_AFTER });
  try {
    const report = await (kind === "shell" ? shellTransfer : execTransfer)(world, {
      seed,
      outputBytes: megabytes * 1_000_000,
      inputBytes: Math.min(INPUT_BYTES, megabytes * 100_000),
      cuts,
      kills,
      onProgress: (line) => say(`${name}: ${line}`),
    });
    const wrong = faults(report);
    if (wrong.length === 0) return { ok: true, line: `ok    ${name}: ${summary(report)}`, report };
    const line = [`FAIL  ${name}: ${summary(report)}`, ...wrong, world.lastWords(), `again: ${again}`];
    return { ok: false, line: line.join("\n      "), report };
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const said = `the client said last:\n${tail(world.path("screen.log"))}`;
    const line = [`FAIL  ${name}: ${what}`, said, world.lastWords(), `again: ${again}`];
    return { ok: false, line: line.join("\n      "), report: null };
  } finally {
    await world[Symbol.asyncDispose]();
  }
}

// --- internal ---

function summary({ cuts, kills, seconds, streams, weather }: Report): string {
  const counts = KINDS.map((kind) => `${kind} ${weather.agent[kind] + weather.viewer[kind]}`);
  const sizes = streams.map(({ name, bytes }) => `${name} ${(bytes / 1e6).toFixed(1)} MB`).join(", ");
  return `${sizes}; ${cuts.agent} + ${cuts.viewer} cuts (${counts.join(", ")}), ${kills} kills, ${seconds.toFixed(0)} s`;
}
