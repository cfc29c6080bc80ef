/** A command as the audit log shows it: what was run, without the values of variables and other secrets. */

import { quoteWords } from "../../lib/quote.ts";
import { redact } from "../../lib/redact.ts";
import { unwrapCommand } from "../../lib/unwrap-command.ts";

/** Characters of a wrapped command and of another line that are looked at, and of one that is shown. */
const WRAPPED = 256 * 1024;
const LOOKED_AT = 8_192;
const SHOWN = 2_000;
/** Names of variables that are shown, characters. */
const NAMES = 1_000;
/** Stands for a secret, as in `redact`. */
const MASK = "…";

/** A command as the caller sent it. */
export interface AskedCommand {
  readonly command: string;
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/**
 * What makes a command the one that was asked for before under its id, which the viewer chooses: the same user asks for
 * the same. Anything else is another command.
 */
export function commandIdentity(userId: string, { command, cwd, env }: AskedCommand): string {
  const text = JSON.stringify([userId, command, cwd ?? null, env ?? null]);
  return new Bun.CryptoHasher("sha256").update(text).digest("base64");
}

/** The details of an entry. Of variables only the names are kept. */
export function commandDetails({ command, cwd, env }: AskedCommand): Record<string, string> {
  const inner = command.length <= WRAPPED ? unwrapCommand(command) : null;
  const names = [...Object.keys(env ?? {}), ...Object.keys(inner?.env ?? {})];
  const folder = cwd ?? inner?.cwd;
  return {
    command: inner ? maskedWords(inner.words) : shown(maskedLine(command.slice(0, LOOKED_AT))),
    ...(folder === undefined ? {} : { cwd: folder }),
    ...(names.length === 0
      ? {}
      : {
          env: names
            .map((name) => `${name}=${MASK}`)
            .join(" ")
            .slice(0, NAMES),
        }),
  };
}

// --- internal ---

/** Anywhere in a name: as `secret-environment.ts` has it for a CI job's environment. */
const SECRET_NAME =
  /TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|PRIVATE|API-?KEY|KEYS?(?:$|[-_\d])|(?:^|[-_])(?:PASS|PWD|PW|PAT|AUTH|JWT|DSN|COOKIE)(?:$|[-_\d])/i;
const VARIABLE = /^([A-Za-z_]\w*)(\+?=)([\s\S]*)$/;
/** An option that sets a variable in the environment of what is run: docker's, kubectl's, our own. */
const ENV_OPTION = /^(?:-e|--env|--build-arg|--set-env)$/;
const JOINED_ENV_OPTION = /^(-e|--(?:env|build-arg|set-env)=)([A-Za-z_]\w*=)([\s\S]*)$/;
const OPTION = /^(--?[A-Za-z][\w.-]*)(?:=([\s\S]*))?$/;

function maskedWords(words: readonly string[]): string {
  const masked = words.map((word, index) => maskedWord(word, words[index - 1]));
  return shown(quoteWords(masked));
}

function maskedWord(word: string, before: string | undefined): string {
  const [, option, name] = JOINED_ENV_OPTION.exec(word) ?? [];
  if (option !== undefined) return `${option}${name}${MASK}`;
  const [, variable, equals, value = ""] = VARIABLE.exec(word) ?? [];
  if (variable !== undefined && (ENV_OPTION.test(before ?? "") || SECRET_NAME.test(variable)))
    return value === "" ? word : `${variable}${equals}${MASK}`;
  const [, flag, given] = OPTION.exec(word) ?? [];
  if (flag !== undefined && given !== undefined && SECRET_NAME.test(flag)) return `${flag}=${MASK}`;
  const [, earlier, own] = OPTION.exec(before ?? "") ?? [];
  if (earlier?.startsWith("--") && own === undefined && SECRET_NAME.test(earlier) && !word.startsWith("-"))
    return MASK;
  // A script within a word: sh -c 'TOKEN=x cmd'.
  return /\s/.test(word) ? maskedLine(word) : redact(word);
}

/** One word of a shell's line, quoted in parts or not. */
const WORD = String.raw`(?:'[^']*'?|"(?:\\.|[^"\\])*"?|\\.|[^\s'"\\;|&<>()])+`;
const WORDS = new RegExp(WORD, "gs");

/** A line for a shell: its words are masked where they stand, and all between them stays. */
function maskedLine(line: string): string {
  let before: string | undefined;
  return redact(
    line.replace(WORDS, (word) => {
      const plain = unquoted(word);
      const masked = maskedSimple(plain, before);
      before = plain;
      return masked === null ? word : quoteWords(["", masked]).slice("'' ".length);
    }),
  );
}

/** Null where the word may be shown as it is. */
function maskedSimple(word: string, before: string | undefined): string | null {
  if (/\s/.test(word) && !VARIABLE.test(word) && !OPTION.test(word)) {
    const within = maskedLine(word);
    return within === word ? null : within;
  }
  const masked = maskedWord(word, before);
  return masked === word ? null : masked;
}

function unquoted(word: string): string {
  return word.replace(/'([^']*)'?|"((?:\\.|[^"\\])*)"?|\\(.)/gs, (_, single, double, escaped) =>
    single !== undefined ? single : double !== undefined ? double.replace(/\\([$`"\\])/g, "$1") : escaped,
  );
}

function shown(text: string): string {
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}… (${text.length} characters)`;
}
