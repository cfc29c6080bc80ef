/** One setting of the gateway: its names, and what it means. */
import type { Kind, Place } from "./kinds.ts";

/** What a setting is declared with. */
interface Declaration<T> {
  /** The option without its dashes; the variable's name follows from it. */
  readonly flag: string;
  /** Where it stands in the YAML file: `port`, or `tls.cert`. */
  readonly key: string;
  readonly kind: Kind<T>;
  /** For help texts and the reference: one line without a full stop. */
  readonly description: string;
}

/** A setting of `rexec serve`. Declared once, in `settings.ts`. */
export interface Setting<out T> {
  readonly flag: string;
  /** `REXEC_SERVE_TLS_CERT` */
  readonly variable: string;
  /** A variable that counts where this setting is given in no other way. A wrong value of it is ignored. */
  readonly lastVariable: string | null;
  readonly key: string;
  readonly kind: Pick<Kind<unknown>, "hint" | "form" | "shown" | "files">;
  readonly description: string;
  /** As text; null for none. */
  readonly fallback: string | null;
  /** Never printed; the command line names a file of it in place of its value. */
  readonly isSecret: boolean;
  /** @param texts null where nothing is given @throws BadValue */
  value(texts: readonly string[] | null, place: Place): T;
}

/** A setting with a default value, written as text. */
export function setting<T>(
  declared: Declaration<T> & { readonly default: string; readonly lastVariable?: string },
): Setting<T> {
  return {
    ...named(declared),
    lastVariable: declared.lastVariable ?? null,
    fallback: declared.default,
    isSecret: false,
    value: (texts, place) => declared.kind.parse(texts ?? [declared.default], place),
  };
}

/** A setting that may be left out. */
export function optional<T>(declared: Declaration<T>): Setting<T | undefined> {
  return {
    ...named(declared),
    fallback: null,
    isSecret: false,
    value: (texts, place) => (texts === null ? undefined : declared.kind.parse(texts, place)),
  };
}

/** A key or password. Its option, `--NAME-file`, a variable, `…_FILE`, and a YAML key, `…_file`, name a file of it. */
export function secret(declared: Declaration<string>): Setting<string | undefined> {
  return { ...optional(declared), isSecret: true };
}

/** What a person types for it. */
export function optionOf({ flag, isSecret }: Setting<unknown>): string {
  return isSecret ? `${flag}-file` : flag;
}

// --- internal ---

function named<T>({ flag, key, kind, description }: Declaration<T>) {
  const variable = `REXEC_SERVE_${flag.replaceAll("-", "_").toUpperCase()}`;
  return { flag, variable, lastVariable: null, key, kind, description };
}
