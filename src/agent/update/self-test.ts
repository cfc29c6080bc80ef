/** Whether an executable works on this machine: it is asked to prove it before it takes the place of the one that does. */
import * as z from "zod/mini";
import { RexecError } from "../../lib/errors.ts";
import { requestJson } from "../../lib/http.ts";
import { resolveEndpoint } from "../../lib/net.ts";
import { goArch, goOs } from "../../lib/platform.ts";
import { COMMIT, VERSION } from "../../lib/version.ts";
import { versionBody } from "../../protocol/http.ts";
import { openPty, ptyBackend } from "../../pty/open.ts";
import type { LoadedConfig } from "../config/config.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const selfTestReport = z.object({
  version: z.string(),
  commit: z.string(),
  os: z.string(),
  arch: z.string(),
  /** What serves terminals: `native`, or `bun` where the addon cannot be loaded. */
  pty: z.string(),
  /** Version of the server, which was asked with this configuration. */
  server: z.nullable(z.string()),
});
export type SelfTestReport = z.infer<typeof selfTestReport>;

/** How long a new executable may take for it, ms. */
const LIMIT_MS = 60_000;
const WORD = "rexec-self-test";

/**
 * The test, in the executable that is tested: a program on a terminal, the configuration, the server.
 * @param loaded the configuration that has been read without an error
 * @throws the error of the first that does not work
 */
export async function selfTest(loaded: LoadedConfig, env: Environment): Promise<SelfTestReport> {
  const pty = openPty({
    file: "/bin/sh",
    args: ["-c", `printf ${WORD}`],
    env: { PATH: env.PATH ?? "/usr/bin:/bin", TERM: "xterm-256color" },
    cwd: "/",
    cols: 80,
    rows: 24,
  });
  let text = "";
  for (let chunk = await pty.read(); chunk !== null; chunk = await pty.read())
    text += Buffer.from(chunk).toString();
  await pty.close();
  if (!text.includes(WORD)) throw new Error(`a program on a terminal printed ${JSON.stringify(text)}`);
  return {
    version: VERSION,
    commit: COMMIT,
    os: goOs(),
    arch: goArch(),
    pty: ptyBackend().backend,
    server: loaded.file ? await serverVersion(loaded, env) : null,
  };
}

/** An executable to be tried. */
export interface Candidate {
  executable: string;
  /** In front of a command: `agent` for the CLI's executable. */
  words: readonly string[];
  config: string;
  /** The version that it should be. */
  version: string;
  env: Environment;
}

/**
 * Runs the test in another executable.
 * @throws RexecError `self_test_failed`
 */
export async function testExecutable(candidate: Candidate): Promise<SelfTestReport> {
  const { executable, words, config, version, env } = candidate;
  const command = [executable, ...words, "self-test", `--config=${config}`];
  const { code, out, err } = await run(command, env).catch((error: unknown) => {
    throw failed(version, error instanceof Error ? error.message : String(error));
  });
  const said = err.trim().split("\n").at(-1) ?? "";
  if (code !== 0)
    throw failed(version, said || (code === null ? "it did not end in time" : `it left with ${code}`));
  const report = selfTestReport.safeParse(parse(out));
  if (!report.success) throw failed(version, "it gave no report");
  if (report.data.version === version && report.data.arch === goArch()) return report.data;
  throw failed(version, `it says that it is ${report.data.version} for ${report.data.arch}`);
}

// --- internal ---

async function serverVersion({ host, insecure, caFile }: LoadedConfig, env: Environment): Promise<string> {
  const endpoint = resolveEndpoint({ url: host, insecure, caFile, env });
  const body = await requestJson({ endpoint, method: "GET", path: "/api/version", schema: versionBody });
  return body.version;
}

/** The runtime's switches would act on the new program; where it may unpack its library is none of them. */
function childEnv(env: Environment): Record<string, string | undefined> {
  const kept = ([name]: [string, unknown]) => !/^(BUN_(?!TMPDIR$)|NOTIFY_SOCKET$|WATCHDOG_)/.test(name);
  return Object.fromEntries(Object.entries(env).filter(kept));
}

async function run(command: readonly string[], env: Environment) {
  const child = Bun.spawn([...command], {
    cwd: "/",
    env: childEnv(env),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code: child.exitCode, out, err };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function failed(version: string, why: string): RexecError {
  return new RexecError(`the downloaded version ${version} does not work on this machine: ${why}`, {
    code: "self_test_failed",
    hint: "nothing was changed: the version that is here goes on",
  });
}
