/** The way to the server, layer by layer: name, TCP, proxy, TLS. Each is tried by itself, so that each can be told. */
import { lookup } from "node:dns/promises";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { certificateProblem, connectionError } from "../../lib/connection-error.ts";
import { type Answer, after, type Step, step } from "../../lib/finding.ts";
import type { Endpoint } from "../../lib/net.ts";
import { bareHost, proxyFor } from "../../lib/proxy.ts";

/** Where the first TCP connection goes: to the proxy where there is one. */
interface Hop {
  host: string;
  port: number;
  proxy: URL | null;
}

/** The checks of the way to the server; each waits for those before it. */
export interface Way {
  dns: Promise<Step<Hop>>;
  tcp: Promise<Step<Hop>>;
  proxy: Promise<Step<Hop>>;
  tls: Promise<Step<true>>;
}

/** Starts all four; those that need an earlier one wait for it. */
export function tryWay(endpoint: Endpoint): Way {
  const { base } = endpoint;
  const given = proxyFor(base, endpoint.env);
  const dns = step<Hop>("dns", () => findName(base, given));
  const tcp = after<Hop, Hop>(dns, "tcp", (hop, signal) => tryTcp(hop, signal));
  const proxy = after<Hop, Hop>(tcp, "proxy", (hop, signal) => tryProxy(hop, base, signal));
  const tls =
    base.protocol === "https:"
      ? after<Hop, true>(proxy, "tls", (hop, signal) => tryTls(hop, endpoint, signal))
      : after<Hop, true>(proxy, "tls", () => ({ verdict: "skipped", detail: "plain http", value: true }));
  return { dns, tcp, proxy, tls };
}

// --- internal ---

async function findName(base: URL, given: string | null): Promise<Answer<Hop>> {
  if (given !== null && !URL.canParse(given)) {
    const hint = "correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: http://host:port";
    return { verdict: "failed", detail: `the proxy's address cannot be read: ${withoutLogin(given)}`, hint };
  }
  const proxy = given === null ? null : new URL(given);
  const target = proxy ?? base;
  const host = bareHost(target);
  const port = Number(target.port || (target.protocol === "https:" ? 443 : 80));
  const hop = { host, port, proxy };
  const whose = proxy ? "the proxy " : "";
  if (isIP(host)) return { detail: `${whose}${host} is an address, no name to find`, value: hop };
  try {
    const found = await lookup(host, { all: true });
    return { detail: `${whose}${host} is ${found.map(({ address }) => address).join(", ")}`, value: hop };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const hint =
      code === "EAI_AGAIN" || code === "ESERVFAIL"
        ? "no name server answers: check the network and /etc/resolv.conf"
        : "check the address for a typing error, and /etc/resolv.conf";
    return { verdict: "failed", detail: `cannot find ${whose}${host}${code ? ` (${code})` : ""}`, hint };
  }
}

async function tryTcp(hop: Hop, signal: AbortSignal): Promise<Answer<Hop>> {
  const start = performance.now();
  const socket = await dial(hop, signal);
  const ms = Math.max(1, Math.round(performance.now() - start));
  const address = socket.remoteAddress ?? hop.host;
  socket.destroy();
  return {
    detail: `connected to ${hop.proxy ? "the proxy, " : ""}${address} port ${hop.port} in ${ms} ms`,
    value: hop,
  };
}

async function tryProxy(hop: Hop, base: URL, signal: AbortSignal): Promise<Answer<Hop>> {
  if (!hop.proxy) return { detail: "none is set", value: hop };
  const shown = withoutLogin(hop.proxy.href);
  if (hop.proxy.protocol !== "http:") {
    // The runtime speaks TLS to the proxy itself; what is tried from here on is the request as a whole.
    return { detail: `${shown} is used`, value: hop };
  }
  const socket = await tunnel(hop, base, signal);
  socket.destroy();
  return { detail: `${shown} lets us through to ${base.host}`, value: hop };
}

