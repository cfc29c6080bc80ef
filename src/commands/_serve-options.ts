/** What the options of `rexec serve` say, checked. Each throws a UsageError that names its option. */
import { TrustedProxies } from "../gateway/http/trusted-proxies.ts";
import { LONGEST_TIMER_MS, parseDuration } from "../lib/duration.ts";
import { RexecError, UsageError } from "../lib/errors.ts";

/** Sockets are looked after once a second. */
const MIN_LIVENESS_MS = 1_000;
const MAX_LIVENESS_MS = 3_600_000;

export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new UsageError(`--port cannot be "${text}"`, "it is a number from 0 to 65535");
}

export function parseCount(option: string, text: string, least: number, most: number): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= least && count <= most) return count;
  throw new UsageError(`--${option} cannot be "${text}"`, `it is a number from ${least} to ${most}`);
}

/** Bytes, with K, M, G or T for powers of 1024. */
export function parseBytes(option: string, text: string): number {
  const [, count, unit = ""] = /^(\d{1,12})([KMGT]?)i?B?$/i.exec(text) ?? [];
  const bytes = Number(count) * 1024 ** " KMGT".indexOf(unit.toUpperCase() || " ");
  if (count !== undefined && Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(`--${option} cannot be "${text}"`, "it is a number of bytes: 500M, 10G");
}

/** Of those that speak rexec.v2; who speaks v1 is asked more seldom. */
export function parseLiveness(ping: string, dead: string): { v2PingMs: number; v2DeadMs: number } {
  const [v2PingMs, v2DeadMs] = [parseTime("ping-interval", ping), parseTime("dead-after", dead)];
  if (v2DeadMs > v2PingMs) return { v2PingMs, v2DeadMs };
  throw new UsageError("--dead-after must be longer than --ping-interval", "twice as long, or more");
}

export function parseForgetting(text: string): number {
  const ms = parseDuration(text);
  if (ms !== null && ms >= MIN_LIVENESS_MS && ms <= LONGEST_TIMER_MS) return ms;
  throw new UsageError(`--forget-ephemeral cannot be "${text}"`, "it is a time of a second or more: 10m, 1h");
}

function parseTime(option: string, text: string): number {
  const ms = parseDuration(text);
  if (ms !== null && ms >= MIN_LIVENESS_MS && ms <= MAX_LIVENESS_MS) return ms;
  throw new UsageError(`--${option} cannot be "${text}"`, "it is a time from 1s to 1h: 3s, 1m");
}

export function parsePublicUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : null;
  const plain = url && /^https?:$/.test(url.protocol) && !url.search && !url.hash && !url.username;
  if (plain) return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
  throw new UsageError(
    `--public-url cannot be "${text}"`,
    "give the whole address: https://rexec.example.com",
  );
}

export function parseOrigin(text: string): string {
  if (URL.canParse(text) && new URL(text).origin !== "null") return new URL(text).origin;
  throw new UsageError(`--allow-origin cannot be "${text}"`, "it is a page's origin: https://example.com");
}

export function parseProxies(text: string | undefined): string[] {
  const words = (text ?? "").split(",").map((word) => word.trim());
  if (words.length === 1 && words[0] === "") return [];
  try {
    new TrustedProxies(words);
    return words;
  } catch (error) {
    if (!(error instanceof RexecError)) throw error;
    throw new UsageError(`--trust-proxy: ${error.message}`, error.hint);
  }
}

export function parseTls(cert: string | undefined, key: string | undefined) {
  if (cert && key) return { cert, key };
  if (!cert && !key) return undefined;
  throw new UsageError("--tls-cert and --tls-key belong together", "give both files, or neither");
}
