/** A gateway that hands out versions, and a machine with an agent that updates itself from it. */
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownPlaces } from "../../src/agent/control/place.ts";
import { logPlaces } from "../../src/agent/daemon/log-place.ts";
import { startGateway, type TestGateway } from "./gateway.ts";
import { within } from "./wait.ts";

export interface Ran {
  code: number | null;
  out: string;
  err: string;
}

export class UpdateStage implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "rexec-update-"));
  readonly bin = join(this.folder, "bin");
  readonly agent = join(this.bin, "rexec-agent");
  readonly config = join(this.folder, "agent.json");
  readonly gateway: TestGateway;

  private constructor(gateway: TestGateway) {
    this.gateway = gateway;
  }

  /**
   * @param executable that is installed
   * @param downloads that the gateway hands out
   * @param settings of the configuration beside the usual ones
   */
  static async start(executable: string, downloads: string, settings: object = {}): Promise<UpdateStage> {
    const gateway = await startGateway({ downloads: [downloads] });
    const stage = new UpdateStage(gateway);
    const { id, token } = await gateway.register();
    mkdirSync(stage.bin);
    stage.install(executable);
    const config = { api_url: gateway.url, token, agent_id: id, name: "box", shell: "/bin/sh", ...settings };
    writeFileSync(stage.config, JSON.stringify(config), { mode: 0o600 });
    chmodSync(stage.folder, 0o755);
    return stage;
  }

  /** Puts an executable in the place of the agent, as another name of it: 100 MB take their time to copy. */
  install(executable: string): void {
    rmSync(this.agent, { force: true });
    linkSync(executable, this.agent);
  }

  /** SHA-256 of what is installed. */
  get installed(): string {
    return sha256(this.agent);
  }

  /** Names in the folder of the agent, hidden ones too. */
  get files(): string[] {
    return readdirSync(this.bin).sort();
  }

  get env(): Record<string, string> {
    const { PATH = "" } = process.env;
    return { PATH, HOME: this.folder, SHELL: "/bin/sh", XDG_RUNTIME_DIR: join(this.folder, "run") };
  }

  spawn(words: readonly string[], program = this.agent) {
    return Bun.spawn([program, ...words, `--config=${this.config}`], {
      env: this.env,
      cwd: this.folder,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /** Runs one of the agent's commands to its end. */
  async run(words: readonly string[], program = this.agent, ms = 60_000): Promise<Ran> {
    const child = this.spawn(words, program);
    const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    const [out, err, code] = await within(all, ms, `${words.join(" ")} to end`);
    return { out, err, code };
  }

  /** What the running agent says of itself. */
  async status(): Promise<{
    running: boolean;
    version: string | null;
    pid: number | null;
    connected: boolean;
  }> {
    return JSON.parse((await this.run(["status", "--json"])).out);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (readdirSync(this.bin).includes("rexec-agent")) await this.run(["stop"]).catch(() => {});
    await this.gateway[Symbol.asyncDispose]();
    // Root's agents keep their log in /var/log.
    const [place] = ownPlaces(this.config, this.env);
    for (const path of logPlaces(place, this.env)) rmSync(path, { force: true });
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const sums = new Map<string, string>();

/**
 * Of a file's content. An executable of 110 MB is read once and again when it changes: a test that waits for a change
 * would otherwise keep its own gateway from handing the new one out.
 */
export function sha256(path: string): string {
  const { ino, size, ctimeNs } = statSync(path, { bigint: true });
  const key = `${ino} ${size} ${ctimeNs} ${path}`;
  const known = sums.get(key) ?? new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
  sums.set(key, known);
  return known;
}
