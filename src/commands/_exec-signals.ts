/** What Ctrl-C and kill do to `rexec exec`: the remote command hears of them first. */
import { constants } from "node:os";
import type { RunControl } from "../client/run/run-state.ts";
import { printable } from "../lib/printable.ts";
import { writeErr } from "./_output.ts";

/** Those that a command may want to hear, and to survive. */
const HANDED_ON = ["SIGINT", "SIGTERM", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
/** Leave at once when they come a second time. */
const LEAVING: readonly string[] = ["SIGINT", "SIGTERM"];

/**
 * From now on Ctrl-C ends the program as it does any other, until one of the two is called.
 */
export function onExecSignals() {
  const interrupt = { say: "" };
  const onInterrupt = () => {
    const exit = () => process.exit(128 + constants.signals.SIGINT);
    if (interrupt.say) void writeErr(`${printable(interrupt.say)}\n`).finally(exit);
    else exit();
  };
  process.on("SIGINT", onInterrupt);
  return {
    /** Ctrl-C leaves a command behind, and says so. */
    sayWhatGoesOn(text: string): void {
      interrupt.say = text;
    },
    /** Signals go to the command; SIGINT or SIGTERM for the second time, or a terminal that is closed, leaves it. */
    handOn(run: RunControl): void {
      process.off("SIGINT", onInterrupt);
      let asked = 0;
      for (const name of HANDED_ON) {
        process.on(name, () => {
          if (LEAVING.includes(name)) asked += 1;
          if (asked > 1) run.leave(128 + constants.signals[name]);
          else run.signal(name);
        });
      }
      process.on("SIGHUP", () => run.leave(128 + constants.signals.SIGHUP));
      // Also where the reader of our output has left: the command is not held for us.
      process.on("exit", () => run.abandon());
    },
  };
}
