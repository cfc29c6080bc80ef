/** Where a person is logged in: one file, 0600, a token for each server and which of them is meant by default. */
import { readFileSync, rmSync, statSync } from "node:fs";
import * as z from "zod/mini";
import { writeFileAtomic } from "../lib/atomic-file.ts";
import { ExitCode, errnoOf, messageOf, RexecError } from "../lib/errors.ts";
import { resolveEndpoint } from "../lib/net.ts";
import { parseJson, reasonOf } from "../protocol/parse.ts";
import type { Server } from "./api.ts";

/** The public service. */
export const DEFAULT_HOST = "https://rexec.pipeops.io";

const login = z.looseObject({
  token: z.string().check(z.minLength(1)),
  username: z.optional(z.string()),
  /** Plain http over a network was allowed at login. */
  insecure: z.optional(z.boolean()),
  ca_file: z.optional(z.string()),
});
export type Login = z.infer<typeof login>;

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

/** Remembers a login and makes its server the current one. */
export function saveLogin(path: string, host: string, entry: Login): void {
  const all = readCredentials(path);
  save(path, { ...all, current: host, hosts: { ...all.hosts, [host]: entry } });
}

/** Makes a server of the file the current one. */
export function saveCurrent(path: string, host: string): void {
  save(path, { ...readCredentials(path), current: host });
}

/** Forgets a login; the file goes with the last one. */
export function removeLogin(path: string, host: string): void {
  const { current, ...all } = readCredentials(path);
  const hosts = Object.fromEntries(Object.entries(all.hosts).filter(([name]) => name !== host));
  const names = Object.keys(hosts);
  if (names.length === 0) {
    rmSync(path, { force: true });
    return;
  }
  const next = current && current !== host ? current : names[0];
  save(path, { ...all, ...(next ? { current: next } : {}), hosts });
}

/** The server that is meant: the option, REXEC_HOST, REXEC_API, the last login, the public service. */
export function chooseHost(choice: ServerChoice, file: Credentials, env: Environment): string {
  const named = choice.host || env.REXEC_HOST || env.REXEC_API;
  return named ? (knownHost(named, file) ?? named) : file.current || DEFAULT_HOST;
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
  const known = file.hosts[hostKey(url)];
  const insecure = choice.insecure || truthy(env.REXEC_INSECURE) || known?.insecure === true;
  const caFile = choice.caFile || env.REXEC_CA_FILE || known?.ca_file;
  const endpoint = resolveEndpoint({ url, insecure, caFile, env });
  return { endpoint, host: hostKey(url), known, insecure, caFile };
}

/**
 * The server that is meant and the token for it: REXEC_TOKEN, else the one stored for exactly this server.
 * @throws RexecError `not_logged_in` (exit code 3)
 */
export function requireLogin(choice: ServerChoice, file: Credentials, env: Environment): Server {
  const { endpoint, host, known } = chooseEndpoint(choice, file, env);
  const token = env.REXEC_TOKEN?.trim() || known?.token;
  if (token) return { endpoint, token };
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
