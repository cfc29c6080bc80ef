/** Whether a path still names the file that is open. */
import { fstatSync, statSync } from "node:fs";

/** `gone`: nothing can be reached by that name. */
export function sameFile(fd: number, path: string): "same" | "other" | "gone" {
  const ours = fstatSync(fd);
  try {
    const now = statSync(path, { throwIfNoEntry: false });
    if (!now) return "gone";
    return now.ino === ours.ino && now.dev === ours.dev ? "same" : "other";
  } catch {
    return "gone"; // a folder on the way has become a file, or may not be entered any more
  }
}
