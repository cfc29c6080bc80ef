/** `/api/recordings`: recordings are listed, watched, downloaded and removed. */
import { messageOf } from "../../lib/errors.ts";
import {
  recordingBody,
  recordingListBody,
  segmentBody,
  segmentIndexBody,
} from "../../protocol/http-recordings.ts";
import { LENGTHS } from "../../protocol/values.ts";
import { isAdministrator } from "../auth/access.ts";
import type { Action } from "../auth/scopes.ts";
import { Segments } from "../recordings/segments.ts";
import type { RecordingRow } from "../store/recordings.ts";
import { ApiError } from "./api-error.ts";
import { isId } from "./context.ts";
import { MAX_PAGE, pageOf, pageWish } from "./paging.ts";
import { rangeOf } from "./range.ts";
import { type KnownCall, type Route, route } from "./route.ts";

/** Rows of a page that asks for no number. */
const DEFAULT_PAGE = 100;

export const recordingRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/recordings",
    action: "recordings:read",
    summary: "List recordings of the agents that the caller sees, the newest first",
    query: {
      agent: "The id of an agent",
      user: "The name of the first viewer",
      session: "The name of a session",
      since: "RFC 3339: begun then or later",
      until: "RFC 3339: begun before",
      limit: `Rows of a page, 1 to ${MAX_PAGE}; default ${DEFAULT_PAGE}`,
      cursor: "From the Link header of the page before",
    },
    answer: recordingListBody,
    async handle({ c, deps, principal }) {
      const wish = pageWish(c) ?? { limit: DEFAULT_PAGE, after: null };
      const { user, credential } = principal;
      const sight = { userId: user.id, all: isAdministrator(principal), only: credential.only };
      const filter = {
        agentId: textOf(c.req.query("agent")),
        user: textOf(c.req.query("user")),
        session: textOf(c.req.query("session")),
        since: timeOf("since", c.req.query("since")),
        until: timeOf("until", c.req.query("until")),
      };
      const after = wish.after && { started_at: wish.after.created_at, id: wish.after.id };
      const rows = await deps.store.recordings.list(sight, filter, { limit: wish.limit + 1, after });
      const page = pageOf(
        c,
        rows.map((row) => ({ row, id: row.id, created_at: row.started_at })),
        wish,
      );
      return c.json({
        recordings: page.map(({ row }) => viewOf(deps.recordings.making.current(row.id) ?? row)),
      });
    },
  }),
  route({
    method: "GET",
    path: "/api/recordings/:recording",
    action: "recordings:read",
    summary: "Show one recording",
    answer: recordingBody,
    handle: async (call) => call.c.json(viewOf(await readable(call))),
  }),
  route({
    method: "DELETE",
    path: "/api/recordings/:recording",
    action: "recordings:read",
    summary: "Remove a recording that has ended; asks for the right to manage its agent",
    async handle(call) {
      const row = await allowed(call, "agent:manage");
      if (row.state === "recording") throw new ApiError(409, "still_recording", "it is still being made");
      await call.deps.recordings.remove(row);
      note(call, "recording.removed", row);
      return call.c.json({ message: "recording removed" });
    },
  }),
  route({
    method: "GET",
    path: "/api/recordings/:recording/cast",
    action: "recordings:read",
    summary: "Download it as asciicast v2, whole or a range of it",
    async handle(call) {
      const row = await watchable(call);
      const { storage, size } = await fileOf(call, row);
      const range = rangeOf(call.c.req.header("range"), size);
      if (range === "unsatisfiable") {
        return new Response(null, { status: 416, headers: { "Content-Range": `bytes */${size}` } });
      }
      const { from, to } = range ?? { from: 0, to: size };
      // A player that reads on asks for one range after the other: that is one download.
      if (from === 0) note(call, "recording.downloaded", row);
      const headers = {
        "Content-Type": "application/x-asciicast",
        "Content-Disposition": `attachment; filename="recording-${row.id}.cast"`,
        "Content-Length": String(to - from),
        "Accept-Ranges": "bytes",
        ...(range ? { "Content-Range": `bytes ${from}-${to - 1}/${size}` } : {}),
      };
      // As a stream: of a bucket's object a Response makes a redirect to an address with a signature in it.
      const body = to > from ? storage.part(row.id, "cast", from, to).stream() : null;
      return new Response(body, { status: range ? 206 : 200, headers });
    },
  }),
  route({
    method: "GET",
    path: "/api/recordings/:recording/index.json",
    action: "recordings:read",
    summary: "The places where it can be opened, as asciinema-player's segmented form has them",
    answer: segmentIndexBody,
    async handle(call) {
      const row = await watchable(call);
      const segments = await segmentsOf(call, row);
      note(call, "recording.watched", row);
      return call.c.json(await segments.index());
    },
  }),
  route({
    method: "GET",
    path: "/api/recordings/:recording/segments/:segment",
    action: "recordings:read",
    summary: "The screen at one of those places, and what follows: `NUMBER.json`",
    answer: segmentBody,
    async handle(call) {
      const row = await watchable(call);
      const [, number] = /^(\d{1,6})\.json$/.exec(call.param("segment")) ?? [];
      const segment = number ? await (await segmentsOf(call, row)).segment(Number(number)) : null;
      if (!segment) throw new ApiError(404, "segment_not_found", "no such segment");
      return call.c.json(segment);
    },
  }),
];

