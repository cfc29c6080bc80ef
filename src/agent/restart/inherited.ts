/** The receiving side: this process was another program image of the agent before, and may have been left its shells. */

import { closeSync } from "node:fs";
import { counted } from "../../lib/count.ts";
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { adoptChild } from "../../pty/adopt-child.ts";
import { ptyNumber, setCloseOnExec } from "../../pty/libc.ts";
import { listProcesses, type ProcessEntry, readProcess, signalProcess } from "../../pty/procfs.ts";
import { openDescriptors } from "../../pty/replace-process.ts";
import { type Parcel, unpack } from "./parcel.ts";
import { HANDOVER_VERSION, type Handover, handover } from "./schema.ts";

/** Descriptor of the memfd; or `CHECK`. Taken out of the environment at once. */
export const HANDOVER = "REXEC_HANDOVER";
/** The value that asks a program whether it would start, and what it can take. */
export const CHECK = "check";

/** What the program that is asked prints. */
export interface Readiness {
  handover: number[];
  version: string;
}

/** What was left to this image. */
export class Inherited implements Disposable {
  readonly #parcel: Parcel;
  readonly #fd: number;
  readonly #logger: Logger;
  #isOpen = false;

  private constructor(parcel: Parcel, fd: number, logger: Logger) {
    this.#parcel = parcel;
    this.#fd = fd;
    this.#logger = logger;
  }

  /** Null where there is nothing: the usual start. @param env the variable is taken out of it */
  static take(env: Record<string, string | undefined>, logger: Logger): Inherited | null {
    const value = env[HANDOVER];
    delete env[HANDOVER];
    const fd = Number(value);
    if (!value || !Number.isSafeInteger(fd) || fd < 3) return null;
    const parcel = unpack(fd);
    if (parcel?.about.pid !== process.pid) {
      // Damaged, or a variable that was passed on. A terminal without an owner would hold its shell for ever.
      const masters = openDescriptors().filter((one) => ptyNumber(one) !== null);
      if (masters.length > 0)
        logger.error(`nothing is known of ${counted(masters.length, "open terminal")}: closed`);
      for (const one of masters) closeQuietly(one);
      return null;
    }
    // No process that is started meanwhile may have them.
    for (const one of [fd, ...parcel.about.fds]) setCloseOnExec(one, true);
    return new Inherited(parcel, fd, logger);
  }

  /** Null where it is of a version that this program does not read, or damaged: its shells are hung up then, and it is said. */
  open(): Handover | null {
    const { version } = this.#parcel.about;
    try {
      if (version !== HANDOVER_VERSION)
        throw new Error(`it is of version ${version}, not ${HANDOVER_VERSION}`);
      const content = handover.safeParse(this.#parcel.content());
      if (!content.success)
        throw new Error(`it breaks the schema at ${content.error.issues[0]?.path.join(".")}`);
      closeSync(this.#fd);
      this.#isOpen = true;
      return content.data;
    } catch (error) {
      this.#logger.error(`what the program before has left cannot be read: ${messageOf(error)}`);
      this[Symbol.dispose]();
      return null;
    }
  }

  /** What was left and not taken over is ended, as by a terminal line that is lost. */
  [Symbol.dispose](): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    const { leaders, fds } = this.#parcel.about;
    const alive = leaders.flatMap(({ pid, start }) => {
      const entry = readProcess(pid);
      return entry && entry.start === start ? [entry] : [];
    });
    if (alive.length > 0)
      this.#logger.error(
        `${alive.length} shell(s) and command(s) are ended: nobody could serve them any more`,
      );
    for (const leader of alive) hangUpAll(leader);
    for (const { pid } of leaders) void adoptChild(pid); // so that none stays as a zombie
    for (const fd of [this.#fd, ...fds]) closeQuietly(fd);
  }
}

// --- internal ---

function hangUpAll(leader: ProcessEntry): void {
  const members = listProcesses().filter(({ session, pid }) => session === leader.pid && pid !== leader.pid);
  for (const member of [leader, ...members]) {
    signalProcess(member, "SIGHUP");
    signalProcess(member, "SIGCONT"); // a stopped process takes no signal before it runs again
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // closed already
  }
}
