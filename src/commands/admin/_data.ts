/** Which data folder an operator's command works on. */
import type { ArgsDef } from "citty";
import { SETTINGS } from "../../gateway/config/settings.ts";
import { serveConfig, serveFileArgs } from "../_serve-config.ts";

export const dataArgs = {
  ...serveFileArgs,
  data: {
    type: "string",
    valueHint: "DIR",
    description: "The gateway's data folder (default: as the gateway's settings have it)",
  },
} as const satisfies ArgsDef;

/** The folder of the gateway with these options, this environment and this file. @throws UsageError, RexecError `bad_config` */
export function dataFolder(args: { data?: string | undefined; config?: string | undefined }): string {
  return serveConfig({ data: args.data, config: args.config }).get(SETTINGS.data);
}
