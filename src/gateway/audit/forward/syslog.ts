/** Sends audit rows as syslog messages (RFC 5424): over UDP, TCP or TLS, or to a socket of this machine. */
import { hostname } from "node:os";
import type { AuditRow } from "../row.ts";
import { auditView } from "../view.ts";
import type { Collector } from "./forwarder.ts";
import { type Datagram, transportOf } from "./transport.ts";

/** Facility 13, "log audit", and the severities of RFC 5424 section 6.2.1. */
const FACILITY = 13;
const [WARNING, INFO] = [4, 6];
/** The number for examples (RFC 5612): there is none of our own. */
const SD_ID = "rexec@32473";
/** Bytes of a message; a larger one has no details. What RFC 5426 has receivers take at least is 2,048. */
const MAX_BYTES = 8_192;

/**
 * @param address `udp://HOST:514`, `tcp://HOST:601`, `tls://HOST:6514` or `unix:///dev/log`
 * @param datagram opens a datagram socket of this machine, which Bun has none of
 */
export function syslog(address: string, datagram: Datagram | null): Collector {
  const transport = transportOf(new URL(address), datagram);
  return {
    key: `syslog:${address}`.slice(0, 255),
    name: address,
    send: (rows, signal) =>
      transport.send(
        rows.map((row) => syslogMessage(row)),
        signal,
      ),
    close: () => transport.close(),
  };
}

/** The JSON of the API, as ASCII, behind a header with the fields that one filters by. */
export function syslogMessage(row: AuditRow, host = hostname()): Uint8Array {
  const severity = /failed|refused|lost|dropped/.test(row.action) ? WARNING : INFO;
  const header = [
    `<${FACILITY * 8 + severity}>1`,
    row.created_at,
    word(host, 255),
    "rexec",
    String(process.pid),
    word(row.action, 32),
    structured(row),
  ].join(" ");
  const view = auditView(row);
  const whole = Buffer.from(`${header} ${ascii(view)}`);
  if (whole.length <= MAX_BYTES) return whole;
  return Buffer.from(`${header} ${ascii({ ...view, details: { left_out: true } })}`);
}

// --- internal ---

/** Printable ASCII without a blank, or `-` for none. */
function word(text: string, most: number): string {
  return text.replace(/[^!-~]/g, "_").slice(0, most) || "-";
}

function structured(row: AuditRow): string {
  const { chain, seq, hash, user_name, address, agent_name, session } = row;
  const params = { chain, seq: String(seq), hash, user: user_name, address, agent: agent_name, session };
  const shown = Object.entries(params).flatMap(([name, value]) =>
    value === null ? [] : [`${name}="${value.replace(/["\\\]]/g, "\\$&").replace(/\p{Cc}/gu, " ")}"`],
  );
  return `[${SD_ID} ${shown.join(" ")}]`;
}

function ascii(value: object): string {
  return JSON.stringify(value).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
