/** Requests to a Rexec server: JSON over HTTP, with errors that say what to do. */
import type * as z from "zod/mini";
import { errorBody } from "../protocol/http.ts";
import { HTTP_ANSWER_BYTES, HTTP_REFUSAL_BYTES } from "../protocol/limits.ts";
import { parseJson, reasonOf } from "../protocol/parse.ts";
import { isJoinToken } from "../protocol/token.ts";
import { connectionError } from "./connection-error.ts";
import { ExitCode, RexecError } from "./errors.ts";
import { tokenPlace } from "./hints.ts";
import { dialOptions, type Endpoint, httpUrl } from "./net.ts";

export { connectionError } from "./connection-error.ts";

/** A request and the schema of its answer. */
export interface ApiRequest<T> {
  endpoint: Endpoint;
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  token?: string | undefined;
  body?: object | undefined;
  schema: z.ZodMiniType<T>;
  /** Bound of the answer, bytes; default `HTTP_ANSWER_BYTES`. */
  limit?: number | undefined;
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
 * Sends a request and checks the answer.
 * @throws HttpError for a status that is not 2xx; RexecError `unreachable`, `tls`, `timeout` or `bad_answer`
 */
export async function requestJson<T>(request: ApiRequest<T>): Promise<T> {
  const url = httpUrl(request.endpoint, request.path);
  const { status, text } = await send(request, url);
  if (status < 200 || status > 299) throw refusal(status, text, request, url);
  const json = parseJson(text || "null");
  const parsed = json.ok ? request.schema.safeParse(json.value) : null;
  if (parsed?.success) return parsed.data;
  const detail = !json.ok
    ? !json.reason.startsWith("malformed")
      ? json.reason
      : describeBody(text)
    : parsed
      ? reasonOf(parsed.error)
      : "";
  throw new RexecError(`${url.origin} does not answer like a Rexec server (${request.path}: ${detail})`, {
    code: "bad_answer",
    hint: "check the --host address: this may be a proxy's or another service's page",
  });
}

/**
 * Fetches a text file. Sends no token, and so follows redirects.
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

/** Longest line of a stream, characters. */
const LONGEST_LINE = 256 * 1024;
/** A server that streams says something at least every 15 s: after so long without a byte it is gone, ms. */
const SILENCE_MS = 60_000;

/**
 * The lines of an answer that goes on, as they come; empty ones are a sign of life. Ends with the answer.
 * @throws as `requestJson`; RexecError `timeout` after a minute of silence
 */
export async function* requestLines(
  request: Pick<ApiRequest<never>, "endpoint" | "path" | "token">,
): AsyncGenerator<string> {
  const url = httpUrl(request.endpoint, request.path);
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), SILENCE_MS);
  const sent = { ...request, method: "GET", timeoutMs: SILENCE_MS };
  try {
    const response = await exchange(sent, url, "manual", silence.signal);
    if (!response.ok) {
      throw refusal(response.status, await boundedText(response, url, HTTP_REFUSAL_BYTES), sent, url);
    }
    let rest = "";
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      timer.refresh();
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > LONGEST_LINE) throw tooLong(url, LONGEST_LINE);
      yield* lines;
    }
  } catch (error) {
    throw explained(error, sent, url, silence.signal);
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

/**
 * The body within `limit`; of an error answer its beginning.
 * @throws RexecError `bad_answer` for one of more than `limit` bytes
 */
export async function boundedText(response: Response, url: URL, limit: number): Promise<string> {
  if (!response.body) return "";
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop cancels the body.
  for await (const chunk of response.body) {
    chunks.push(chunk);
    length += chunk.length;
    if (!response.ok && length > HTTP_REFUSAL_BYTES) break;
    if (length > limit) throw tooLong(url, limit);
  }
  const body = Buffer.concat(chunks);
  return (response.ok ? body : body.subarray(0, HTTP_REFUSAL_BYTES)).toString("utf8");
}

// --- internal ---

type Sent = Omit<ApiRequest<never>, "schema" | "method"> & { method: string };

/** A redirect would send the token to another server. */
async function send(
  request: Sent,
  url: URL,
  redirect: "manual" | "follow" = "manual",
): Promise<{ status: number; text: string }> {
  const timeout = AbortSignal.timeout(request.timeoutMs ?? ANSWER_MS);
  try {
    const response = await exchange(request, url, redirect, timeout);
    return {
      status: response.status,
      text: await boundedText(response, url, request.limit ?? HTTP_ANSWER_BYTES),
    };
  } catch (error) {
    throw explained(error, request, url, timeout);
  }
}

const ANSWER_MS = 20_000;

/** @param timeout ends it, also while its body is read */
function exchange(
  request: Sent,
  url: URL,
  redirect: "manual" | "follow",
  timeout: AbortSignal,
): Promise<Response> {
  const dial = dialOptions(request.endpoint, url);
  return fetch(url, {
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
}

function explained(error: unknown, request: Sent, url: URL, timeout: AbortSignal): unknown {
  if (request.signal?.aborted || error instanceof RexecError) return error;
  if (!timeout.aborted) return connectionError(error, url, dialOptions(request.endpoint, url).proxy);
  return new RexecError(`${url.host} did not answer within ${(request.timeoutMs ?? ANSWER_MS) / 1000} s`, {
    code: "timeout",
    hint: "check the network, a firewall or a proxy on the way",
  });
}

function tooLong(url: URL, limit: number): RexecError {
  return new RexecError(`${url.origin} answers with more than ${sizeOf(limit)}`, {
    code: "bad_answer",
    hint: "check the --host address: this is no Rexec server",
  });
}

function sizeOf(bytes: number): string {
  return bytes < 1024 * 1024 ? `${bytes / 1024} KiB` : `${bytes / 1024 / 1024} MiB`;
}

function refusal(status: number, text: string, request: Sent, url: URL): HttpError {
  const json = parseJson(text);
  const body = json.ok ? errorBody.safeParse(json.value) : null;
  const isCoded = IS_CODE.test(body?.data?.error ?? "");
  const code = body?.data?.code ?? (isCoded ? body?.data?.error : undefined);
  const said = body?.success ? (isCoded && body.data.message) || body.data.error : describeBody(text);
  // Only its operator can say more of a fault of the server.
  const id = status >= 500 && body?.data?.request_id ? ` (request ${body.data.request_id})` : "";
  const message = `${url.host} answered ${status} to ${request.method} ${request.path}: ${said}${id}`;
  const hint =
    status === 401 && isJoinToken(request.token ?? "") ? NEW_JOIN_TOKEN : hintFor(status, code, url);
  return new HttpError(status, message, hint, code);
}

/** An `error` that is a code and no sentence, such as `agent_limit_reached`. */
const IS_CODE = /^[a-z]+(_[a-z]+)+$/;

function hintFor(status: number, code: string | undefined, url: URL): string | undefined {
  if (status === 401 && !HINTS_BY_CODE[code ?? ""]) {
    const what = TOKEN_STATES[code ?? ""] ?? "is wrong, expired or revoked";
    return `the token ${what}: make a new one (${tokenPlace(url)}) and try again`;
  }
  const byCode = HINTS_BY_CODE[code ?? ""] ?? (code?.endsWith("_limit_reached") ? LIMIT_HINT : undefined);
  return byCode ?? HINTS[status] ?? (status >= 500 ? HINTS[500] : undefined);
}

const NEW_JOIN_TOKEN = "make another join token where you are logged in (rexec join create) and use that one";

/** The codes of a 401. */
const TOKEN_STATES: Record<string, string | undefined> = {
  token_revoked: "was revoked",
  token_expired: "expired",
  token_unknown: "is unknown there",
};

const LIMIT_HINT =
  "the account has reached a limit of its plan: remove what is not needed, or ask for a larger plan";

/** A code says more than the status. */
const HINTS_BY_CODE: Record<string, string | undefined> = {
  wrong_password: "type the current password of the account again",
  wrong_code: "use the app's next code (is the clock of its device right?), or a recovery code",
  code_unknown: "run rexec login there again, and approve the code that it shows then",
  agent_limit_reached:
    "this account may have no more agents: remove one that is not needed (rexec-agent unregister on its machine), or " +
    "ask for a larger plan",
  scope: "this token's scopes do not allow that: use a token with the right scope, of the same account",
  not_yours:
    "ask its owner, or a manager of the machine, for the right (rexec grant add), or use a token of the account that owns it",
  not_admin: "use a token of an administrator, with the scope admin or *",
  user_disabled: "an administrator can enable the account: rexec admin users enable USER",
  user_not_found: "rexec admin users ls lists the users; check the --host address too",
  group_not_found: "rexec group ls lists the groups; check the --host address too",
  last_admin: "rexec admin users promote USER makes another administrator",
  has_agents: "say what becomes of the machines: --transfer-to USER, or --with-agents",
  bad_password: "give a password of that length",
  join_token:
    "it registers a machine, there: rexec-agent register; for anything else use an API token, or rexec login",
  join_name: "give a name that fits with --name, or use a join token without --name",
  join_tags:
    "leave those out of --tags: the owner of the agent gives them (rexec tag, or join create --tags)",
  join_pending_limit: "accept or remove some of those that wait: rexec ls --pending, rexec accept, rexec rm",
  agent_pending: "accept it first: rexec accept NAME (rexec ls --pending lists those that wait)",
  agent_offline: "start its agent there: rexec-agent start",
  agent_not_found: "rexec ls lists the agents that there are; check the --host address too",
};

const HINTS: Record<number, string | undefined> = {
  301: "the server has moved: give the address it redirects to as --host",
  302: "the server has moved: give the address it redirects to as --host",
  307: "the server has moved: give the address it redirects to as --host",
  308: "the server has moved: give the address it redirects to as --host",
  403: "this token may not do that: use one of the account that owns it, with the right scope",
  404: "check the name or id, and the --host address",
  400: "a value is not as the server wants it: correct it and try again",
  409: "it is in use, or exists already: choose another, or look at what is there",
  413: "that is more than the server takes: send less",
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
