/** Where a person is logged in: one file, 0600, a token for each server and which of them is meant by default. */
import { readFileSync, rmSync, statSync } from "node:fs";
import * as z from "zod/mini";
import { writeFileAtomic } from "../lib/atomic-file.ts";
import { ExitCode, errnoOf, messageOf, RexecError } from "../lib/errors.ts";
import { resolveEndpoint } from "../lib/net.ts";
import { parseJson, reasonOf } from "../protocol/parse.ts";
import { asAccount, beside, type Login, login, without } from "./accounts.ts";
import type { Server } from "./api.ts";

export type { Login } from "./accounts.ts";

/** The public service. */
export const DEFAULT_HOST = "https://rexec.pipeops.io";

const credentials = z.looseObject({
  /** The server that is meant where none is named. */
  current: z.optional(z.string()),
  /** By the server's URL without a trailing slash. */
  hosts: z._default(z.record(z.string(), login), {}),
});
export type Credentials = z.infer<typeof credentials>;

/** A file for one server, as other clients write it. */
const single = z.looseObject({
  token: z.string().check(z.minLength(1)),
  host: z.optional(z.string()),
  api_url: z.optional(z.string()),
  username: z.optional(z.string()),
  hosts: z.optional(z.undefined()),
});

type Environment = Readonly<Record<string, string | undefined>>;

/** What a command line adds to the file and the environment. */
export interface ServerChoice {
  host?: string | undefined;
  insecure?: boolean | undefined;
  caFile?: string | undefined;
}

/**
 * The file's content; empty where there is none.
 * @throws RexecError `bad_credentials` where it cannot be read or understood
 */
export function readCredentials(path: string): Credentials {
  const json = parseJson(readText(path) ?? "{}");
  const parsed = json.ok ? credentials.safeParse(severalOf(json.value)) : null;
  if (parsed?.success) return parsed.data;
  throw unusable(path, json.ok ? (parsed ? reasonOf(parsed.error) : "") : json.reason);
}

/** True where others than the owner may read the file. */
export function isExposed(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && (stat.mode & 0o077) !== 0;
}

/** Remembers a login and makes its server the current one. Another account there stays, as one of the others. */
export function saveLogin(path: string, host: string, entry: Login): void {
  const all = readCredentials(path);
  save(path, { ...all, current: host, hosts: { ...all.hosts, [host]: beside(entry, all.hosts[host]) } });
}

/** Makes a server of the file the current one, and the account there where one is named. */
export function saveCurrent(path: string, host: string, username: string | null = null): void {
  const all = readCredentials(path);
  const entry = all.hosts[host];
  const chosen = entry && username !== null ? asAccount(entry, username) : null;
  save(path, { ...all, current: host, hosts: chosen ? { ...all.hosts, [host]: chosen } : all.hosts });
}

/**
 * Forgets an account at a server: the current one there, or the one that is named. The server goes with its last
 * account, the file with its last server.
 * @returns the login there from now on; null where the server is forgotten
 */
export function removeLogin(path: string, host: string, username?: string): Login | null {
  const { current, ...all } = readCredentials(path);
  const entry = all.hosts[host];
  const left = entry ? without(entry, username) : null;
  const others = Object.entries(all.hosts).filter(([name]) => name !== host);
  const hosts = left ? { ...all.hosts, [host]: left } : Object.fromEntries(others);
  const names = Object.keys(hosts);
  if (names.length === 0) {
    rmSync(path, { force: true });
    return null;
  }
  const next = current && (left || current !== host) ? current : names[0];
  save(path, { ...all, ...(next ? { current: next } : {}), hosts });
  return left;
}

/** The server that is meant: the option, REXEC_HOST, REXEC_API, the last login, the public service. */
export function chooseHost(choice: ServerChoice, file: Credentials, env: Environment): string {
  const named = choice.host || env.REXEC_HOST || env.REXEC_API;
  return named ? (knownLogin(named, file)?.host ?? named) : file.current || DEFAULT_HOST;
}

/**
 * The server of the file that is meant, and the account there where one is named: `NAME`, `USER@NAME`.
 * @returns null where it is none of them, or could be several
 */
export function knownLogin(
  text: string,
  file: Credentials,
): { host: string; username: string | null; login: Login } | null {
  const host = knownHost(text, file);
  const entry = host === null ? undefined : file.hosts[host];
  if (host !== null && entry) return { host, username: null, login: entry };
  const at = text.lastIndexOf("@");
  const there = at > 0 ? knownLogin(text.slice(at + 1), file) : null;
  const username = text.slice(0, Math.max(0, at));
  const chosen = there && there.username === null ? asAccount(there.login, username) : null;
  return there && chosen ? { host: there.host, username, login: chosen } : null;
}

