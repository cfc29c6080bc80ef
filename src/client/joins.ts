/** Join tokens, and machines that wait to be accepted, over the API. Each call throws what `lib/http.ts` throws. */
import * as z from "zod/mini";
import { ExitCode, RexecError } from "../lib/errors.ts";
import { HttpError, requestJson } from "../lib/http.ts";
import { printable } from "../lib/printable.ts";
import { type Agent, agentListBody } from "../protocol/http.ts";
import {
  type CreatedJoin,
  type CreateJoin,
  createdJoinBody,
  type Join,
  joinListBody,
} from "../protocol/http-joins.ts";
import { HTTP_LIST_BYTES, HTTP_ONE_BYTES } from "../protocol/limits.ts";
import { pathSegment } from "../protocol/path.ts";
import type { Server } from "./api.ts";

const PATH = "/api/joins";

/** @throws RexecError `no_joins` too: the server has no join tokens */
export async function createJoin(server: Server, body: CreateJoin): Promise<CreatedJoin> {
  const request = { ...server, path: PATH, limit: HTTP_ONE_BYTES };
  return explained(() => requestJson({ ...request, method: "POST", body, schema: createdJoinBody }));
}

/** In the order in which they were made. @throws RexecError `no_joins` too */
export async function listJoins(server: Server, signal?: AbortSignal): Promise<Join[]> {
  const request = { ...server, path: PATH, limit: HTTP_LIST_BYTES, signal };
  const { joins } = await explained(() => requestJson({ ...request, method: "GET", schema: joinListBody }));
  return joins;
}

export async function revokeJoin(server: Server, id: string): Promise<void> {
  const path = `${PATH}/${pathSegment(id)}`;
  await requestJson({ ...server, method: "DELETE", path, schema: z.unknown(), limit: HTTP_ONE_BYTES });
}

/** Machines that wait to be accepted by the caller. Empty at a server that lets each in. */
export async function listPending(server: Server, signal?: AbortSignal): Promise<Agent[]> {
  const path = "/api/agents?pending=true";
  const all = await requestJson({ ...server, method: "GET", path, schema: agentListBody, signal });
  // A server that knows no such list answers with every agent.
  return all.filter(({ pending }) => pending === true);
}

/** @returns false where it was accepted already */
export async function acceptAgent(server: Server, id: string): Promise<boolean> {
  const path = `/api/agents/${pathSegment(id)}/accept`;
  try {
    await requestJson({ ...server, method: "POST", path, schema: z.unknown(), limit: HTTP_ONE_BYTES });
    return true;
  } catch (error) {
    if (error instanceof HttpError && error.status === 409) return false;
    throw error;
  }
}

/**
 * The join token that is meant: its id, what it is for, or the beginning of its secret as the list shows it.
 * @throws RexecError `ambiguous`, `unknown_join`
 */
export function pickJoin(reference: string, joins: readonly Join[]): Join {
  const shown = reference.replace(/…$/, "");
  const tests: ((join: Join) => boolean)[] = [
    ({ id }) => id === reference,
    ({ token_prefix }) => token_prefix !== undefined && shown.startsWith(token_prefix),
    ({ description }) => description === reference,
    ({ id }) => reference.length >= SHORTEST_ID && id.startsWith(reference),
  ];
  for (const test of tests) {
    const fitting = joins.filter(test);
    if (fitting.length === 1 && fitting[0]) return fitting[0];
    if (fitting.length > 1) throw ambiguous(reference, fitting);
  }
  throw new RexecError(`there is no join token "${printable(reference, 200)}"`, {
    code: "unknown_join",
    hint: "rexec join ls --all lists them",
    exitCode: ExitCode.rejected,
  });
}

// --- internal ---

/** Ids of one moment begin alike. */
const SHORTEST_ID = 8;

function ambiguous(reference: string, fitting: readonly Join[]): RexecError {
  const shown = fitting.slice(0, 8).map(({ token_prefix, id }) => printable(token_prefix ?? id, 64));
  return new RexecError(
    `"${printable(reference, 200)}" could be any of ${fitting.length}: ${shown.join(", ")}`,
    {
      code: "ambiguous",
      hint: "give the beginning of its secret, as rexec join ls shows it",
      exitCode: ExitCode.usage,
    },
  );
}

async function explained<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof HttpError) || (error.status !== 404 && error.status !== 405)) throw error;
    throw new RexecError("this server has no join tokens", {
      code: "no_joins",
      hint: "register the machine with an API token: rexec-agent register",
      exitCode: ExitCode.rejected,
      cause: error,
    });
  }
}
