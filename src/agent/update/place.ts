/** The files around an executable that updates itself, and whether it may. */
import { accessSync, closeSync, constants, fstatSync, openSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { errnoOf, messageOf, RexecError } from "../../lib/errors.ts";
import { quoteWords } from "../../lib/quote.ts";
import { tryLock } from "../../pty/libc.ts";
import { markPath } from "./mark-path.ts";

/** All in one folder, so that every step is a rename. */
export interface UpdatePlace {
  readonly folder: string;
  /** The executable that is replaced. */
  readonly executable: string;
  /** The one before, kept. */
  readonly old: string;
  /** The new one, until it is whole and has passed its test. */
  readonly fresh: string;
  /** What is known of an update that is not through yet, and of one that failed. */
  readonly mark: string;
  /** A download that is not complete: its name carries what it will be. */
  part(sha256: string): string;
  /** Whether a file's name is that of such a download. */
  isPart(name: string): boolean;
}

/** @param executable of this program; a symbolic link is followed */
export function updatePlace(executable: string): UpdatePlace {
  const path = realOf(executable);
  const [folder, name] = [dirname(path), basename(path)];
  const hidden = (rest: string) => join(folder, `.${name}.${rest}`);
  return {
    folder,
    executable: path,
    old: `${path}.old`,
    fresh: hidden("new"),
    mark: markPath(path),
    part: (sha256) => hidden(`${sha256.slice(0, 16)}.part`),
    isPart: (file) => file.startsWith(`.${name}.`) && file.endsWith(".part"),
  };
}

/**
 * @param command that would do it as root
 * @throws RexecError `update_unwritable`, `package_managed`
 */
export function assertReplaceable(place: UpdatePlace, command: readonly string[]): void {
  try {
    accessSync(place.folder, constants.W_OK);
  } catch (error) {
    throw unwritable(place, error, command);
  }
  const owner = packageOf(place.executable);
  if (!owner) return;
  throw new RexecError(`${place.executable} belongs to ${owner}`, {
    code: "package_managed",
    hint: "update that package: what its manager has installed only the manager should replace",
  });
}

/**
 * Only one process at a time works at an executable. The kernel gives the lock up with the process.
 * @throws RexecError `update_running`
 */
export function lockExecutable({ executable }: UpdatePlace): Disposable {
  const fd = openSync(executable, constants.O_RDONLY);
  const [ours, now] = [fstatSync(fd), statSync(executable)];
  if (isLocked(fd) && ours.ino === now.ino) return { [Symbol.dispose]: () => closeSync(fd) };
  closeSync(fd);
  throw new RexecError(`another update of ${executable} is under way`, {
    code: "update_running",
    hint: "wait for its end, and try again",
  });
}

/** A failure to write there, in words. */
export function unwritable(place: UpdatePlace, error: unknown, command: readonly string[]): RexecError {
  const code = errnoOf(error);
  const message =
    code === "EROFS"
      ? `${place.folder} is on a read-only file system`
      : `cannot write to ${place.folder}, the place of ${basename(place.executable)}: ${messageOf(error)}`;
  return new RexecError(message, {
    code: "update_unwritable",
    hint: hintFor(code, place, command),
    cause: error,
  });
}

// --- internal ---

function hintFor(code: string | undefined, place: UpdatePlace, command: readonly string[]): string {
  if (code === "EROFS") return "update it the way that it got there: with its image, package or mount";
  if (code === "ENOSPC" || code === "EDQUOT")
    return `make room on the disk of ${place.folder}: it takes 300 MB`;
  if (process.getuid?.() === 0) return "is the folder immutable (lsattr), or on a network file system?";
  return `run: ${quoteWords(["sudo", ...command])}`;
}

/** Where the file system has no locks, two at once can only spoil each other's download, which the sums show. */
function isLocked(fd: number): boolean {
  try {
    return tryLock(fd, "exclusive");
  } catch {
    return true;
  }
}

/** Asks the package managers that are here whose file that is. */
function packageOf(path: string): string | null {
  const store = /^\/(nix\/store|gnu\/store|snap|var\/lib\/flatpak)\//.exec(path)?.[1];
  if (store) return `a package in /${store}`;
  for (const [name, ...command] of QUESTIONS) {
    if (!Bun.which(command[0] ?? "")) continue;
    const { exitCode, stdout } = Bun.spawnSync([...command, path], { stderr: "ignore", timeout: 10_000 });
    if (exitCode === 0) return `${name} ${stdout.toString().split(/[:\n]/, 1)[0] ?? ""}`.trim();
  }
  return null;
}

/** Each succeeds only where a package has that file. */
const QUESTIONS = [
  ["the Debian package", "dpkg-query", "-S"],
  ["the RPM package", "rpm", "-qf", "--qf", "%{NAME}"],
  ["the pacman package", "pacman", "-Qqo"],
] as const;

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (cause) {
    throw new RexecError(`${path}, which this program was started from, is gone`, {
      code: "update_unwritable",
      hint: "run the executable that is in its place now",
      cause,
    });
  }
}
