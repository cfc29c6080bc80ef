/** Whether a Rexec server answers at an address: for both doctors. */
import { versionBody } from "../protocol/http.ts";
import { HTTP_ONE_BYTES } from "../protocol/limits.ts";
import { parseJson } from "../protocol/parse.ts";
import { connectionError } from "./connection-error.ts";
import type { Answer } from "./finding.ts";
import { boundedText } from "./http.ts";
import { dialOptions, type Endpoint, httpUrl } from "./net.ts";

/** `GET /api/version`, and the `Date` header of its answer in ms (null where it has none). */
export async function askVersion(endpoint: Endpoint, signal: AbortSignal): Promise<Answer<number | null>> {
  const url = httpUrl(endpoint, "/api/version");
  const response = await ask(endpoint, url, signal);
  const date = Date.parse(response.headers.get("date") ?? "");
  const value = Number.isNaN(date) ? null : date;
  const json = parseJson(await boundedText(response, url, HTTP_ONE_BYTES));
  const body = versionBody.safeParse(json.ok ? json.value : null);
  if (response.ok && body.success) return { detail: `${url.origin} runs Rexec ${body.data.version}`, value };
  const moved = response.headers.get("location");
  const detail = `${url.href} answered ${response.status}${moved ? `, and points to ${moved}` : ""}: no Rexec server`;
  return {
    verdict: "failed",
    detail,
    hint: "check the address; a proxy or a login page may answer in its place",
  };
}

/** One GET by the endpoint's proxy and CA; a redirect is an answer as any other. @throws RexecError `connectionError` */
export async function ask(endpoint: Endpoint, url: URL, signal: AbortSignal): Promise<Response> {
  const { proxy, tls } = dialOptions(endpoint, url);
  return fetch(url, {
    signal,
    redirect: "manual",
    proxy: proxy ? { url: proxy, respectNoProxy: false } : false,
    ...(tls ? { tls } : {}),
  }).catch((error) => {
    throw connectionError(error, url, proxy);
  });
}
