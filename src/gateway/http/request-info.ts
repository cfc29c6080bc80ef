/** Where a request comes from and under which address its sender knows the gateway. */
import { isIP } from "node:net";
import { hostname } from "node:os";
import { bareHost, isLoopback } from "../../lib/proxy.ts";
import type { TrustedProxies } from "./trusted-proxies.ts";

/** The sender of a request, and the address that it used. */
export interface RequestInfo {
  /** The sender's IP address. */
  address: string;
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
  const proxied = options.trusted.has(plainAddress(peer));
  const forwarded = (name: string) => (proxied ? headers.get(name) : null);
  const address = senderOf(forwarded("x-forwarded-for"), plainAddress(peer), options.trusted);
  const isLocal = cameFromHere(headers, plainAddress(peer));
  if (options.publicUrl) {
    return { address, publicUrl: options.publicUrl, ownOrigins: [options.publicUrl], isLocal };
  }
  const host = forwarded("x-forwarded-host") ?? headers.get("host") ?? "";
  const forwardedProto = forwarded("x-forwarded-proto")?.split(",")[0]?.trim();
  const scheme =
    forwardedProto === "https" || forwardedProto === "http"
      ? forwardedProto
      : new URL(options.listening).protocol.replace(":", "");
  const publicUrl = HOST.test(host) && hostProblem(host) === null ? `${scheme}://${host}` : options.listening;
  return { address, publicUrl, ownOrigins: cannotBeRebound(publicUrl) ? [publicUrl] : [], isLocal };
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
 * Looks at the real peer: what a header says of the sender's address anyone may write. A proxy on this machine is such a
 * peer too; it gives itself away by the headers that it adds, or by a Host that others know. So does a page whose name
 * was rebound to this machine.
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

/** The right-most address that no trusted proxy has: what stands to the left of it, the sender may have made up. */
function senderOf(forwardedFor: string | null, peer: string, trusted: TrustedProxies): string {
  let sender = peer;
  for (const hop of (forwardedFor ?? "").split(",").slice(-MAX_HOPS).reverse()) {
    const address = plainAddress(hop.trim());
    if (!isIP(address)) break;
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

/** An IPv4 address as IPv6 writes it, as IPv4. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
}
