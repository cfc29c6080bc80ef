/** The reverse proxies whose X-Forwarded-… headers count, named by address. */
import { BlockList, isIP } from "node:net";
import { RexecError } from "../../lib/errors.ts";

/** Names for the ranges that most proxies are in. */
const RANGES: ReadonlyMap<string, readonly string[]> = new Map([
  ["loopback", ["127.0.0.0/8", "::1/128"]],
  // RFC 1918, RFC 4193, RFC 6598 and link-local addresses.
  ["private", ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10"]],
]);

/** The addresses and networks of `--trust-proxy`. One for a gateway. */
export class TrustedProxies {
  readonly #list = new BlockList();

  /**
   * @param words addresses, networks (`10.0.0.0/8`), `loopback` or `private`; none trusts nothing
   * @throws RexecError `bad_proxy` for anything else
   */
  constructor(words: readonly string[] = []) {
    for (const word of words)
      for (const network of RANGES.get(word.toLowerCase()) ?? [word]) this.#add(network);
  }

  has(address: string): boolean {
    const family = familyOf(address);
    return family !== null && this.#list.check(address, family);
  }

  #add(network: string): void {
    const [address = "", bits, ...more] = network.split("/");
    const family = familyOf(address);
    const longest = family === "ipv4" ? 32 : 128;
    const length = bits === undefined ? longest : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (family === null || more.length > 0 || !(length <= longest)) {
      throw new RexecError(`"${network}" is no address of a proxy`, {
        code: "bad_proxy",
        hint: "give an address, a network such as 10.0.0.0/8, loopback or private",
      });
    }
    this.#list.addSubnet(address, length, family);
  }
}

// --- internal ---

function familyOf(address: string): "ipv4" | "ipv6" | null {
  const version = isIP(address);
  if (version === 0) return null;
  return version === 4 ? "ipv4" : "ipv6";
}
