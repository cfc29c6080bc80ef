/** Explains failed connections, with a hint. For HTTP, WebSocket and plain TCP. */
import { errnoOf, messageOf, RexecError } from "./errors.ts";

/**
 * @param proxy the proxy of the connection: a refusal, or a name that is not found, is then the proxy's
 * @returns RexecError `unreachable` or `tls`
 */
export function connectionError(error: unknown, url: URL, proxy?: string): RexecError {
  const text = messageOf(error);
  const code = errnoOf(error) ?? "";
  const both = `${code} ${text}`;
  const isTls = /CERT|TLS|SSL|certificate|self.signed|EPROTO/i.test(both);
  if (proxy !== undefined && !isTls) return proxyError(error, proxy, url);
  if (code === "EPROTO" || code === "ERR_SSL_WRONG_VERSION_NUMBER") {
    return unreachable(
      `${url.host} speaks no TLS`,
      "is this the right port, and the right scheme (http:// in place of https://)?",
      error,
    );
  }
  if (isTls) {
    const { why, hint } = certificateProblem(code || text);
    return new RexecError(`cannot trust ${url.host}: ${why}`, { code: "tls", hint, cause: error });
  }
  const known = EXPLAINED.find(({ test }) => test.test(both));
  if (known) return unreachable(known.say(url), known.hint, error);
  return unreachable(
    `cannot reach ${url.host}: ${code && !text.includes(code) ? `${code}: ` : ""}${text}`,
    "check the address, the network and a proxy on the way",
    error,
  );
}

/**
 * Explains the certificate error of OpenSSL or the runtime.
 * @param names the names in the certificate, where known: `localhost, *.example.com`
 */
export function certificateProblem(code: string, names?: string): { why: string; hint: string } {
  const found = CERTIFICATES.find(({ test }) => test.test(code));
  if (!found) return { why: code, hint: AUTHORITY_HINT };
  const whose = found.test.source.includes("ALTNAME") && names ? ` (for ${names})` : "";
  return { why: `${found.why}${whose} (${code.split(/[\s:]/, 1)[0]})`, hint: found.hint };
}

/** True for an error code of name resolution: no such name, or no name server answered. */
export function isNameError(text: string): boolean {
  // Bun gives ENOENT for some names (1.4.5, when it listens or where the resolver answers with a failure).
  return /ENOTFOUND|EAI_\w+|getaddrinfo|\bDNS|ENODATA|ESERVFAIL|ENONAME|EBADNAME|ENOENT|ERR_INVALID_URL/i.test(
    text,
  );
}

// --- internal ---

interface Explained {
  test: RegExp;
  say(url: URL): string;
  hint: string;
}

const NETWORK_HINT = "check the address, the network, and a firewall or a proxy on the way";

