/** Commands (`run`): relayed, with the rules of a command's streams. */
import type { OpenerMessage } from "../../protocol/v2/control.ts";
import type { RelayKind } from "./relay.ts";
import { RunOrder } from "./run-order.ts";

export const runs: RelayKind<Extract<OpenerMessage, { type: "run" }>> = {
  id: ({ run }) => run,
  forAgent: (run, channel) => ({ ...run, channel }),
  passes: (message) => message.type === "signal",
  order: () => new RunOrder(),
  record: (audit) => audit.runs,
};
