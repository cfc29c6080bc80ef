/** Kinds of values that settings have: how a text becomes a value, within which bounds. */
import { resolve } from "node:path";
import { LONGEST_TIMER_MS, parseDuration } from "../../lib/duration.ts";
import { RexecError } from "../../lib/errors.ts";
import { closest } from "../../lib/suggest.ts";
import { TrustedProxies } from "../http/trusted-proxies.ts";

/** What texts of a source refer to. */
export interface Place {
  /** Folder that relative paths start from. */
  readonly base: string;
  /** What `~` stands for. */
  readonly home: string;
}

/** A file or folder that the gateway uses because a setting names it. */
export interface FileUse {
  /** Absolute. */
  readonly path: string;
  readonly access: "read" | "write";
}

/** How the value of a setting is written. Has no state. */
export interface Kind<T> {
  /** Stands for the value in help texts: `PORT`. */
  readonly hint: string;
  /** Whether it is an option without a value, or one that may be repeated. */
  readonly form: "value" | "list" | "switch";
  /**
   * @param texts one, or for a list any number
   * @throws BadValue
   */
  parse(texts: readonly string[], place: Place): T;
  /** The texts as `--print-config` shows them: absolute paths. */
  shown(texts: readonly string[], place: Place): readonly string[];
  /** What the gateway's account has to get at: a service that may not is refused before it is installed. */
  files?(texts: readonly string[], place: Place): readonly FileUse[];
}

/** A text that is no value of its kind. The loader adds the name of the setting and its source. */
export class BadValue extends Error {
  override readonly name = "BadValue";
  /** The wrong text. */
  readonly text: string;
  /** What a right one is: "it is a number from 0 to 65535". */
  readonly hint: string | undefined;

  constructor(text: string, hint: string | undefined) {
    super(`cannot be "${text}"`);
    this.text = text;
    this.hint = hint;
  }
}

/** Longest text of one value, and most values of a list. */
export const VALUE_CHARS = 4_096;
export const LIST_ITEMS = 256;

/** A text of one line that is used as it is: an address, say. */
export function text(hint: string): Kind<string> {
  return scalar(hint, (given) => {
    if (/[\u0000-\u001f\u007f]/.test(given)) throw new BadValue(given, "it has no control characters");
    return given;
  });
}

/** A whole number within bounds. `unit` stands behind it in messages. */
export function count(hint: string, least: number, most: number): Kind<number> {
  return scalar(hint, (given) => {
    const number = Number(given);
    if (/^\d+$/.test(given) && number >= least && number <= most) return number;
    throw new BadValue(given, `it is a number from ${least} to ${most}`);
  });
}

/** A time, in ms: `30s`, `5m`; a bare number is seconds. */
export function time(least: string, most?: string): Kind<number> {
  const [leastMs, mostMs] = [parseDuration(least) ?? 0, most ? (parseDuration(most) ?? 0) : LONGEST_TIMER_MS];
  return scalar("TIME", (given) => {
    const ms = parseDuration(given);
    if (ms !== null && ms >= leastMs && ms <= mostMs) return ms;
    const range = most ? `from ${least} to ${most}` : `of ${least} or more`;
    throw new BadValue(given, `it is a time ${range}: 3s, 10m, 1h`);
  });
}

/** One of a few words. */
export function choice<const W extends string>(...words: readonly W[]): Kind<W> {
  return scalar(words.join("|"), (given) => {
    const found = words.find((word) => word === given);
    if (found !== undefined) return found;
    const near = closest(given, words);
    const meant = near === undefined ? "" : `; did you mean "${near}"?`;
    throw new BadValue(given, `it is one of: ${words.join(", ")}${meant}`);
  });
}

/** On or off. */
export const toggle: Kind<boolean> = {
  ...scalar("true|false", (given) => {
    if (/^(true|yes|on|1)$/i.test(given)) return true;
    if (/^(false|no|off|0)$/i.test(given)) return false;
    throw new BadValue(given, "it is true or false");
  }),
  form: "switch",
};

/**
 * The path of a file or folder, absolute: a relative one starts at the working folder, or at the YAML file's.
 * @param access what the gateway does there
 */
