/** What a gateway finds of its addresses: its certificate, its port, and the way that users and agents take. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { askVersion } from "../../lib/ask-version.ts";
import { errnoOf, messageOf } from "../../lib/errors.ts";
import type { Answer } from "../../lib/finding.ts";
import { dialOptions, type Endpoint, httpUrl } from "../../lib/net.ts";
import { bareHost } from "../../lib/proxy.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** A certificate that ends sooner should have been renewed, ms. */
const SOON_MS = 14 * DAY_MS;

/** @param url the public URL; null where it is not known */
export async function tryCertificate(
  files: { cert: string; key: string },
  url: string | null,
  now = Date.now(),
): Promise<Answer> {
  const { createPrivateKey } = await import("node:crypto");
  const certificate = new X509Certificate(readFileSync(files.cert));
  const names = certificate.subjectAltName ?? certificate.subject;
  const until = Date.parse(certificate.validTo);
  const detail = `${names}, until ${new Date(until).toISOString().slice(0, 10)}`;
  const failed = (why: string, hint: string) => ({
    verdict: "failed" as const,
    detail: `${detail}: ${why}`,
    hint,
  });
  if (!certificate.checkPrivateKey(createPrivateKey(readFileSync(files.key)))) {
    return failed(
      "the key is not this certificate's",
      "--tls-cert and --tls-key are files that belong together",
    );
  }
  if (Date.parse(certificate.validFrom) > now) return failed("it is not valid yet", "is the clock right?");
  if (until <= now) return failed("it has expired", "renew it");
  const host = url === null ? null : bareHost(new URL(url));
  const isFor = host === null || (isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host));
  if (!isFor) {
    return failed(`it is not for ${host}`, "get one for the name in --public-url");
  }
  if (until - now > SOON_MS) return { detail };
  const days = Math.max(1, Math.floor((until - now) / DAY_MS));
  return { verdict: "warning", detail: `${detail}: ${days} days left`, hint: "renew it" };
}

/** @param isRunning a gateway runs on the data folder: it should answer there */
export async function tryPort(
  listen: { host: string; port: number; isTls: boolean },
  isRunning: boolean,
  signal: AbortSignal,
): Promise<Answer> {
  const { host, port, isTls } = listen;
  if (isRunning && port !== 0) return askHere(listen, signal);
  if (port === 0) return { verdict: "skipped", detail: "any free port will do" };
  try {
    Bun.listen({ hostname: host, port, socket: { data() {} } }).stop(true);
    return { detail: `${host}:${port} is free${isTls ? ", for https" : ""}` };
  } catch (error) {
    const isTaken = errnoOf(error) === "EADDRINUSE";
    const why = isTaken ? "another program listens there" : messageOf(error);
    const hint = isTaken
      ? "stop it, or choose another port with --port"
      : "ports below 1024 need root or CAP_NET_BIND_SERVICE; --host is an address of this machine";
    return { verdict: "failed", detail: `cannot listen on ${host}:${port}: ${why}`, hint };
  }
}

/** A gateway answers at the public URL. */
export async function tryPublicUrl(endpoint: Endpoint, signal: AbortSignal): Promise<Answer<Endpoint>> {
  const { verdict, detail, hint } = await askVersion(endpoint, signal);
  return { verdict: verdict ?? "ok", detail, hint, ...(verdict === "failed" ? {} : { value: endpoint }) };
}

/** WebSockets come through: a stranger's gets 401 from the gateway, and 426 where a proxy took the upgrade off. */
export async function tryUpgrade(endpoint: Endpoint, signal: AbortSignal): Promise<Answer> {
  const url = httpUrl(endpoint, `/ws/agent/${crypto.randomUUID()}`);
  const status = await upgradeStatus(endpoint, url, signal);
  if (status === 401) return { detail: "pass through to the gateway" };
  const hint =
    status >= 500
      ? "does the proxy reach the gateway's port?"
      : "the proxy must pass the headers Upgrade and Connection: docs/gateway.md has the lines for nginx and Caddy";
  return {
    verdict: "failed",
    detail: `do not come through: ${url.origin} answered ${status} to an upgrade`,
    hint,
  };
}

// --- internal ---

async function askHere(
  { host, port, isTls }: { host: string; port: number; isTls: boolean },
  signal: AbortSignal,
) {
  const name = ["0.0.0.0", "::", ""].includes(host) ? "127.0.0.1" : host;
  const url = `${isTls ? "https" : "http"}://${name.includes(":") ? `[${name}]` : name}:${port}/ready`;
  // The certificate is another check's.
  const response = await fetch(url, { signal, proxy: false, tls: { rejectUnauthorized: false } }).catch(
    (error: unknown) => error,
  );
  if (!(response instanceof Response)) {
    const hint = "was the gateway started with other options than these? Give them here too";
    return { verdict: "failed" as const, detail: `nothing answers at ${url}: ${messageOf(response)}`, hint };
  }
  const text = (await response.text()).slice(0, 200);
  if (response.ok && text.includes("ready")) return { detail: `${url} answers: it is ready` };
  const hint = "does another program listen there? The gateway's log says more";
  return { verdict: "failed" as const, detail: `${url} answered ${response.status} ${text}`, hint };
}

function upgradeStatus(endpoint: Endpoint, url: URL, signal: AbortSignal): Promise<number> {
  const { tls } = dialOptions(endpoint, url);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const headers = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64"),
  };
  const open = url.protocol === "https:" ? httpsRequest : httpRequest;
  const request = open(url, { headers, signal, ...(tls ?? {}) }, (response) => {
    resolve(response.statusCode ?? 0);
    response.destroy();
  });
  request.on("upgrade", (_, socket) => {
    resolve(101);
    socket.destroy();
  });
  request.on("error", reject);
  request.end();
  return promise;
}
