/** One line for each request, for `--log-level debug`. */
import type { LogFields } from "../../lib/log.ts";
import type { RequestInfo } from "./request-info.ts";

/** Takes the line of a request that was answered. */
export type RequestLog = (line: string, fields: LogFields) => void;

/** Of a path, characters. */
const PATH_CHARS = 500;

/**
 * Never with the query, where old clients have their token.
 * @param startedAt of `performance.now()`
 */
export function noteRequest(
  log: RequestLog,
  { method, path, status }: { method: string; path: string; status: number },
  { requestId, address }: RequestInfo,
  startedAt: number,
): void {
  const ms = Math.round((performance.now() - startedAt) * 10) / 10;
  const shown = path.slice(0, PATH_CHARS);
  log(`${method} ${shown} ${status} in ${ms} ms, from ${address} (request ${requestId})`, {
    request_id: requestId,
    method,
    path: shown,
    status,
    ms,
    address,
  });
}
