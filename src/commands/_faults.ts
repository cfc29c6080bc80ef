/** For the programs that serve many: a fault that nothing has caught ends none of the others. */
import { reportFault } from "../lib/fault.ts";
import type { Logger } from "../lib/log.ts";

/** From now on an uncaught error or rejection is logged with its stack, and the process goes on. */
export function surviveFaults(logger: Logger): void {
  process.on("uncaughtException", (error) => reportFault(logger, "a fault of this program", error));
  process.on("unhandledRejection", (error) => reportFault(logger, "a fault of this program", error));
}
