/** JSON over HTTP to a Rexec server, with errors that say what to do. */
import type * as z from "zod/mini";
import { errorBody } from "../protocol/http.ts";
import { HTTP_ANSWER_BYTES } from "../protocol/limits.ts";
import { parseJson, reasonOf } from "../protocol/parse.ts";
import { connectionError } from "./connection-error.ts";
import { ExitCode, RexecError } from "./errors.ts";
import { TOKEN_PLACE } from "./hints.ts";
import { dialOptions, type Endpoint, httpUrl } from "./net.ts";

export { connectionError } from "./connection-error.ts";

export interface ApiRequest<T> {
  endpoint: Endpoint;
  method: "GET" | "POST" | "PATCH" | "DELETE";
  path: string;
  token?: string | undefined;
  body?: object | undefined;
  schema: z.ZodMiniType<T>;
  /** Default 20 s. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** The server answered with a status that is not 2xx. `code` is `http_STATUS`. */
export class HttpError extends RexecError {
  override readonly name = "HttpError";
  readonly status: number;
  /** The server's own machine-readable code, where it gave one. */
  readonly serverCode: string | undefined;
  constructor(status: number, message: string, hint: string | undefined, serverCode: string | undefined) {
    const exitCode = status === 401 || status === 403 || status === 404 ? ExitCode.rejected : ExitCode.failed;
    super(message, { code: `http_${status}`, hint, exitCode });
    this.status = status;
    this.serverCode = serverCode;
  }
}

/**
 * One request, one checked answer.
 * @throws HttpError for a status that is not 2xx; RexecError `unreachable`, `tls`, `timeout` or `bad_answer`
 */
export async function requestJson<T>(request: ApiRequest<T>): Promise<T> {
  const url = httpUrl(request.endpoint, request.path);
  const { status, text } = await send(request, url);
  if (status < 200 || status > 299) throw refusal(status, text, request, url);
  const json = parseJson(text || "null");
  const parsed = json.ok ? request.schema.safeParse(json.value) : null;
  if (parsed?.success) return parsed.data;
  const detail = !json.ok ? describeBody(text) : parsed ? reasonOf(parsed.error) : "";
  throw new RexecError(`${url.origin} does not answer like a Rexec server (${request.path}: ${detail})`, {
    code: "bad_answer",
    hint: "check the --host address: this may be a proxy's or another service's page",
  });
}

/**
 * A file that a server hands out, as text. It carries no token, and so may be redirected.
 * @throws as `requestJson`
 */
export async function requestText(
  request: Pick<ApiRequest<never>, "endpoint" | "path" | "timeoutMs" | "signal"> & { method: "GET" | "HEAD" },
): Promise<string> {
  const url = httpUrl(request.endpoint, request.path);
  const { status, text } = await send(request, url, "follow");
  if (status < 200 || status > 299) throw refusal(status, text, request, url);
  return text;
}

// --- internal ---

/** What is sent of a request. */
type Sent = Omit<ApiRequest<never>, "schema" | "method"> & { method: string };

// A redirect would hand the token to whoever it points at.
async function send(
  request: Sent,
  url: URL,
  redirect: "manual" | "follow" = "manual",
): Promise<{ status: number; text: string }> {
  const dial = dialOptions(request.endpoint, url);
  const timeout = AbortSignal.timeout(request.timeoutMs ?? 20_000);
  try {
    const response = await fetch(url, {
      method: request.method,
      headers: {
        accept: "application/json",
        ...(request.token ? { authorization: `Bearer ${request.token}` } : {}),
        ...(request.body ? { "content-type": "application/json" } : {}),
      },
      ...(request.body ? { body: JSON.stringify(request.body) } : {}),
      signal: request.signal ? AbortSignal.any([request.signal, timeout]) : timeout,
      redirect,
      proxy: dial.proxy ? { url: dial.proxy, respectNoProxy: false } : false,
      ...(dial.tls ? { tls: dial.tls } : {}),
    });
    return { status: response.status, text: await boundedText(response, url) };
  } catch (error) {
    if (request.signal?.aborted || error instanceof RexecError) throw error;
    if (!timeout.aborted) throw connectionError(error, url, dial.proxy);
    throw new RexecError(`${url.host} did not answer within ${(request.timeoutMs ?? 20_000) / 1000} s`, {
      code: "timeout",
      hint: "check the network, a firewall or a proxy on the way",
    });
  }
}

/** The body, as long as it is one that a Rexec server would send. */
async function boundedText(response: Response, url: URL): Promise<string> {
  if (!response.body) return "";
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop cancels the body.
  for await (const chunk of response.body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > HTTP_ANSWER_BYTES) {
      throw new RexecError(`${url.origin} answers with more than ${HTTP_ANSWER_BYTES / 1024 / 1024} MiB`, {
        code: "bad_answer",
        hint: "check the --host address: this is no Rexec server",
      });
    }
  }
  return Buffer.concat(chunks).toString("utf8");
}

function refusal(status: number, text: string, request: Sent, url: URL): HttpError {
  const json = parseJson(text);
  const body = json.ok ? errorBody.safeParse(json.value) : null;
  const said = body?.success ? body.data.error : describeBody(text);
  const message = `${url.host} answered ${status} to ${request.method} ${request.path}: ${said}`;
  return new HttpError(
    status,
    message,
    HINTS[status] ?? (status >= 500 ? HINTS[500] : undefined),
    body?.data?.code,
  );
}

const HINTS: Record<number, string | undefined> = {
  301: "the server has moved: give the address it redirects to as --host",
  302: "the server has moved: give the address it redirects to as --host",
  307: "the server has moved: give the address it redirects to as --host",
  308: "the server has moved: give the address it redirects to as --host",
  401: `the token is wrong, expired or revoked: make a new one (${TOKEN_PLACE}) and try again`,
  403: "this token may not do that: use one of the account that owns it, with the right scope",
  404: "check the name or id, and the --host address",
  429: "too many tries: wait a minute and try again",
  500: "the server has a problem of its own: try again later",
};

function describeBody(text: string): string {
  const trimmed = text.trim();
  if (!trimmed) return "no explanation";
  if (/^<(!doctype|html)/i.test(trimmed)) {
    const title = /<title[^>]*>([^<]*)/i.exec(trimmed)?.[1]?.trim();
    return title ? `an HTML page, "${title.slice(0, 80)}"` : "an HTML page";
  }
  return trimmed.replace(/\s+/g, " ").slice(0, 120);
}
