/** Numbers of things in messages. */

/** `1 machine`, `2 machines`, `0 machines`. @param many where an `s` does not do */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
