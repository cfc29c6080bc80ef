/**
 * Root does what concerns another account's files, sockets and processes as that account: the kernel then refuses what
 * the account itself may not do, whatever its files say and however fast they change. The saved user id stays root's, so
 * that the process can go back; a program that it starts meanwhile has no such way.
 */
import { existsSync } from "node:fs";
import { accountOf, primaryGroupOf } from "../../lib/account.ts";
import { messageOf, RexecError } from "../../lib/errors.ts";
import { errno, libc } from "../../pty/libc.ts";

const ROOT = 0;
/** `nogroup`: of an account without an entry nothing is known but its number. */
const NO_GROUP = 65_534;
/** Groups of one process; NGROUPS_MAX is 65,536, and no account comes near. */
const MOST_GROUPS = 4096;

/** The account that this process acts as at the moment. */
export function actingUid(): number {
  return process.geteuid?.() ?? ROOT;
}

/**
 * Does the work as that account and comes back. Another account than root only ever acts as itself. The whole process
 * acts as the account meanwhile: what runs at the same time must be for the same one.
 * @throws RexecError `cannot_act_as`
 */
export async function actingAs<T>(uid: number, work: () => T | Promise<T>): Promise<T> {
  using _ = enter(uid);
  return await work();
}

/** The same for work that does not wait. */
export function actingAsNow<T>(uid: number, work: () => T): T {
  using _ = enter(uid);
  return work();
}

/** The account that this process acts as. */
export interface Becoming {
  uid: number;
  /** Its home. */
  home: string;
  /** Of this process: home, name and runtime folder of the account take the place of root's. */
  env: NodeJS.ProcessEnv;
  /** Whether `asRoot` is still to work; otherwise there is no way back. */
  keepsRoot: boolean;
}

/** Acts as that account from now on. Another account than root stays what it is. @throws RexecError `cannot_act_as` */
export function become({ uid, home, env, keepsRoot }: Becoming): void {
  if (actingUid() !== ROOT || uid === ROOT) return;
  enter(uid);
  if (keepsRoot) isRootKept = true;
  else leaveRootForGood(uid);
  for (const variable of ROOTS_OWN) delete env[variable];
  Object.assign(env, environmentOf(uid, home));
}

/** What an account's own processes find in their environment of itself. */
export function environmentOf(uid: number, home: string): Record<string, string> {
  const { name, shell } = accountOf(uid);
  const runtime = `/run/user/${uid}`;
  return {
    HOME: home,
    USER: name,
    LOGNAME: name,
    ...(shell ? { SHELL: shell } : {}),
    ...(existsSync(runtime) ? { XDG_RUNTIME_DIR: runtime } : {}),
  };
}

/** Does what only root may: for a process that has become another account and keeps root; else nothing changes. */
export async function asRoot<T>(work: () => T | Promise<T>): Promise<T> {
  const account = active;
  if (!isRootKept || !account || actingUid() === ROOT) return await work();
  leave(account);
  try {
    return await work();
  } finally {
    switchTo(account);
  }
}

/** Whether `asRoot` acts as root. */
export function isRootAtHand(): boolean {
  return actingUid() === ROOT || isRootKept;
}

// --- internal ---

/** Of the caller's environment, which would lead to that one's files. */
const ROOTS_OWN = [
  "XDG_CONFIG_HOME",
  "XDG_CACHE_HOME",
  "XDG_DATA_HOME",
  "XDG_STATE_HOME",
  "XDG_RUNTIME_DIR",
  "DBUS_SESSION_BUS_ADDRESS",
  "SHELL",
  "TMPDIR",
  "MAIL",
  "SUDO_UID",
  "SUDO_GID",
  "SUDO_USER",
  "SUDO_COMMAND",
];

interface Active {
  uid: number;
  /** Works that go on as this account. */
  users: number;
  /** Root's own groups, to go back to. */
  gid: number;
  groups: Uint32Array;
}

let active: Active | null = null;
let isRootKept = false;

function leaveRootForGood(uid: number): void {
  const { setresgid, setresuid } = libc();
  const gid = process.getegid?.() ?? NO_GROUP;
  if (setresgid(gid, gid, gid) !== 0 || setresuid(uid, uid, uid) !== 0) throw cannot(uid, `errno ${errno()}`);
}

function enter(uid: number): Disposable {
  if (active?.uid === uid && actingUid() === uid) active.users += 1;
  else if (uid === ROOT || actingUid() !== ROOT) return { [Symbol.dispose]() {} };
  else {
    const account = { uid, users: 1, gid: process.getegid?.() ?? ROOT, groups: groupsNow() };
    switchTo(account);
    active = account;
  }
  const entered = active;
  return {
    [Symbol.dispose]() {
      entered.users -= 1;
      if (entered.users > 0) return;
      leave(entered);
      active = null;
    },
  };
}

/** Groups first: afterwards it is not allowed any more. The real id too, or kill(2) would still be root's. */
function switchTo(account: Active): void {
  const { uid } = account;
  const gid = primaryGroupOf(uid);
  const { name } = accountOf(uid);
  const { initgroups, setgroups, setresgid, setresuid } = libc();
  const groups =
    gid === null ? setgroups(1, Uint32Array.of(NO_GROUP)) : initgroups(Buffer.from(`${name}\0`), gid);
  const group = gid ?? NO_GROUP;
  if (groups !== 0 || setresgid(group, group, account.gid) !== 0 || setresuid(uid, uid, ROOT) !== 0) {
    const why = errno();
    leaveQuietly(account);
    throw cannot(uid, `errno ${why}`);
  }
  if (actingUid() !== uid) throw cannot(uid, "the system pretends only");
}

/** A process that cannot go back must not go on half as one and half as the other. */
function leave({ gid, groups }: Active): void {
  const { setgroups, setresgid, setresuid } = libc();
  const isBack =
    setresuid(ROOT, ROOT, ROOT) === 0 &&
    setresgid(gid, gid, gid) === 0 &&
    setgroups(groups.length, groups.length > 0 ? groups : null) === 0;
  if (!isBack) throw cannot(ROOT, `errno ${errno()}`);
}

function leaveQuietly(account: Active): void {
  try {
    leave(account);
  } catch {
    // The first failure is the one to tell.
  }
}

function groupsNow(): Uint32Array {
  const list = new Uint32Array(MOST_GROUPS);
  const count = libc().getgroups(MOST_GROUPS, list);
  if (count < 0) throw cannot(ROOT, `its groups are not known (errno ${errno()})`);
  return list.slice(0, count);
}

function cannot(uid: number, why: unknown): RexecError {
  return new RexecError(`cannot act as ${accountOf(uid).name} (uid ${uid}): ${messageOf(why)}`, {
    code: "cannot_act_as",
    hint: `run this as that account: sudo -u '#${uid}' rexec-agent …`,
  });
}
