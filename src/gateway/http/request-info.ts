/** Where a request comes from and under which address its sender knows us. */
import { isIP } from "node:net";

export interface RequestInfo {
  /** The sender's IP address. */
  address: string;
  /** Origin and path prefix of this gateway as the sender reaches it, without a trailing slash. */
  publicUrl: string;
}

export interface ProxyOptions {
  /** Given by whoever runs the gateway; always right. */
  publicUrl: string | undefined;
  /** There is a reverse proxy in front, and its X-Forwarded-… may be believed. Without it anyone could forge them. */
  trustProxy: boolean;
  /** Where the socket listens: for requests without a usable Host. */
  listening: string;
}

/** @param peer address of the other end of the TCP connection */
export function requestInfo(request: Request, peer: string, options: ProxyOptions): RequestInfo {
  const { headers } = request;
  const trusted = (name: string) => (options.trustProxy ? headers.get(name) : null);
  // The last one is what the proxy itself saw; everything before it the sender may have made up.
  const forwardedFor = trusted("x-forwarded-for")?.split(",").at(-1)?.trim();
  const address = plainAddress(forwardedFor && isIP(forwardedFor) ? forwardedFor : peer);
  if (options.publicUrl) return { address, publicUrl: options.publicUrl };
  const host = trusted("x-forwarded-host") ?? headers.get("host") ?? "";
  const forwardedProto = trusted("x-forwarded-proto")?.split(",")[0]?.trim();
  const scheme =
    forwardedProto === "https" || forwardedProto === "http"
      ? forwardedProto
      : new URL(options.listening).protocol.replace(":", "");
  return { address, publicUrl: HOST.test(host) ? `${scheme}://${host}` : options.listening };
}

// --- internal ---

/** A name, an IPv4 or bracketed IPv6 address, and a port: nothing that could mean something to a shell or a page. */
const HOST = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/i;

/** An IPv4 address as IPv6 writes it, as IPv4. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
}
