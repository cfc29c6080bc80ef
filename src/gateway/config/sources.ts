/** Where values of settings come from. */
import type { Place } from "./kinds.ts";

/** Where the values come from. */
export interface Sources {
  /** By the name of the option, as it was typed: `{ port: "8080" }`. A switch is "true" or "false". */
  readonly options: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A file that `--config` names. It must be there. */
  readonly file?: string | undefined;
  /** What stands in `file`, where that is to be written only. */
  readonly text?: string | undefined;
  /** The file that is read where none is named, if it exists; null for none. */
  readonly usualFile?: string | null;
  /** Working folder. */
  readonly cwd: string;
}

/** Texts of a setting from one source. */
export interface Given {
  readonly texts: readonly string[];
  readonly place: Place;
  /** For a person: `--port`, `REXEC_SERVE_PORT`, `/etc/rexec/serve.yaml:3`. */
  readonly from: string;
  /** Of a secret that a file holds: its path. */
  readonly secretFile?: string | undefined;
}
