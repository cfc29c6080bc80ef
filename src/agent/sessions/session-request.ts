/** What an opener of rexec.v2 says of the session that it wants. */
import type { ViewerTerminal } from "../../protocol/v2/control.ts";

/** What an opener may say of a shell that is started for it. */
export interface ShellWish extends ViewerTerminal {
  /** A line of shell in place of a login shell. */
  command?: string | undefined;
  /** The same for lists. */
  shown?: string | undefined;
}

/** What an opener of rexec.v2 asks for. */
export interface SessionRequest extends ShellWish {
  session: string;
  instance?: string | undefined;
  create: boolean;
  cols?: number | undefined;
  rows?: number | undefined;
}
