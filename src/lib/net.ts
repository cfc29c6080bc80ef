/** Resolves a server's address, and the proxy and certificates to reach it with. */
import { readCertificates } from "./ca-file.ts";
import { ExitCode, RexecError } from "./errors.ts";
import { bareHost, isLoopback, proxyFor } from "./proxy.ts";

/** A server and the way to it, resolved once, for HTTP and WebSocket. */
export interface Endpoint {
  /** Origin and path prefix without a trailing slash: `https://rexec.pipeops.io`. */
  readonly base: URL;
  /** Certificates that are trusted (PEM), or null for the built-in ones. */
  readonly ca: readonly string[] | null;
  /** The environment, which names proxies. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Options for `fetch` or `new WebSocket` to `url`. */
export interface DialOptions {
  proxy?: string;
  tls?: { ca: string[] };
}

/**
 * Checks an address that a person or a file gave.
 * @throws RexecError `bad_host` (no http(s) URL), `insecure_host` (plain http over a network), `bad_ca_file`
 */
export function resolveEndpoint(options: {
  url: string;
  insecure: boolean;
  caFile?: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
}): Endpoint {
  const base = parseHost(options.url);
  if (base.protocol === "http:" && !isLoopback(bareHost(base)) && !options.insecure) {
    throw new RexecError(
      `${base.origin} is plain http: the token and every keystroke would be readable on the way`,
      {
        code: "insecure_host",
        hint: `use https://${base.host}, or give --insecure (REXEC_INSECURE=1) where the network itself is trusted`,
        exitCode: ExitCode.usage,
      },
    );
  }
  return { base, ca: trusted(options.caFile), env: options.env };
}

/** The options with which to dial `url` at this endpoint. */
export function dialOptions(endpoint: Endpoint, url: URL): DialOptions {
  const proxy = proxyFor(url, endpoint.env);
  return { ...(proxy ? { proxy } : {}), ...(endpoint.ca ? { tls: { ca: [...endpoint.ca] } } : {}) };
}

/** `path` at the endpoint, as http(s). */
export function httpUrl(endpoint: Endpoint, path: string): URL {
  return new URL(`${endpoint.base.href.replace(/\/$/, "")}${path}`);
}

/** `path` at the endpoint, as ws(s). */
export function wsUrl(endpoint: Endpoint, path: string): URL {
  const url = httpUrl(endpoint, path);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

// --- internal ---

function parseHost(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && (url.protocol === "https:" || url.protocol === "http:") && url.hostname) {
    url.search = "";
    url.hash = "";
    url.pathname = url.pathname.replace(/\/+$/, "");
    return url;
  }
  const numbers = /^https?:\/\/([\d.]+)(:\d+)?(\/|$)/i.exec(text)?.[1];
  const why = numbers ? `: ${numbers} is no IP address` : "";
  throw new RexecError(`"${text}" is no http(s) address of a Rexec server${why}`, {
    code: "bad_host",
    hint: `give the whole URL, for example ${probablyMeant(text)}`,
    exitCode: ExitCode.usage,
  });
}

/** A bare name gets the scheme that it lacks; anything else an example. */
function probablyMeant(text: string): string {
  if (!/^[\w.-]+(:\d+)?$/.test(text)) return "https://rexec.example.com";
  const name = text.replace(/:\d+$/, "");
  return `${isLoopback(name) ? "http" : "https"}://${text}`;
}

/** `NODE_EXTRA_CA_CERTS` is read by the runtime itself at start; a `ca_file` is added to what it trusts. */
function trusted(caFile: string | undefined): readonly string[] | null {
  if (!caFile) return null;
  const { getCACertificates } = process.getBuiltinModule("node:tls");
  return [...getCACertificates("default"), ...readCertificates(caFile)];
}
