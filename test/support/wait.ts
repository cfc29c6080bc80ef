/** Waiting in tests: always for an event or a fact, always with a limit, and the failure says what was missing. */

/**
 * The promise's own outcome, if it comes within `ms` milliseconds.
 *
 * @param what What is waited for, as the end of "waited … ms for …".
 * @throws Error where the time is up first; the promise goes on unwatched.
 */
export async function within<T>(promise: PromiseLike<T>, ms: number, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What `until` takes for "not yet". */
type NotYet = false | null | undefined;

/**
 * Asks `fn` every 10 ms until it answers something other than false, null or undefined, and returns that answer.
 * For facts that raise no event, such as what /proc shows; where there is an event, use `within`.
 *
 * @param what What is waited for, as the end of "waited … ms for …"; a function is asked when the time is up.
 * @throws Error where the time is up first; what `fn` throws ends the wait at once.
 */
export async function until<T>(
  fn: () => T | NotYet | Promise<T | NotYet>,
  ms: number,
  what: string | (() => string),
): Promise<T> {
  const name = () => (typeof what === "string" ? what : what());
  const deadline = performance.now() + ms;
  for (;;) {
    const answer = await within(
      Promise.resolve(fn()),
      Math.max(1, deadline - performance.now()),
      "an answer",
    );
    if (answer !== false && answer !== null && answer !== undefined) return answer;
    if (performance.now() >= deadline) throw new Error(`waited ${ms} ms for ${name()}`);
    await Bun.sleep(10);
  }
}

/**
 * Resolves with what `read` gives once that was the same for `quietMs`: for what is stopped, which raises no event.
 *
 * @throws Error where it still moves after `ms`.
 */
export async function settled<T>(
  read: () => T | Promise<T>,
  ms: number,
  what: string,
  quietMs = 200,
): Promise<T> {
  let [last, since] = [await read(), performance.now()];
  const isSettled = async () => {
    const now = await read();
    if (now !== last) [last, since] = [now, performance.now()];
    return performance.now() - since > quietMs;
  };
  await until(isSettled, ms, what);
  return last;
}
