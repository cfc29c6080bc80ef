/** Tokens in commands: listed, named, and how long they count. */

import type * as z from "zod/mini";
import { LONGEST_CELL } from "../client/table.ts";
import { ago, parseDuration, rfc3339 } from "../lib/duration.ts";
import { ExitCode, RexecError, UsageError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import type { tokenInfo } from "../protocol/http.ts";
import { stdoutTable } from "./_table.ts";

/** A token as lists show it, without its secret. */
export type ListedToken = z.infer<typeof tokenInfo>;

/**
 * @param owner the name of a token's user, where they have several
 * @param agentNames by id; an agent that has none is shown by its id
 */
export function tokenTable<T extends ListedToken>(
  tokens: readonly T[],
  owner?: (token: T) => string,
  agentNames: ReadonlyMap<string, string> = new Map(),
): string {
  const since = (time: string | null | undefined, otherwise: string) => {
    const ms = Date.parse(rfc3339(time) ?? "");
    return Number.isNaN(ms) ? otherwise : ago(Date.now() - ms);
  };
  const rows = tokens.map((token) => [
    ...(owner ? [printable(owner(token), LONGEST_CELL)] : []),
    printable(token.name ?? "", LONGEST_CELL),
    printable(`${token.token_prefix}…`),
    printable(token.scopes?.join(",") ?? "", LONGEST_CELL),
    printable(token.only_agents?.map((only) => agentNames.get(only) ?? only).join(",") ?? "", LONGEST_CELL),
    since(token.last_used_at, "never"),
    printable(rfc3339(token.expires_at)?.slice(0, 16).replace("T", " ") ?? "never"),
    stateOf(token),
  ]);
  return stdoutTable(owner ? [{ title: "USER", shrink: { min: 8 } }, ...COLUMNS] : COLUMNS, rows);
}

/** Whether the token still works. */
export function stateOf({ revoked_at, expires_at }: ListedToken): "valid" | "revoked" | "expired" {
  if (revoked_at) return "revoked";
  return expires_at && Date.parse(expires_at) <= Date.now() ? "expired" : "valid";
}

/** Of an option that may be repeated. */
export function words(text: string | undefined): string[] {
  return (text ?? "")
    .split(",")
    .map((word) => word.trim())
    .filter(Boolean);
}

/** Seconds of `--expires`; undefined for ever. @throws UsageError */
export function lifeOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "never") return undefined;
  const ms = parseDuration(text);
  if (ms !== null && ms >= 1_000) return Math.round(ms / 1_000);
  throw new UsageError(`--expires cannot be "${text}"`, `it is a time of a second or more: 1h, 30d`);
}

/**
 * The valid token that is meant, by id, name or the beginning of its secret.
 * @param list the command that lists them, for the hint
 * @throws RexecError `ambiguous`, `unknown_token`
 */
export function pickToken<T extends ListedToken>(reference: string, tokens: readonly T[], list: string): T {
  const live = tokens.filter((token) => stateOf(token) === "valid");
  const prefix = reference.replace(/…$/, "");
  const tests: ((token: T) => boolean)[] = [
    ({ id }) => id === reference,
    ({ name }) => name === reference,
    ({ token_prefix }) => prefix.length >= token_prefix.length && prefix.startsWith(token_prefix),
    ({ id }) => reference.length >= 8 && id.startsWith(reference),
  ];
  for (const test of tests) {
    const [found, ...more] = live.filter(test);
    if (found && more.length === 0) return found;
    if (found) {
      throw new RexecError(`${more.length + 1} tokens are called "${reference}"`, {
        code: "ambiguous",
        hint: `give an id: ${[found, ...more]
          .slice(0, 8)
          .map(({ id }) => printable(id, 64))
          .join(", ")}`,
        exitCode: ExitCode.usage,
      });
    }
  }
  throw new RexecError(`there is no valid token "${reference}"`, {
    code: "unknown_token",
    hint: `${list} lists them`,
    exitCode: ExitCode.rejected,
  });
}

// --- internal ---

const COLUMNS = [
  { title: "NAME", shrink: { min: 12 } },
  { title: "TOKEN" },
  { title: "SCOPES", shrink: { min: 6 } },
  { title: "ONLY", shrink: { min: 6 } },
  { title: "LAST USED" },
  { title: "EXPIRES" },
  { title: "STATE" },
];
