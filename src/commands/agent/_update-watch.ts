/** Keeps what updates take out of an agent that has nothing to do with them. */
import { existsSync } from "node:fs";
import type { AgentConfig } from "../../agent/config/config.ts";
import { markPath } from "../../agent/update/mark-path.ts";
import type { Logger } from "../../lib/log.ts";
import type { UpdateWatch } from "./_watch-updates.ts";

/** Null where there is nothing to do, and then nothing of it is loaded. @throws as `watchUpdates` */
export async function updateWatch(config: AgentConfig, logger: Logger): Promise<UpdateWatch | null> {
  if (!Bun.isStandaloneExecutable) return null;
  if (config.updateMs === undefined && !existsSync(markPath(process.execPath))) return null;
  const { watchUpdates } = await import("./_watch-updates.ts");
  return watchUpdates({ config, logger });
}
