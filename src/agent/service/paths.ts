/** Paths that a service manager cannot be given, however they are quoted. */
import { RexecError } from "../../lib/errors.ts";

/** @throws RexecError `bad_path` with the first that is not of that form */
export function assertPaths(manager: string, paths: readonly string[], form: RegExp): void {
  const odd = paths.find((path) => !form.test(path));
  if (odd === undefined) return;
  throw new RexecError(`${manager} cannot be given the path ${JSON.stringify(odd)}`, {
    code: "bad_path",
    hint: "move the file to a path of plain letters, digits and ./-_",
  });
}
