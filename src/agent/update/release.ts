/** What the server hands out: which version, under which names, with which sums, signed by whom. */
import { ExitCode, RexecError } from "../../lib/errors.ts";
import { HttpError, requestJson, requestText } from "../../lib/http.ts";
import {
  commentFields,
  type PublicKey,
  parseSignature,
  type Signature,
  verifyComment,
} from "../../lib/minisign.ts";
import type { Endpoint } from "../../lib/net.ts";
import { goArch, goOs } from "../../lib/platform.ts";
import { versionBody } from "../../protocol/http.ts";

/** One executable that can be had. */
export interface Release {
  readonly version: string;
  /** `rexec-agent-linux-amd64` */
  readonly file: string;
  /** Its comment has been checked: it is of this file and this version. */
  readonly signature: Signature;
  /** SHA-256 of the executable, and of the packed one where there is one, hex. */
  readonly sha256: string;
  readonly packed: { readonly path: string; readonly sha256: string } | null;
  /** Of the executable, below the server's address. */
  readonly path: string;
}

/** What is asked of a server's downloads. */
export interface ReleaseQuery {
  endpoint: Endpoint;
  program: "rexec-agent" | "rexec";
  publicKey: PublicKey;
  signal?: AbortSignal | undefined;
}

/** The version that the server hands out. @throws HttpError, RexecError `unreachable`, `bad_answer`, … */
export async function offeredVersion({ endpoint, signal }: Pick<ReleaseQuery, "endpoint" | "signal">) {
  const body = await requestJson({
    endpoint,
    method: "GET",
    path: "/api/version",
    schema: versionBody,
    signal,
  });
  return bare(body.agent_version ?? body.version);
}

/**
 * @param version that is wanted
 * @param offered by the server; any other one is looked for among its older ones
 * @throws RexecError `version_unavailable`, `unsigned_release`, `bad_signature`, `bad_checksum`
 */
export async function findRelease(query: ReleaseQuery, version: string, offered: string): Promise<Release> {
  const file = `${query.program}-${goOs()}-${goArch()}`;
  const folder = version === offered ? "/downloads" : `/downloads/v${version}`;
  const get = (name: string) => readText(query, `${folder}/${name}`);
  const text = await get(`${file}.minisig`);
  if (text === null) throw await explainMissing(query, `${folder}/${file}`, version, offered);
  const signature = parseSignature(text);
  assertMeant(commentFields(verifyComment(signature, query.publicKey)), file, version);
  const sums = parseSums((await get("SHA256SUMS")) ?? "");
  const sha256 = sums.get(file);
  if (!sha256) {
    throw new RexecError(`the server has no SHA-256 of ${file}`, { code: "bad_checksum", hint: TELL });
  }
  const packed = sums.get(`${file}.gz`);
  return {
    version,
    file,
    signature,
    sha256,
    packed: packed ? { path: `${folder}/${file}.gz`, sha256: packed } : null,
    path: `${folder}/${file}`,
  };
}

/** `v1.2.3` and `1.2.3` are the same. @throws RexecError `bad_version` */
export function bare(text: string): string {
  const version = text.trim().replace(/^v/i, "");
  if (/^\d+\.\d+\.\d+([-+][\w.+-]+)?$/.test(version)) return version;
  throw new RexecError(`"${text.slice(0, 60)}" is no version`, {
    code: "bad_version",
    hint: "a version is like 1.2.3",
    exitCode: ExitCode.usage,
  });
}

// --- internal ---

const TELL = "tell whoever runs that server";

/** Null where the server has no such file. */
async function readText({ endpoint, signal }: ReleaseQuery, path: string): Promise<string | null> {
  try {
    return await requestText({ endpoint, method: "GET", path, signal });
  } catch (error) {
    if (error instanceof HttpError && error.status === 404) return null;
    throw error;
  }
}

/** Old versions and other machines' executables are signed too: a signature counts only for what it names. */
function assertMeant(
  fields: Readonly<Record<string, string | undefined>>,
  file: string,
  version: string,
): void {
  if (fields.file === file && fields.version !== undefined && bare(fields.version) === version) return;
  const says = `file:${fields.file ?? "?"} version:${fields.version ?? "?"}`;
  throw new RexecError(
    `the signature is of another file: it says ${says}, not file:${file} version:${version}`,
    {
      code: "bad_signature",
      hint: "bun run release signs as it should be: the server's downloads are mixed up, or tampered with",
    },
  );
}

function parseSums(text: string): Map<string, string> {
  const lines = text.split("\n").map((line) => /^([0-9a-f]{64}) [ *](\S+)\s*$/.exec(line));
  return new Map(lines.flatMap((match) => (match?.[1] && match[2] ? [[match[2], match[1]] as const] : [])));
}

async function explainMissing(query: ReleaseQuery, path: string, version: string, offered: string) {
  const { endpoint, signal } = query;
  const isThere = await requestText({ endpoint, method: "HEAD", path, signal }).then(
    () => true,
    () => false,
  );
  const host = endpoint.base.host;
  if (isThere) {
    return new RexecError(`${host} offers ${version}, but no signature of it`, {
      code: "unsigned_release",
      hint: "nothing unsigned is installed: whoever runs that server makes signed files with bun run release",
    });
  }
  const has = version === offered ? "" : ` (it offers ${offered})`;
  return new RexecError(`${host} has no ${path.split("/").at(-1)} of version ${version}${has}`, {
    code: "version_unavailable",
    hint: version === offered ? TELL : "leave --version out, or ask whoever runs that server",
  });
}
