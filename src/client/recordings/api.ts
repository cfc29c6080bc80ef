/** Recordings over the API. Each call throws what `lib/http.ts` throws. */
import * as z from "zod/mini";
import { ExitCode, RexecError } from "../../lib/errors.ts";
import { connectionError, HttpError, requestJson } from "../../lib/http.ts";
import { dialOptions, httpUrl } from "../../lib/net.ts";
import { printable } from "../../lib/printable.ts";
import {
  type PolicyView,
  policyListBody,
  policyView,
  type RecordingView,
  recordingBody,
  recordingListBody,
  type Segment,
  type SegmentIndex,
  segmentBody,
  segmentIndexBody,
  startedRecordingBody,
} from "../../protocol/http-recordings.ts";
import { HTTP_LIST_BYTES, HTTP_ONE_BYTES } from "../../protocol/limits.ts";
import { pathSegment } from "../../protocol/path.ts";
import type { Server } from "../api.ts";

const PATH = "/api/recordings";

/** What a list is narrowed to. Times are RFC 3339. */
export interface RecordingQuery {
  agent?: string | undefined;
  user?: string | undefined;
  session?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
  limit: number;
}

/** The newest first. @throws RexecError `no_recordings` too: the server has none of this */
export async function listRecordings(server: Server, query: RecordingQuery): Promise<RecordingView[]> {
  const given = Object.entries(query).filter((entry) => entry[1] !== undefined);
  const words = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]));
  const request = { ...server, path: `${PATH}?${words}`, limit: HTTP_LIST_BYTES };
  const { recordings } = await explained(() =>
    requestJson({ ...request, method: "GET", schema: recordingListBody }),
  );
  return recordings;
}

/**
 * The recording that is meant: its id, or the end of one as `recordings ls` shows it.
 * @throws RexecError `ambiguous`, `unknown_recording`
 */
export async function findRecording(server: Server, reference: string): Promise<RecordingView> {
  if (/^[0-9a-f-]{36}$/i.test(reference)) {
    const path = `${PATH}/${pathSegment(reference)}`;
    const request = { ...server, path, limit: HTTP_ONE_BYTES };
    return explained(() => requestJson({ ...request, method: "GET", schema: recordingBody }));
  }
  const fitting = (await listRecordings(server, { limit: SEARCHED })).filter(({ id }) =>
    id.endsWith(reference.toLowerCase()),
  );
  const [found, another] = fitting;
  if (found && !another && reference.length > 0) return found;
  const named = printable(reference, 100);
  throw new RexecError(
    found ? `"${named}" could be any of ${fitting.length} recordings` : `there is no recording "${named}"`,
    {
      code: found ? "ambiguous" : "unknown_recording",
      hint: "rexec recordings ls lists them; rexec recordings ls --json has their whole ids",
      exitCode: found ? ExitCode.usage : ExitCode.rejected,
    },
  );
}

export function removeRecording(server: Server, id: string): Promise<unknown> {
  const path = `${PATH}/${pathSegment(id)}`;
  return requestJson({ ...server, method: "DELETE", path, schema: z.unknown(), limit: HTTP_ONE_BYTES });
}

/** The segments of a recording: each opens by itself. */
export function segmentIndex(server: Server, id: string, signal?: AbortSignal): Promise<SegmentIndex> {
  const path = `${PATH}/${pathSegment(id)}/index.json`;
  return requestJson({ ...server, method: "GET", path, schema: segmentIndexBody, signal });
}

/** @param url as the index has it */
export function segmentAt(server: Server, id: string, url: string, signal?: AbortSignal): Promise<Segment> {
  const path = `${PATH}/${pathSegment(id)}/segments/${pathSegment(url.replace(/^segments\//, ""))}`;
  return requestJson({ ...server, method: "GET", path, schema: segmentBody, timeoutMs: 60_000, signal });
}

/** The cast from this byte on, as a stream. @throws HttpError, RexecError `unreachable` */
export async function openCast(server: Server, id: string, from: number): Promise<Response> {
  const url = httpUrl(server.endpoint, `${PATH}/${pathSegment(id)}/cast`);
  const dial = dialOptions(server.endpoint, url);
  try {
    const response = await fetch(url, {
      headers: {
        authorization: `Bearer ${server.token}`,
        ...(from > 0 ? { range: `bytes=${from}-` } : {}),
      },
      redirect: "manual",
      proxy: dial.proxy ? { url: dial.proxy, respectNoProxy: false } : false,
      ...(dial.tls ? { tls: dial.tls } : {}),
    });
    if (response.ok) return response;
    const message = `${url.host} answered ${response.status} to a download`;
    throw new HttpError(response.status, message, "rexec recordings ls lists what there is", undefined);
  } catch (error) {
    if (error instanceof RexecError) throw error;
    throw connectionError(error, url, dial.proxy);
  }
}

/** Records a session from now on, or no more. */
export async function recordSession(
  server: Server,
  agentId: string,
  session: string,
  on: boolean,
): Promise<void> {
  const path = `/api/agents/${pathSegment(agentId)}/sessions/${pathSegment(session)}/recording`;
  const request = { ...server, path, schema: startedRecordingBody, limit: HTTP_ONE_BYTES };
  await explained(() => requestJson({ ...request, method: on ? "POST" : "DELETE" }));
}

export async function listPolicies(server: Server): Promise<PolicyView[]> {
  const request = { ...server, path: "/api/recording-policies", limit: HTTP_LIST_BYTES };
  return (await explained(() => requestJson({ ...request, method: "GET", schema: policyListBody }))).policies;
}

/** @param over `all`, the id of an agent, a tag or the name of a user */
export function setPolicy(
  server: Server,
  over: { kind: "all" | "agent" | "tag" | "user"; target: string },
  said: { mode: string; input: boolean },
): Promise<PolicyView> {
  const isAgent = over.kind === "agent";
  const path = isAgent ? agentPolicy(over.target) : "/api/recording-policies";
  const body = isAgent ? said : { ...over, ...said };
  return requestJson({ ...server, method: "PUT", path, body, schema: policyView, limit: HTTP_ONE_BYTES });
}

export function removePolicy(server: Server, id: string): Promise<unknown> {
  const path = `/api/recording-policies/${pathSegment(id)}`;
  return requestJson({ ...server, method: "DELETE", path, schema: z.unknown(), limit: HTTP_ONE_BYTES });
}

export function removeAgentPolicy(server: Server, agentId: string): Promise<unknown> {
  const path = agentPolicy(agentId);
  return requestJson({ ...server, method: "DELETE", path, schema: z.unknown(), limit: HTTP_ONE_BYTES });
}

// --- internal ---

/** Recordings among which the end of an id is looked for: the newest. */
const SEARCHED = 500;

function agentPolicy(agentId: string): string {
  return `/api/agents/${pathSegment(agentId)}/recording-policy`;
}

async function explained<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const isOld =
      error instanceof HttpError && error.status === 404 && (error.serverCode ?? "not_found") === "not_found";
    if (!isOld) throw error;
    throw new RexecError("this server has no recordings", {
      code: "no_recordings",
      hint: "a newer rexec serve records sessions",
      exitCode: ExitCode.rejected,
      cause: error,
    });
  }
}