const EXPLAINED: readonly Explained[] = [
  {
    test: /ENOTFOUND|EAI_(?!AGAIN)\w+|ENODATA|ENONAME|EBADNAME|ENOENT|ERR_INVALID_URL/,
    say: ({ hostname }) => `cannot find ${hostname}: no such name, or no DNS`,
    hint: "check the address and the network",
  },
  {
    test: /EAI_AGAIN|ESERVFAIL|getaddrinfo|\bDNS/i,
    say: ({ hostname }) => `cannot find ${hostname}: no name server answers`,
    hint: "check the network and /etc/resolv.conf",
  },
  {
    test: /refused/i,
    say: ({ host }) => `${host} refuses the connection`,
    hint: "is the server running, and is this its port?",
  },
  {
    test: /ECONNRESET|EPIPE|ECONNABORTED|closed unexpectedly|Connection ended/,
    say: ({ host }) => `${host} closed the connection before it had answered`,
    hint: "is this the right port and scheme (https:// in place of http://)? A firewall or proxy may also cut it",
  },
  {
    test: /ETIMEDOUT|ConnectionTimeout|timed out|\btimeout\b/i,
    say: ({ host }) => `${host} does not answer`,
    hint: NETWORK_HINT,
  },
  {
    test: /ENETUNREACH|EHOSTUNREACH|ENETDOWN|EHOSTDOWN|ENONET/,
    say: ({ host }) => `cannot reach ${host}: this machine has no way there`,
    hint: "check the network, and whether this machine has IPv6 where the address is one",
  },
  {
    test: /EADDRNOTAVAIL|EAFNOSUPPORT/,
    say: ({ host }) => `cannot reach ${host}: this machine has no address, or no free port, to reach it from`,
    hint: "check the network, and whether this machine has IPv6 where the address is one",
  },
  {
    test: /EACCES|EPERM/,
    say: ({ host }) => `this machine does not let us connect to ${host}`,
    hint: "check its firewall, and the sandbox or service unit that this program runs in",
  },
  {
    test: /EMFILE|ENFILE/,
    say: ({ host }) => `cannot reach ${host}: no file descriptor is free`,
    hint: "raise the limit of open files (ulimit -n, LimitNOFILE=)",
  },
  {
    test: /EINVAL/,
    say: ({ host }) => `${host} is no address that can be connected to`,
    hint: "a link-local address (fe80::…) needs its interface and cannot be used here",
  },
  {
    test: /M(issing|ismatch(ed)?) client protocol/,
    say: ({ host }) => `${host} opens the socket without a subprotocol`,
    hint: "a proxy on the way must pass the header Sec-WebSocket-Protocol, both ways",
  },
  {
    test: /HPE_\w+|Malformed_HTTP|Invalid response|InvalidHTTPResponse/i,
    say: ({ host }) => `${host} answers, but not in HTTP`,
    hint: "is this the right port? Another service seems to listen there",
  },
];

const AUTHORITY_HINT =
  "for a private authority give its file as ca_file (REXEC_CA_FILE), and check this machine's clock";

const CERTIFICATES: readonly { test: RegExp; why: string; hint: string }[] = [
  {
    test: /ALTNAME|HOSTNAME_MISMATCH|hostname.*(mismatch|match)/i,
    why: "its certificate is for another name",
    hint: "use the name that the certificate is for, or have the server's certificate made for this one too",
  },
  {
    test: /HAS_EXPIRED|has expired/i,
    why: "its certificate has expired",
    hint: "renew it on the server, or set this machine's clock",
  },
  {
    test: /NOT_YET_VALID|not yet valid/i,
    why: "its certificate is not valid yet",
    hint: "set this machine's clock: timedatectl set-ntp true",
  },
  {
    test: /SELF_SIGNED|self.signed/i,
    why: "its certificate is signed by itself, or by an authority that is not known here",
    hint: AUTHORITY_HINT,
  },
  {
    test: /UNABLE_TO_(VERIFY|GET_ISSUER)|unable to (verify|get)|UNKNOWN_CERTIFICATE_VERIFICATION/i,
    why: "its certificate is of an authority that is not known here, or the server sends no intermediate certificate",
    hint: AUTHORITY_HINT,
  },
  { test: /REVOKED/i, why: "its certificate was revoked", hint: "have a new one made on the server" },
];

/** Bun tells a proxy that is not there, and one that answers anything but 200, as it tells a server that is not there. */
function proxyError(error: unknown, proxy: string, url: URL): RexecError {
  const at = URL.canParse(proxy) ? new URL(proxy) : null;
  const both = `${errnoOf(error)} ${messageOf(error)}`;
  const known = at && EXPLAINED.find(({ test }) => test.test(both));
  const why = /refused/i.test(both)
    ? "refuses the connection"
    : `gives no connection: ${known ? known.say(at) : (errnoOf(error) ?? messageOf(error))}`;
  return unreachable(
    `cannot reach ${url.host}: the proxy ${at?.host ?? ""} ${why}`,
    "correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, or name this server in NO_PROXY",
    error,
  );
}

function unreachable(message: string, hint: string, cause: unknown): RexecError {
  return new RexecError(message, { code: "unreachable", hint, cause });
}
