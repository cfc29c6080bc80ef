/** Where a request comes from and under which address its sender knows the gateway. */
import { isIP } from "node:net";
import { hostname } from "node:os";
import { bareHost, isLoopback } from "../../lib/proxy.ts";
import { addressIn } from "./address.ts";
import { REQUEST_ID, requestIdOf } from "./request-id.ts";
import type { TrustedProxies } from "./trusted-proxies.ts";

/** The sender of a request, and the address that it used. */
export interface RequestInfo {
  /** The sender's IP address. */
  address: string;
  /** A trusted proxy's, or our own. */
  requestId: string;
  /** Origin and path prefix of this gateway as the sender reaches it, without a trailing slash. */
  publicUrl: string;
  /** Origins of the gateway's own pages. A page of another site cannot have one of them, by DNS rebinding neither. */
  ownOrigins: readonly string[];
  /** It was sent by a program on this machine to an address of this machine, and no proxy passed it on. */
  isLocal: boolean;
}

/** What is known of the way between a sender and this gateway. */
export interface ProxyOptions {
  /** Given by the operator; always right. */
  publicUrl: string | undefined;
  /** Reverse proxies whose X-Forwarded-… headers count. From anyone else they could be forged. */
  trusted: TrustedProxies;
  /** Where the socket listens: for requests without a usable Host. */
  listening: string;
}

/** @param peer address of the other end of the TCP connection */
export function requestInfo(request: Request, peer: string, options: ProxyOptions): RequestInfo {
  const { headers } = request;
  const nearest = addressIn(peer) ?? peer;
  const proxied = options.trusted.has(nearest);
  const forwarded = (name: string) => (proxied ? headers.get(name) : null);
  const address = senderOf(forwarded("x-forwarded-for"), nearest, options.trusted);
  const isLocal = cameFromHere(headers, nearest);
  const sender = { address, requestId: requestIdOf(forwarded(REQUEST_ID)), isLocal };
  if (options.publicUrl) return { ...sender, publicUrl: options.publicUrl, ownOrigins: [options.publicUrl] };
  const host = forwarded("x-forwarded-host") ?? headers.get("host") ?? "";
  const forwardedProto = forwarded("x-forwarded-proto")?.split(",")[0]?.trim();
  const scheme =
    forwardedProto === "https" || forwardedProto === "http"
      ? forwardedProto
      : new URL(options.listening).protocol.replace(":", "");
  const publicUrl = HOST.test(host) && hostProblem(host) === null ? `${scheme}://${host}` : options.listening;
  return { ...sender, publicUrl, ownOrigins: cannotBeRebound(publicUrl) ? [publicUrl] : [] };
}

/**
 * Why a request has no usable `Host`, or null. HTTP/1.0 needs none; what names two hosts, or none that a URL could have,
 * is refused by RFC 9112 section 3.2. Bun joins repeated headers with ", ".
 */
export function hostProblem(host: string | null): string | null {
  if (host === null || host === "") return null;
  if (/^[^\s/?#@\\]+$/.test(host) && URL.canParse(`http://${host}/`)) return null;
  return "the Host header names no host, or more than one";
}

// --- internal ---

/** A name, an IPv4 or bracketed IPv6 address, and a port: nothing that could mean something to a shell or a page. */
const HOST = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/i;

/**
 * Looks at the real peer: any client can write the headers that name a sender's address. A proxy on this machine is such
 * a peer too; the headers that it adds tell it apart, or a Host that is not loopback. That Host also tells a page apart
 * whose name was rebound to this machine.
 */
function cameFromHere(headers: Headers, peer: string): boolean {
  if (!isLoopback(peer) || PASSED_ON.some((name) => headers.has(name))) return false;
  const host = headers.get("host") ?? "";
  return URL.canParse(`http://${host}/`) && isLoopback(bareHost(new URL(`http://${host}/`)));
}

/** A proxy adds one of them. */
const PASSED_ON = [
  "forwarded",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
  "cf-connecting-ip",
  "true-client-ip",
];

/**
 * The right-most address that no trusted proxy has: what stands to the left of it, the sender may have made up. The same
 * holds for what is left of an entry that is no address. Empty entries count for nothing (RFC 9110 section 5.6.1).
 */
function senderOf(forwardedFor: string | null, peer: string, trusted: TrustedProxies): string {
  let sender = peer;
  const hops = (forwardedFor ?? "").split(",").filter((hop) => hop.trim() !== "");
  for (const hop of hops.slice(-MAX_HOPS).reverse()) {
    const address = addressIn(hop);
    if (address === null) break;
    sender = address;
    if (!trusted.has(address)) break;
  }
  return sender;
}

const MAX_HOPS = 16;

/** True for a host that the DNS of another site has no say in: an address, `localhost`, this machine's name. */
function cannotBeRebound(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const name = new URL(url).hostname.replace(/^\[|\]$/g, "");
  return isIP(name) !== 0 || /(^|\.)localhost$/.test(name) || name === hostname().toLowerCase();
}
