/** What systemd is told about the gateway. */

import type { FileUse } from "../config/kinds.ts";

/** Names of the units. */
export const SERVICE_UNIT = "rexec-gateway.service";
export const SOCKET_UNIT = "rexec-gateway.socket";
/** The account of the system service, and its folder: systemd makes the folder (`StateDirectory=`). */
export const ACCOUNT = "rexec";
export const STATE_FOLDER = "/var/lib/rexec";

/** One service to be written down. Paths are absolute. */
export interface GatewayServiceSpec {
  readonly executable: string;
  readonly config: string;
  readonly scope: "system" | "user";
  /** What the socket unit listens on; an address in numbers. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Folder of the database. */
  readonly data: string;
  /** What the gateway reads and writes by its configuration, the data among it. */
  readonly files: readonly FileUse[];
  /** Bytes that output may take: the bound of the service's memory follows from it. */
  readonly ringBudget: number;
  /** Variables: secrets, proxies. It may be missing. */
  readonly envFile: string;
  /** Of systemd, 252 for example. */
  readonly systemdVersion: number;
}

/** Whether a path is in the folder that systemd makes for the service. */
export function isState(path: string): boolean {
  return path === STATE_FOLDER || path.startsWith(`${STATE_FOLDER}/`);
}
