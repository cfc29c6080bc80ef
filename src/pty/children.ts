/** The children whose exit status somebody in this process waits for; the reaper keeps its hands off them. */

const pids = new Set<number>();

/** From now on the reaper leaves this child alone. */
export function trackChild(pid: number): void {
  pids.add(pid);
}

/** The child has been waited for, so its pid means nothing any more. */
export function untrackChild(pid: number): void {
  pids.delete(pid);
}

/** Whether somebody waits for this child. */
export function isTracked(pid: number): boolean {
  return pids.has(pid);
}
