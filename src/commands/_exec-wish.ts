/** What the options and words of `rexec exec` ask for, checked before anything is sent. */
import { LONGEST_TIMER_MS, parseDuration } from "../lib/duration.ts";
import { UsageError } from "../lib/errors.ts";
import { shownOf } from "../lib/os-string.ts";
import { ownOddVariables } from "../lib/own-bytes.ts";
import { commandLine, quoteWords } from "../lib/quote.ts";
import { MAX_LINGER_MS } from "../protocol/limits.ts";

/**
 * What is not text travels in the command line, where it is spelled out for /bin/sh.
 * @param isWhole folder and variables travel there in any case
 */
export function commandOf(
  words: readonly string[],
  cwd: string | undefined,
  env: Record<string, string>,
  isWhole: boolean,
) {
  const isEmpty = cwd === undefined && Object.keys(env).length === 0;
  const isText = [cwd ?? "", ...Object.values(env)].every((value) => value.isWellFormed());
  const command = commandLine(isEmpty || (isText && !isWhole) ? { words } : { words, cwd, env });
  const shown = shownOf(quoteWords(words));
  return { command, shown, cwd: isText ? cwd : undefined, env: isText ? env : {} };
}

export function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== null && ms > 0 && ms < LONGEST_TIMER_MS / 2) return ms;
  throw new UsageError(`--timeout cannot be "${text}"`, "give 30s, 500ms, 5m or 2h; at most 12 days");
}

export function lingerOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== null && ms >= 0 && ms <= MAX_LINGER_MS) return ms;
  throw new UsageError(`--linger cannot be "${text}"`, "give 0, 500ms, 10s or 5m; at most 24h");
}

/** A terminal has one stream, and lasts as long as it likes. */
export function checkTty(args: Readonly<Record<string, unknown>>): void {
  const without = {
    "--timeout": args.timeout,
    "--linger": args.linger,
    "--json": args.json,
    "-n": args.noStdin,
  };
  for (const [name, value] of Object.entries(without))
    if (value !== undefined && value !== false)
      throw new UsageError(`-t and ${name} do not go together`, "leave one of them out");
}

export function environmentOf(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(entries.map(variableOf));
}

// --- internal ---

function variableOf(entry: string): [string, string] {
  const [, name, given] = /^([A-Za-z_]\w*)(?:=([\s\S]*))?$/.exec(entry) ?? [];
  if (!name)
    throw new UsageError(`--env cannot be "${entry}"`, "give NAME=value, or the name of a variable of yours");
  const value = given ?? ownOddVariables(process.env).get(name) ?? process.env[name];
  if (value === undefined)
    throw new UsageError(`--env ${name}: there is no such variable here`, `give ${name}=value`);
  return [name, value];
}
