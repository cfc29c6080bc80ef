/** Commands (`run`): relayed, with the rules of a command's streams, and recorded where a policy wants it. */
import type { OpenerMessage } from "../../protocol/v2/control.ts";
import type { KindHost } from "./channel-kind.ts";
import type { RelayKind } from "./relay.ts";
import { RunOrder } from "./run-order.ts";

/** @param recordings of the room */
export function runsOf({
  runRecordings: recordings,
}: Pick<KindHost, "runRecordings">): RelayKind<Extract<OpenerMessage, { type: "run" }>> {
  return {
    id: ({ run }) => run,
    forAgent: (run, channel) => ({ ...run, channel }),
    passes: (message) => message.type === "signal",
    order: ({ run }) => new RunOrder((frame) => recordings.frame(run, frame)),
    isRecorded: ({ run }) => recordings.has(run) || undefined,
    record: ({ runs }) => ({
      opened(viewer, run) {
        runs.opened(viewer, run);
        recordings.opened(viewer, run);
      },
      ended(id, end) {
        runs.ended(id, end);
        recordings.ended(id, {
          exit_code: typeof end.exit_code === "number" ? end.exit_code : null,
          signal: typeof end.signal === "string" ? end.signal : null,
        });
      },
      left(id) {
        runs.left(id);
        recordings.left(id);
      },
    }),
  };
}
