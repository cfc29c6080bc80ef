/** Which data folder an operator's command works on. */
import { join, resolve } from "node:path";
import type { ArgsDef } from "citty";
import { homeFolder } from "../../lib/home.ts";

export const dataArgs = {
  data: {
    type: "string",
    valueHint: "DIR",
    description: "The gateway's data folder (REXEC_SERVE_DATA; default ~/.rexec/gateway)",
  },
} as const satisfies ArgsDef;

/** The folder that `--data`, then REXEC_SERVE_DATA names; without either that of `rexec serve`. */
export function dataFolder(args: { data?: string | undefined }): string {
  const { env } = process;
  return resolve(args.data || env.REXEC_SERVE_DATA || join(homeFolder(env), ".rexec", "gateway"));
}
