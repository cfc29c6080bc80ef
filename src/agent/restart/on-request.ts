/** Ways to have a running agent restart in place: over its control socket, and from within. */
import type { ControlHandlers } from "../control/server.ts";
import type { Restarter } from "./restarter.ts";

/** Answers what will be kept once it is clear that it can be done, and then does it. */
export function restartHandler(restarter: Restarter): NonNullable<ControlHandlers["restart"]> {
  return async ({ binary }, { afterwards }) => {
    const { go, ...kept } = await restarter.prepare({ binary, reason: "asked for over the control socket" });
    afterwards(() => go().catch(() => {})); // it has said why
    return kept;
  };
}

/** Does it now, with what is in this program's place. Where it does not succeed it has said why, and the agent goes on. */
export async function restartInPlace(restarter: Restarter, reason: string): Promise<void> {
  const { go } = await restarter.prepare({ reason });
  await go();
}
