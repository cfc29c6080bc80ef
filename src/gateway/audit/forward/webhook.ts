/** Posts audit rows as JSON to an address, signed with HMAC-SHA256. */
import { createHash, createHmac } from "node:crypto";
import { RexecError } from "../../../lib/errors.ts";
import { redact } from "../../../lib/redact.ts";
import { VERSION } from "../../../lib/version.ts";
import type { AuditRow } from "../row.ts";
import { auditView } from "../view.ts";
import type { Collector } from "./forwarder.ts";

/**
 * `X-Rexec-Signature: sha256=HEX` is the HMAC of `TIMESTAMP.BODY`, TIMESTAMP as in `X-Rexec-Timestamp` (Unix seconds).
 * `X-Rexec-Delivery` is the same where a delivery is repeated. Follows no redirect: the answer has to be 2xx.
 */
export function webhook(url: string, secret: string): Collector {
  const key = `webhook:${createHash("sha256").update(url).digest("hex").slice(0, 32)}`;
  return {
    key,
    name: new URL(url).origin,
    async send(rows, signal) {
      const { body, headers } = delivery(rows, secret, Date.now());
      const response = await fetch(url, { method: "POST", body, headers, signal, redirect: "manual" });
      await response.body?.cancel();
      if (response.status < 200 || response.status > 299) {
        throw new RexecError(redact(`it answers ${response.status}`), { code: "webhook" });
      }
    },
    close() {},
  };
}

// --- internal ---

function delivery(rows: readonly AuditRow[], secret: string, now: number) {
  const body = JSON.stringify({ rows: rows.map(auditView) });
  const timestamp = String(Math.floor(now / 1000));
  const [first, last] = [rows[0], rows.at(-1)];
  const headers = {
    "Content-Type": "application/json",
    "User-Agent": `rexec/${VERSION}`,
    "X-Rexec-Delivery": `${first?.chain ?? ""}:${first?.seq ?? 0}-${last?.seq ?? 0}`,
    "X-Rexec-Timestamp": timestamp,
    "X-Rexec-Signature": `sha256=${createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex")}`,
  };
  return { body, headers };
}
