/**
 * A temporary folder with a home for a script and its children, so that they leave no files behind and neither read nor
 * change this account's. It is removed when the script ends in any way: by Ctrl-C, with its window, or killed (sweep.sh).
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, symlinkSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** Folders that root's agents make, whatever their home is. */
const SHARED = ["/run/rexec", "/var/log/rexec"];
/** Variables that must not reach a script's children: an agent's settings, and places outside of the folder. */
const FOREIGN = /^(REXEC_|XDG_|HISTFILE$|BUN_TMPDIR$|TMP$|TEMP$|ENV$|BASH_ENV$|ZDOTDIR$)/;

/** The script that makes it removes it; after a kill sweep.sh does. */
export class Scratch {
  readonly folder: string;
  readonly home: string;
  readonly tmp: string;
  readonly #sweeper: Bun.Subprocess<"pipe", "ignore", "ignore">;

  constructor(prefix: string) {
    this.folder = mkdtempSync(join(tmpdir(), prefix));
    const fresh = SHARED.filter((path) => process.getuid?.() === 0 && !existsSync(path));
    // Its pipe closes with this process and no other: no child inherits it.
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
    // Root's tests run programs of other accounts, with files in this folder.
    if (process.getuid?.() === 0) {
      chmodSync(this.folder, 0o711);
      chmodSync(this.tmp, 0o1777);
    }
  }

  /** Changes to the environment of a child; undefined removes a variable. */
  get changes(): Record<string, string | undefined> {
    const foreign = Object.keys(process.env).filter((name) => FOREIGN.test(name));
    return {
      ...Object.fromEntries(foreign.map((name) => [name, undefined])),
      HOME: this.home,
      TMPDIR: this.tmp,
    };
  }

  /** Links files of this account's home into the new one: how to reach a package registry, say. */
  lend(...names: readonly string[]): void {
    for (const name of names) {
      const own = join(process.env.HOME || homedir(), name);
      if (existsSync(own)) symlinkSync(own, join(this.home, name));
    }
  }

  /** Ends the processes in it, and removes it. */
  async remove(): Promise<void> {
    await this.#sweeper.stdin.end();
    await this.#sweeper.exited;
  }
}