async function tryTls(hop: Hop, endpoint: Endpoint, signal: AbortSignal): Promise<Answer<true>> {
  const { base, ca } = endpoint;
  if (hop.proxy && hop.proxy.protocol !== "http:") {
    return { verdict: "skipped", detail: "not looked at through a proxy that speaks TLS", value: true };
  }
  const raw = hop.proxy ? await tunnel(hop, base, signal) : await dial(hop, signal);
  const { promise, resolve, reject } = Promise.withResolvers<Answer<true>>();
  const host = bareHost(base);
  const socket = connectTls({
    socket: raw,
    ...(isIP(host) ? {} : { servername: host }),
    host,
    // Judged below, so that what is wrong with a certificate can be told with its dates. No secret is sent.
    rejectUnauthorized: false,
    ...(ca ? { ca: [...ca] } : {}),
  });
  signal.addEventListener("abort", () => socket.destroy());
  socket.on("error", (error) => reject(connectionError(error, base)));
  socket.on("secureConnect", () => {
    const certificate = socket.getPeerCertificate();
    const problem = socket.authorized ? null : String(socket.authorizationError ?? "not trusted");
    const from = Date.parse(certificate.valid_from);
    const to = Date.parse(certificate.valid_to);
    socket.destroy();
    const names = certificate.subjectaltname?.replace(/\b(DNS|IP Address):/g, "").slice(0, MAX_NAMES);
    resolve(judge({ problem, from, to, host: base.host, names }));
  });
  return promise;
}

interface Certificate {
  problem: string | null;
  /** ms since the epoch */
  from: number;
  to: number;
  host: string;
  /** What it is for. */
  names: string | undefined;
}

/** What is read of a proxy's answer to CONNECT, bytes. */
const MOST_HEADERS = 64 * 1024;

/** Characters of the names of a certificate that are shown. */
const MAX_NAMES = 200;

const DAY_MS = 86_400_000;

function judge({ problem, from, to, host, names }: Certificate): Answer<true> {
  const now = Date.now();
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  const clock = `this machine's clock says ${new Date(now).toISOString()}`;
  if (from > now) {
    const detail = `the certificate of ${host} is valid from ${day(from)} on, and ${clock}`;
    return { verdict: "failed", detail, hint: "set the clock: timedatectl set-ntp true" };
  }
  if (to < now) {
    const detail = `the certificate of ${host} expired on ${day(to)}; ${clock}`;
    return { verdict: "failed", detail, hint: "renew it on the server, or set this machine's clock" };
  }
  if (problem !== null) {
    const { why, hint } = certificateProblem(problem, names);
    const more = hint.includes("ca_file")
      ? `${hint}; a proxy that reads along needs its own authority there`
      : hint;
    return { verdict: "failed", detail: `cannot trust ${host}: ${why}`, hint: more };
  }
  const detail = `trusted; the certificate of ${host} is valid until ${day(to)}`;
  if (to - now < 7 * DAY_MS) return { verdict: "warning", detail, hint: "renew it soon", value: true };
  return { detail, value: true };
}

/** An open TCP connection. @throws RexecError in words */
function dial({ host, port, proxy }: Hop, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host, port });
  signal.addEventListener("abort", () => socket.destroy());
  const url = new URL(`http://${bracketed(host)}:${port}`);
  socket.on("error", (error) => reject(connectionError(error, url, proxy?.href)));
  socket.on("connect", () => resolve(socket));
  return promise;
}

/** A connection through the proxy. @throws Error with the proxy's own answer */
async function tunnel(hop: Hop, base: URL, signal: AbortSignal): Promise<Socket> {
  const socket = await dial(hop, signal);
  const target = `${base.hostname}:${base.port || (base.protocol === "https:" ? 443 : 80)}`;
  const { username = "", password = "" } = hop.proxy ?? {};
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const auth = username ? `Proxy-Authorization: Basic ${Buffer.from(login).toString("base64")}\r\n` : "";
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  let said = "";
  socket.on("data", function listen(chunk) {
    said += chunk.toString("latin1");
    if (said.length > MOST_HEADERS) socket.destroy();
    if (!said.includes("\r\n\r\n")) return;
    socket.off("data", listen);
    const line = said.split("\r\n", 1)[0] ?? "";
    if (/^HTTP\/1\.[01] 2\d\d/.test(line)) return resolve(socket);
    const why = line.includes(" 407") ? "it wants a name and a password: http://name:password@host:port" : "";
    reject(
      new Error(
        `the proxy does not let us through to ${target}: ${line.slice(0, 200)}${why ? `; ${why}` : ""}`,
      ),
    );
  });
  socket.on("close", () => reject(new Error(`the proxy closed the connection to ${target}`)));
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${auth}\r\n`);
  return promise;
}

function bracketed(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

function withoutLogin(text: string): string {
  return text.replace(/\/\/[^/@]*@/, "//…@").replace(/\/$/, "");
}
