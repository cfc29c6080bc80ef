/** IP addresses as sockets and proxies write them, in one form: one sender is one text in limits, logs and lists. */
import { isIP } from "node:net";

/**
 * The address of `1.2.3.4`, `1.2.3.4:5678`, `2001:DB8::1`, `[2001:db8::1]:443` or `::ffff:1.2.3.4`; null for anything
 * else. IPv6 is compressed and in small letters, without a zone; an IPv4 address in it is IPv4.
 */
export function addressIn(text: string): string | null {
  const trimmed = text.trim();
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(trimmed)?.[1];
  const bare = bracketed ?? /^([\d.]+):\d{1,5}$/.exec(trimmed)?.[1] ?? trimmed;
  const version = isIP(bare);
  if (version === 4) return bracketed === undefined ? bare : null;
  if (version === 0) return null;
  const canonical = new URL(`http://[${bare.replace(/%.*$/, "")}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(canonical) ?? [];
  if (high === undefined || low === undefined) return canonical;
  return [high, low].flatMap(bytesOf).join(".");
}

// --- internal ---

function bytesOf(word: string): number[] {
  const value = Number.parseInt(word, 16);
  return [value >> 8, value & 0xff];
}
