/** The registry of children whose exit status this process waits for: the reaper leaves them alone. */

const pids = new Set<number>();

/** Adds a child. */
export function trackChild(pid: number): void {
  pids.add(pid);
}

/** Removes a child that has been reaped: its pid may be used again. */
export function untrackChild(pid: number): void {
  pids.delete(pid);
}

/** Whether the child is in the registry. */
export function isTracked(pid: number): boolean {
  return pids.has(pid);
}
