/** Versions of the agent to update from and to, built once for a test file: real executables, signed by a key of the test's. */
import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildTarget, nativeArch, TARGETS } from "../../build.ts";
import { trustedComment } from "../../scripts/release.ts";
import { newKeyPair, readSigningKey, type SigningKey, signFile } from "../../scripts/signing.ts";

export const AGENT_FILE = `rexec-agent-linux-${nativeArch()}`;

export class Releases implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "rexec-releases-"));
  readonly key: SigningKey;
  /** minisign's, one line. */
  readonly publicKey: string;
  #folders = 0;

  constructor() {
    const { secretText, publicText } = newKeyPair();
    this.key = readSigningKey(secretText);
    this.publicKey = publicText.split("\n")[1] ?? "";
  }

  /** Builds the agent (or the CLI) as that version. @returns its path */
  async build(version: string, program: "rexec-agent" | "rexec" = "rexec-agent"): Promise<string> {
    const file = `${program}-linux-${nativeArch()}`;
    const target = TARGETS.find((each) => each.file === file);
    if (!target) throw new Error(`nothing builds ${file}`);
    const outDir = join(this.folder, version);
    await buildTarget(target, outDir, { version, commit: "test", publicKey: this.publicKey });
    return join(outDir, file);
  }

  /** An agent that is all right but for one thing: it never reaches the server's agent socket. */
  async buildMute(version: string): Promise<string> {
    const file = join(this.folder, `${version}-mute`);
    const root = join(import.meta.dir, "../..");
    await Bun.build({
      entrypoints: [join(root, "src/rexec-agent.ts")],
      compile: { outfile: file, autoloadBunfig: false, autoloadDotenv: false },
      define: {
        REXEC_VERSION: JSON.stringify(version),
        REXEC_COMMIT: '"test"',
        REXEC_PUBLIC_KEY: JSON.stringify(this.publicKey),
        "process.arch": JSON.stringify(process.arch),
      },
      plugins: [
        {
          name: "a wrong address",
          setup(build) {
            build.onLoad({ filter: /\/agent\/uplink\/connection\.ts$/ }, async ({ path }) => {
              const source = await Bun.file(path).text();
              const broken = source.replace("= agentUrl(target);", '= new URL("ws://127.0.0.1:1/nowhere");');
              if (broken === source)
                throw new Error("connection.ts no longer has the line that this replaces");
              return { contents: broken, loader: "ts" };
            });
          },
        },
      ],
    });
    return file;
  }

  /** A folder of downloads with that executable in it, packed and signed as a release has it. */
  offer(version: string, executable: string | Uint8Array, options: OfferOptions = {}): string {
    const { file = AGENT_FILE, comment = trustedComment(file, version, 0), packed = true } = options;
    this.#folders += 1;
    const folder = options.into ?? join(this.folder, `offer-${this.#folders}`);
    mkdirSync(folder, { recursive: true });
    const path = join(folder, file);
    if (typeof executable === "string") linkSync(executable, path);
    else writeFileSync(path, executable, { mode: 0o755 });
    const bytes = readFileSync(path);
    if (packed) writeFileSync(`${path}.gz`, Bun.gzipSync(bytes, { level: 1 }));
    writeFileSync(`${path}.minisig`, signFile(bytes, options.key ?? this.key, comment));
    return folder;
  }

  /** Such a folder again, to be spoilt: its files are to be replaced, not written to (`rewrite`). */
  copy(folder: string): string {
    this.#folders += 1;
    const copy = join(this.folder, `copy-${this.#folders}`);
    mkdirSync(copy);
    for (const name of readdirSync(folder)) linkSync(join(folder, name), join(copy, name));
    return copy;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface OfferOptions {
  file?: string;
  /** What the signature says beside being right. */
  comment?: string;
  key?: SigningKey;
  /** Whether there is a .gz too. */
  packed?: boolean;
  into?: string;
}

/** A new file of that name; other names of the former one keep it. */
export function rewrite(path: string, content: string | Uint8Array): void {
  rmSync(path, { force: true });
  writeFileSync(path, content);
}
