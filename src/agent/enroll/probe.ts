/** What a server says to a token, where the answer itself does not matter. */
import * as z from "zod/mini";
import { HttpError, requestJson } from "../../lib/http.ts";
import type { Endpoint } from "../../lib/net.ts";

/** 200, 401, 403 or 404. @throws RexecError for anything else */
export async function statusOf(endpoint: Endpoint, path: string, token: string): Promise<number> {
  try {
    await requestJson({ endpoint, method: "GET", path, token, schema: z.unknown() });
    return 200;
  } catch (error) {
    if (error instanceof HttpError && [401, 403, 404].includes(error.status)) return error.status;
    throw error;
  }
}