export function path(hint: "FILE" | "DIR", access: FileUse["access"] = "read"): Kind<string> {
  const absolute = (given: string, { base, home }: Place) =>
    resolve(
      base,
      given.replace(/^~(?=\/|$)/, () => home),
    );
  return {
    ...scalar(hint, (given, place) => {
      if (given.includes("\0")) throw new BadValue(given, "it is the path of a file or folder");
      return absolute(given, place);
    }),
    shown: (texts, place) => texts.map((each) => absolute(each, place)),
    files: (texts, place) => texts.map((each) => ({ path: absolute(each, place), access })),
  };
}

/** A folder, as `path`, or `s3://BUCKET/PREFIX`. */
export const folderOrBucket: Kind<string> = {
  ...scalar("DIR|S3", (given, place) =>
    given.startsWith("s3:") ? given : path("DIR").parse([given], place),
  ),
  shown: (texts, place) =>
    texts.map((each) => (each.startsWith("s3:") ? each : (path("DIR").shown([each], place)[0] ?? each))),
  files: (texts, place) =>
    texts
      .filter((each) => !each.startsWith("s3:"))
      .map((each) => ({ path: path("DIR").parse([each], place), access: "write" })),
};

/** Bytes, with K, M, G or T for powers of 1024. */
export const bytes: Kind<number> = scalar("SIZE", (given) => {
  const [, number, unit = ""] = /^(\d{1,12})([KMGT]?)(?:i?B)?$/i.exec(given) ?? [];
  const size = Number(number) * 1024 ** ["", "K", "M", "G", "T"].indexOf(unit.toUpperCase());
  if (number !== undefined && Number.isSafeInteger(size)) return size;
  throw new BadValue(given, "it is a number of bytes: 500M, 10G");
});

/** What `Authorization: Bearer` can carry, and nothing that could be guessed. */
export const bearer: Kind<string> = scalar("TOKEN", (given) => {
  if (/^[A-Za-z0-9._~+/=-]{16,}$/.test(given)) return given;
  throw new BadValue("…", "it has 16 characters or more, and no spaces: openssl rand -hex 32 makes one");
});

/** The URL of this gateway, without a slash at its end. */
export const publicUrl: Kind<string> = scalar("URL", (given) => {
  const url = URL.canParse(given) ? new URL(given) : null;
  const plain = url && /^https?:$/.test(url.protocol) && !url.search && !url.hash && !url.username;
  if (plain) return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
  throw new BadValue(given, "give the whole address: https://rexec.example.com");
});

/** The origin of a web page. */
export const origin: Kind<string> = scalar("ORIGIN", (given) => {
  if (URL.canParse(given) && new URL(given).origin !== "null") return new URL(given).origin;
  throw new BadValue(given, "it is a page's origin: https://example.com");
});

/** An address or network of a reverse proxy: see `TrustedProxies`. */
export const proxyAddress: Kind<string> = scalar("CIDR", (given) => {
  try {
    new TrustedProxies([given]);
    return given;
  } catch (error) {
    throw new BadValue(given, error instanceof RexecError ? error.hint : undefined);
  }
});

/** Any number of values: a list in YAML, commas elsewhere. */
export function list<T>(item: Kind<T>): Kind<readonly T[]> {
  const words = (texts: readonly string[]) =>
    texts.flatMap((each) => each.split(",")).map((each) => each.trim());
  const split = (texts: readonly string[]) => {
    const items = words(texts).filter(Boolean);
    if (items.length > LIST_ITEMS)
      throw new BadValue(`${items.length} values`, `it has ${LIST_ITEMS} at most`);
    return items;
  };
  return {
    hint: item.hint,
    form: "list",
    parse: (texts, place) => split(texts).map((each) => item.parse([each], place)),
    shown: (texts, place) => split(texts).flatMap((each) => item.shown([each], place)),
  };
}

/** A kind of one text. */
export function scalar<T>(hint: string, parse: (text: string, place: Place) => T): Kind<T> {
  return {
    hint,
    form: "value",
    parse(texts, place) {
      const [given = "", ...more] = texts;
      if (more.length > 0) throw new BadValue(texts.join(", "), "it is one value, not a list");
      // Of a host it would mean all addresses, say; a key that is left out has the default.
      if (given === "") throw new BadValue(given, "give a value, or leave it out");
      if (given.length > VALUE_CHARS) {
        throw new BadValue(`${given.slice(0, 40)}…`, `it has ${VALUE_CHARS} characters at most`);
      }
      return parse(given, place);
    },
    shown: (texts) => texts,
  };
}
