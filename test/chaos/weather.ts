/** Two lines, agent to gateway and viewer to gateway, that are cut and stalled at random until told to stop. */
import type { TcpProxy } from "../support/tcp-proxy.ts";
import { between } from "./random.ts";

export interface Storm {
  /** Connections that were cut so far. */
  readonly cuts: number;
  /** Lets everything through again. Resolves when it is calm. */
  stop(): Promise<void>;
}

/** Longest stall: well below the time after which a peer is given up, ms. */
const STALL_MS = 300;

/**
 * Every few milliseconds one of the lines is cut (RST to both ends) or stalled for a moment.
 * @param everyMs shortest and longest pause between two blows
 */
export function storm(random: () => number, lines: readonly TcpProxy[], everyMs: [number, number]): Storm {
  let calm = false;
  const state = { cuts: 0 };
  const blow = async () => {
    while (!calm) {
      await Bun.sleep(between(random, ...everyMs));
      const line = lines[between(random, 0, lines.length - 1)];
      if (!line || line.connections === 0) continue;
      if (random() < 0.8) {
        state.cuts += line.cut();
        continue;
      }
      line.stall(true);
      await Bun.sleep(between(random, 1, STALL_MS));
      line.stall(false);
    }
  };
  const blown = blow();
  return {
    get cuts() {
      return state.cuts;
    },
    async stop() {
      calm = true;
      await blown;
    },
  };
}
