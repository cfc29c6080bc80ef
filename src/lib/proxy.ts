/**
 * The proxy of a URL by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, as curl and Go read them. Bun's `fetch` follows
 * the variables but its WebSocket does not, so both get the result. (`proxy-from-env`, the usual library,
 * does not match `example.com` against its subdomains and knows no address ranges.)
 */

type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy's URL (credentials in it kept), or null to connect directly. Loopback is never proxied. */
export function proxyFor(url: URL, env: Environment): string | null {
  const secure = url.protocol === "https:" || url.protocol === "wss:";
  const host = bareHost(url);
  const port = url.port || (secure ? "443" : "80");
  if (isLoopback(host) || bypassed(host, port, read(env, "no_proxy"))) return null;
  const proxy = read(env, secure ? "https_proxy" : "http_proxy") || read(env, "all_proxy");
  if (!proxy) return null;
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

/** `localhost`, names below it, 127.0.0.0/8 and ::1. */
export function isLoopback(host: string): boolean {
  return (
    host === "localhost" || host.endsWith(".localhost") || host === "::1" || /^127(\.\d+){3}$/.test(host)
  );
}

/** The host of a URL in lower case, an IPv6 address without its brackets. */
export function bareHost(url: URL): string {
  return url.hostname.toLowerCase().replace(/^\[(.*)\]$/, "$1");
}

// --- internal ---

/** The lower-case name first, as curl does. */
function read(env: Environment, name: string): string {
  return env[name] || env[name.toUpperCase()] || "";
}

function bypassed(host: string, port: string, list: string): boolean {
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => matches(host, port, entry));
}

function matches(host: string, port: string, entry: string): boolean {
  const { isIP } = process.getBuiltinModule("node:net");
  if (entry === "*") return true;
  const [range, bits] = entry.split("/");
  if (range && bits) return inRange(host, range, Number(bits));
  const [, name = entry, wantedPort] = /^(.+):(\d+)$/.exec(isIP(entry) ? "" : entry) ?? [];
  if (wantedPort && wantedPort !== port) return false;
  const domain = name.replace(/^\*?\./, "").replace(/^\[(.*)\]$/, "$1");
  return host === domain || host.endsWith(`.${domain}`);
}

function inRange(host: string, range: string, bits: number): boolean {
  const { BlockList, isIP } = process.getBuiltinModule("node:net");
  const family = isIP(host);
  if (!family || family !== isIP(range) || !Number.isInteger(bits)) return false;
  const type = family === 6 ? "ipv6" : "ipv4";
  try {
    const block = new BlockList();
    block.addSubnet(range, bits, type);
    return block.check(host, type);
  } catch {
    return false; // no such prefix length
  }
}
