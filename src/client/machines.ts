/** Changes of an agent, over the API. Each call throws what `lib/http.ts` throws. */
import * as z from "zod/mini";
import { requestJson } from "../lib/http.ts";
import { patchedAgentBody } from "../protocol/http.ts";
import { HTTP_ONE_BYTES } from "../protocol/limits.ts";
import { pathSegment } from "../protocol/path.ts";
import type { Server } from "./api.ts";

/** Changes of a machine's details; what is left out stays. */
export interface MachineChanges {
  name?: string;
  description?: string;
  /** Of ours: tags to give and to take off; the others stay. */
  add_tags?: readonly string[];
  remove_tags?: readonly string[];
}

/** The agent as the server has it then; what it leaves out is not known. */
export type ChangedMachine = z.infer<typeof patchedAgentBody>;

export function changeAgent(server: Server, id: string, body: MachineChanges): Promise<ChangedMachine> {
  const path = `/api/agents/${pathSegment(id)}`;
  return requestJson({
    ...server,
    method: "PATCH",
    path,
    body,
    schema: patchedAgentBody,
    limit: HTTP_ONE_BYTES,
  });
}

/** Removes it at the server, which ends its connection and revokes its token. */
export async function removeAgent(server: Server, id: string): Promise<void> {
  const path = `/api/agents/${pathSegment(id)}`;
  await requestJson({ ...server, method: "DELETE", path, schema: z.unknown(), limit: HTTP_ONE_BYTES });
}
