/** The next turn of the event loop. */

/**
 * Runs `work` when what has arrived by now was read: between two calls other sockets have their turn.
 * @returns cancels it
 */
export function nextTurn(work: () => void): () => void {
  if (typeof setImmediate === "function") {
    const immediate = setImmediate(work);
    return () => clearImmediate(immediate);
  }
  const timer = setTimeout(work, 0);
  return () => clearTimeout(timer);
}