/**
 * The server of the file that is meant by its address, its name, or the beginning of its name.
 * @returns null where it is none of them, or could be several
 */
export function knownHost(text: string, file: Credentials): string | null {
  const hosts = Object.keys(file.hosts);
  const key = hostKey(text);
  if (hosts.includes(key)) return key;
  if (text === "" || text.includes("/")) return null;
  const named = (test: (name: string) => boolean) =>
    hosts.filter((host) => URL.canParse(host) && test(new URL(host).host));
  const exact = named((name) => name === text || name.replace(/:\d+$/, "") === text);
  const fitting = exact.length > 0 ? exact : named((name) => name.startsWith(text));
  return fitting.length === 1 ? (fitting[0] ?? null) : null;
}

/**
 * The way to the server that is meant, without a token.
 * @throws RexecError as `resolveEndpoint`
 */
export function chooseEndpoint(choice: ServerChoice, file: Credentials, env: Environment) {
  const url = chooseHost(choice, file, env);
  const named = choice.host || env.REXEC_HOST || env.REXEC_API;
  const known = (named && knownLogin(named, file)?.login) || file.hosts[hostKey(url)];
  const insecure = choice.insecure || truthy(env.REXEC_INSECURE) || known?.insecure === true;
  const caFile = choice.caFile || env.REXEC_CA_FILE || known?.ca_file;
  const endpoint = resolveEndpoint({ url, insecure, caFile, env });
  return { endpoint, host: hostKey(url), known, insecure, caFile };
}

/**
 * The server that is meant and the token for it: REXEC_TOKEN, else the one stored for exactly this server.
 * @throws RexecError `not_logged_in`, `bad_token` (exit code 3)
 */
export function requireLogin(choice: ServerChoice, file: Credentials, env: Environment): Server {
  const { endpoint, host, known } = chooseEndpoint(choice, file, env);
  const token = env.REXEC_TOKEN?.trim() || known?.token;
  if (token && SENDABLE.test(token)) return { endpoint, token };
  if (token) {
    throw new RexecError("the token has a space or a strange character in it: it is no API token", {
      code: "bad_token",
      hint: env.REXEC_TOKEN?.trim() ? "correct REXEC_TOKEN" : "log in again: rexec login",
      exitCode: ExitCode.notSetUp,
    });
  }
  throw new RexecError(`not logged in at ${host}`, {
    code: "not_logged_in",
    hint: `run: rexec login${host === DEFAULT_HOST ? "" : ` --host ${host}`}   (or set REXEC_TOKEN)`,
    exitCode: ExitCode.notSetUp,
  });
}

/** Under what name a server stands in the file: its URL in one form. */
export function hostKey(url: string): string {
  return URL.canParse(url) ? new URL(url).href.replace(/[?#].*$/, "").replace(/\/+$/, "") : url;
}

/** `1`, `true`, `yes` and `on`. */
export function truthy(value: string | undefined): boolean {
  return /^(1|true|yes|on)$/i.test(value?.trim() ?? "");
}

// --- internal ---

/** What a header takes without a change. */
const SENDABLE = /^[\x21-\x7e]+$/;

/** A file for one server, read as one for several: the next login writes it so. */
function severalOf(value: unknown): unknown {
  const parsed = single.safeParse(value);
  if (!parsed.success) return value;
  const { token, host, api_url, username, hosts: _, ...rest } = parsed.data;
  const name = hostKey(host || api_url || DEFAULT_HOST);
  return { ...rest, current: name, hosts: { [name]: { token, ...(username ? { username } : {}) } } };
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw unusable(path, messageOf(error));
  }
}

function save(path: string, all: Credentials): void {
  try {
    writeFileAtomic(path, `${JSON.stringify(all, null, 2)}\n`, 0o600);
  } catch (error) {
    const isFull = /^(ENOSPC|EDQUOT)$/.test(errnoOf(error) ?? "");
    const remedy = isFull ? "make room there (df -h, df -i)" : "make the folder writable";
    throw new RexecError(`cannot write ${path}: ${isFull ? "the disk is full" : messageOf(error)}`, {
      code: "credentials_not_written",
      hint: `${remedy}, or set REXEC_TOKEN and REXEC_HOST instead of logging in`,
      cause: error,
    });
  }
}

function unusable(path: string, why: string): RexecError {
  return new RexecError(`cannot use ${path}: ${why}`, {
    code: "bad_credentials",
    hint: "mend the file, or remove it and run: rexec login",
    exitCode: ExitCode.notSetUp,
  });
}
