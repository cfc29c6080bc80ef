/** Selectors of agents: an id, or `tag:NAME` for all agents with that tag. */
const TAG = "tag:";

/** True where the list is empty, or one of its selectors names the agent. */
export function selects(
  selectors: readonly string[],
  { id, tags }: { id: string; tags: readonly string[] },
): boolean {
  if (selectors.length === 0) return true;
  return selectors.some((selector) => {
    const tag = tagOf(selector);
    return tag === null ? selector === id : tags.includes(tag);
  });
}

/** The tag of `tag:NAME`; null for an id. */
export function tagOf(selector: string): string | null {
  return selector.startsWith(TAG) ? selector.slice(TAG.length) : null;
}

/**
 * The tag as it stands in the JSON text of a list of tags. JSON escapes the quotes in a tag, so that this quoted name is
 * found as a whole entry only. Portable: `REPLACE(tags, needle, '') <> tags`.
 */
export function tagNeedle(tag: string): string {
  return JSON.stringify(tag);
}
