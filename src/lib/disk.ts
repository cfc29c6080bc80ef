/** Room on disks. */
import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";

/** Bytes that this account can still write there; a path that does not exist yet counts as its parent. */
export function freeBytes(path: string): number {
  let folder = path;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const { bavail, bsize, files, ffree } = statfsSync(folder);
  // Some file systems count no inodes.
  return files > 0 && ffree === 0 ? 0 : bavail * bsize;
}

/** `812 MiB`, `14 GiB` */
export function megabytes(bytes: number): string {
  return bytes >= 10 * 2 ** 30 ? `${Math.round(bytes / 2 ** 30)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}
