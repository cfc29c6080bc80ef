/** Who looks at a machine's sessions, and who types there: the calls to the API. */
import * as z from "zod/mini";
import { requestJson } from "../lib/http.ts";
import { HTTP_LIST_BYTES, HTTP_ONE_BYTES } from "../protocol/limits.ts";
import { pathSegment } from "../protocol/path.ts";
import { brief, COUNTS, exact, LENGTHS, lenient, someOf } from "../protocol/values.ts";
import type { Server } from "./api.ts";

const viewer = z.object({
  id: exact(LENGTHS.id, 1),
  user: brief(LENGTHS.name + "shared: ".length),
  address: lenient(brief(LENGTHS.hostname)),
  since: brief(LENGTHS.time),
  protocol: z.catch(brief(LENGTHS.word), ""),
  /** `view`, `use`, `exec` */
  access: z.catch(brief(LENGTHS.word), ""),
  sessions: someOf(exact(LENGTHS.id), COUNTS.sessions),
  controls: someOf(exact(LENGTHS.id), COUNTS.sessions),
  shared: z.catch(z.boolean(), false),
});
export type ListedViewer = z.infer<typeof viewer>;

const list = z.object({ viewers: someOf(viewer, COUNTS.listed) });
const controlled = z.object({ mode: z.enum(["everybody", "only"]), name: lenient(brief(LENGTHS.name)) });
const kicked = z.object({ closed: z.number(), revoked: z.number(), kept: z.number() });
export type Kicked = z.infer<typeof kicked>;

export async function listViewers(server: Server, agentId: string): Promise<ListedViewer[]> {
  const path = `/api/agents/${pathSegment(agentId)}/viewers`;
  const { viewers } = await requestJson({
    ...server,
    method: "GET",
    path,
    schema: list,
    limit: HTTP_LIST_BYTES,
  });
  return viewers;
}

/** Lets one viewer of a session type alone, or every viewer. */
export function setControl(
  server: Server,
  agentId: string,
  session: string,
  wish: { mode: "everybody" | "only"; viewer?: string | undefined },
) {
  const path = `/api/agents/${pathSegment(agentId)}/sessions/${pathSegment(session)}/control`;
  return requestJson({
    ...server,
    method: "POST",
    path,
    body: wish,
    schema: controlled,
    limit: HTTP_ONE_BYTES,
  });
}

/** Which viewers are to be closed. */
export interface KickWish {
  viewer?: string;
  user?: string;
  session?: string;
  revoke: boolean;
}

/** @param agentId null for every machine, which is for administrators and a user alone */
export function kick(server: Server, agentId: string | null, wish: KickWish): Promise<Kicked> {
  const path = agentId === null ? "/api/kick" : `/api/agents/${pathSegment(agentId)}/kick`;
  return requestJson({ ...server, method: "POST", path, body: wish, schema: kicked, limit: HTTP_ONE_BYTES });
}
