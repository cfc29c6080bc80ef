/**
 * A folder for all that a script and its children write, with a home in it, so that nothing is left behind and nothing
 * of this account's is read or changed. It goes with the script, however that ends: at Ctrl-C, with its window, or
 * killed (see sweep.sh).
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, symlinkSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** Made by root's agents, whatever their home is. */
const SHARED = ["/run/rexec", "/var/log/rexec"];
/** What must not reach a script's children: settings for an agent, and places outside of the folder. */
const FOREIGN = /^(REXEC_|XDG_|HISTFILE$|BUN_TMPDIR$|TMP$|TEMP$|ENV$|BASH_ENV$|ZDOTDIR$)/;

/** The owner removes it at the end; where it cannot, it goes by itself. */
export class Scratch {
  readonly folder: string;
  readonly home: string;
  readonly tmp: string;
  readonly #sweeper: Bun.Subprocess<"pipe", "ignore", "ignore">;

  constructor(prefix: string) {
    this.folder = mkdtempSync(join(tmpdir(), prefix));
    const fresh = SHARED.filter((path) => process.getuid?.() === 0 && !existsSync(path));
    // Its end of the pipe closes with this process, and with nothing else: no child inherits it.
    this.#sweeper = Bun.spawn(["/bin/sh", join(import.meta.dir, "sweep.sh"), this.folder, ...fresh], {
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
      cwd: "/",
      env: { PATH: `${process.env.PATH ?? ""}:/usr/bin:/bin:/usr/sbin:/sbin` },
      detached: true,
    });
    this.home = join(this.folder, "home");
    this.tmp = join(this.folder, "tmp");
    for (const path of [this.home, this.tmp]) mkdirSync(path, { mode: 0o700 });
    // Root's tests run programs as other accounts, which have their files in there too.
    if (process.getuid?.() === 0) {
      chmodSync(this.folder, 0o711);
      chmodSync(this.tmp, 0o1777);
    }
  }

  /** Changes to the environment of a child: the folder in the place of this account's; undefined takes away. */
  get changes(): Record<string, string | undefined> {
    const foreign = Object.keys(process.env).filter((name) => FOREIGN.test(name));
    return {
      ...Object.fromEntries(foreign.map((name) => [name, undefined])),
      HOME: this.home,
      TMPDIR: this.tmp,
    };
  }

  /** Lets children read these files of this account's home: how to reach a package registry, say. */
  lend(...names: readonly string[]): void {
    for (const name of names) {
      const own = join(process.env.HOME || homedir(), name);
      if (existsSync(own)) symlinkSync(own, join(this.home, name));
    }
  }

  /** Ends what runs in it, and removes it. Resolves when nothing is left. */
  async remove(): Promise<void> {
    await this.#sweeper.stdin.end();
    await this.#sweeper.exited;
  }
}
