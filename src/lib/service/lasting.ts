/** Whether an executable can be a service's: there, and the same, at the next start. */
import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { accountOf } from "../account.ts";

/** Folders that are emptied at the next boot, or before. */
const FLEETING = /^\/(tmp|var\/tmp|dev|run|proc)\//;

/**
 * Why it cannot, or null.
 * @param mustBeRoots no other account may put anything in its place
 */
export function executableProblem(executable: string, mustBeRoots: boolean): string | null {
  if (!existsSync(executable)) return "that file is gone";
  if (FLEETING.test(executable)) return "that folder does not outlast a boot";
  if (!mustBeRoots) return null;
  for (const path of [executable, dirname(executable)]) {
    const { uid, mode } = statSync(path);
    if (uid !== 0) return `${path} belongs to ${accountOf(uid).name}, who could put anything in its place`;
    if ((mode & 0o002) !== 0) return `anybody may write to ${path}`;
  }
  return null;
}
