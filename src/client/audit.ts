/** The audit log over the API. Each call throws what `lib/http.ts` throws. */
import { Backoff, RECONNECT } from "../lib/backoff.ts";
import { HttpError, requestJson, requestLines } from "../lib/http.ts";
import { AUDIT_PAGE, type AuditEntryInfo, auditEntryBody, auditListBody } from "../protocol/http-audit.ts";
import { HTTP_ANSWER_BYTES } from "../protocol/limits.ts";
import { parseJson } from "../protocol/parse.ts";
import type { Server } from "./api.ts";

/** Which entries are meant. Times are RFC 3339. */
export interface AuditQuery {
  since?: string | undefined;
  until?: string | undefined;
  user?: string | undefined;
  agent?: string | undefined;
  action?: string | undefined;
  session?: string | undefined;
}

/** The newest entries, the newest first. @param most 1 or more */
export async function listAudit(server: Server, query: AuditQuery, most: number): Promise<AuditEntryInfo[]> {
  const entries: AuditEntryInfo[] = [];
  let cursor: string | undefined;
  do {
    const limit = Math.min(AUDIT_PAGE, most - entries.length);
    const path = pathOf({ ...query, limit: String(limit), cursor });
    const request = { ...server, method: "GET", path } as const;
    const page = await requestJson({ ...request, schema: auditListBody, limit: HTTP_ANSWER_BYTES });
    entries.push(...page.entries);
    // A page without entries is the last one: a server could send such for ever.
    cursor = page.entries.length > 0 ? page.next : undefined;
  } while (cursor !== undefined && entries.length < most);
  return entries;
}

/**
 * Calls `take` with each entry behind `after`, and goes on for ever. A connection that ends is made again.
 * @param onLost told once of each outage
 * @throws HttpError where the server refuses, as `requestLines` where it was never reached
 */
export async function followAudit(
  server: Server,
  query: AuditQuery,
  after: number,
  take: (entry: AuditEntryInfo) => Promise<void>,
  onLost: (error: unknown) => void,
): Promise<never> {
  const backoff = new Backoff(RECONNECT);
  let last = after;
  let failures = 0;
  let reached = false;
  for (;;) {
    const begun = performance.now();
    try {
      const path = pathOf({ ...query, follow: "1", after: String(last) });
      for await (const line of requestLines({ ...server, path })) {
        reached = true;
        failures = 0;
        const json = line === "" ? null : parseJson(line);
        const entry = json?.ok ? auditEntryBody.safeParse(json.value) : null;
        if (!entry?.success) continue;
        last = entry.data.seq;
        await take(entry.data);
      }
    } catch (error) {
      if (!reached || (error instanceof HttpError && error.status < 500 && error.status !== 429)) throw error;
      failures += 1;
      if (failures === 1) onLost(error);
    }
    // The server ends the stream where rights have changed: it is asked again at once, and refuses if it has to.
    backoff.connectionLived(performance.now() - begun);
    await Bun.sleep(backoff.next());
  }
}

// --- internal ---

function pathOf(query: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return `/api/audit?${new URLSearchParams(given)}`;
}