// --- internal ---

function readable(call: KnownCall<unknown>): Promise<RecordingRow> {
  return allowed(call, "agent:sessions");
}

/** What stands in a recording is a terminal's: a credential that may see none reads none here either. */
async function watchable(call: KnownCall<unknown>): Promise<RecordingRow> {
  const row = await allowed(call, "agent:watch");
  await call.deps.access.require(call.principal, "recordings:watch");
  return row;
}

/** The recording of the path. Of a deleted agent only administrators have it. @throws ApiError 403, 404 */
async function allowed(call: KnownCall<unknown>, action: Action): Promise<RecordingRow> {
  const { deps, principal, param } = call;
  const id = param("recording").toLowerCase();
  const row = isId(id) ? await deps.store.recordings.get(id) : null;
  if (!row) throw new ApiError(404, "recording_not_found", "no such recording");
  const agent = await deps.store.agents.get(row.agent_id);
  await deps.access.require(principal, agent ? action : "admin", agent ?? undefined);
  return deps.recordings.making.current(row.id) ?? row;
}

async function fileOf({ deps }: KnownCall<unknown>, row: RecordingRow) {
  const storage = deps.recordings.storageOf(row);
  const size = await storage.size(row.id, "cast").catch((error: unknown) => {
    throw new ApiError(502, "storage_unreachable", `the storage of recordings fails: ${messageOf(error)}`);
  });
  if (size === null) throw new ApiError(404, "recording_missing", "the file of this recording is missing");
  return { storage, size };
}

async function segmentsOf(call: KnownCall<unknown>, row: RecordingRow): Promise<Segments> {
  const { storage, size } = await fileOf(call, row);
  return new Segments(row, storage, size);
}

function note({ c, deps, principal }: KnownCall<unknown>, action: string, row: RecordingRow): void {
  deps.audit.record({
    action,
    principal,
    address: c.env.address,
    agent: { id: row.agent_id, name: row.agent_name },
    session: row.session,
    target: row.id,
  });
}

/** A filter of the query. @throws ApiError 400 */
function textOf(text: string | undefined): string | undefined {
  if (text === undefined || text.length <= LENGTHS.id) return text || undefined;
  throw new ApiError(400, "bad_filter", "this filter is too long");
}

/** @throws ApiError 400 */
function timeOf(name: string, text: string | undefined): string | undefined {
  if (!text) return undefined;
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time))
    throw new ApiError(400, "bad_time", `${name} is a time such as 2026-01-31T12:00:00Z`);
  return new Date(time).toISOString();
}

function viewOf(row: RecordingRow) {
  return {
    id: row.id,
    agent: { id: row.agent_id, name: row.agent_name },
    user: row.user_name,
    session: row.session,
    instance: row.instance,
    part: row.part,
    kind: row.kind,
    command: row.command,
    reason: row.reason,
    state: row.state,
    note: row.note || null,
    started_at: row.started_at,
    ended_at: row.ended_at,
    duration: row.duration_ms / 1000,
    bytes: row.bytes,
    cut: row.cut_bytes > 0 ? { bytes: row.cut_bytes, reason: row.cut_reason } : null,
    exit_code: row.exit_code,
    signal: row.signal,
    cols: row.cols,
    rows: row.rows,
  };
}
