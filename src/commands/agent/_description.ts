/** Name, description and tags of an agent as a person gives them; what a server would refuse is told here. */
import { UsageError } from "../../lib/errors.ts";
import { COUNTS, hasControls, LENGTHS } from "../../protocol/values.ts";

/** @throws UsageError for one that is blank, too long, or has a control character in it */
export function nameOf(given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  const name = given.trim();
  if (!name) throw new UsageError("--name is empty", "give a name, or leave --name out");
  check("--name", name, LENGTHS.name);
  return name;
}

/** Empty takes the description away. @throws UsageError */
export function descriptionOf(given: string | undefined): string | undefined {
  if (given === undefined || given.length <= LENGTHS.description) return given;
  throw tooLong("--description", given.length, LENGTHS.description);
}

/** From a list with commas; empty takes all tags away. @throws UsageError */
export function tagsOf(given: string | undefined): string[] | undefined {
  if (given === undefined) return undefined;
  const words = given.split(",").map((tag) => tag.trim());
  const tags = [...new Set(words.filter(Boolean))];
  for (const tag of tags) check("a tag of --tags", tag, LENGTHS.tag);
  if (tags.length <= COUNTS.tags) return tags;
  throw new UsageError(`--tags has ${tags.length} tags`, `an agent may have ${COUNTS.tags}`);
}

/** What this machine is called where no name is given: its hostname, as far as a server takes that. */
export function defaultName(hostname: string): string {
  const plain = hostname.trim();
  return plain && !hasControls(plain) ? plain.slice(0, LENGTHS.name) : "agent";
}

// --- internal ---

function check(what: string, text: string, max: number): void {
  if (hasControls(text)) {
    throw new UsageError(
      `${what} has a control character in it: ${JSON.stringify(text.slice(0, 80))}`,
      "use plain text",
    );
  }
  if (text.length > max) throw tooLong(what, text.length, max);
}

function tooLong(what: string, length: number, max: number): UsageError {
  return new UsageError(`${what} has ${length} characters`, `a server takes ${max}`);
}
