/** Which terminals the programs of this machine know how to drive: where ncurses looks, in its order. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ViewerTerminal } from "../../protocol/v2/control.ts";

/** Every program knows this one, and everything that shows our shells is one. */
export const USUAL_TERM = "xterm-256color";

const SYSTEM = [
  "/etc/terminfo",
  "/lib/terminfo",
  "/usr/lib/terminfo",
  "/usr/share/terminfo",
  "/usr/share/lib/terminfo",
  "/usr/local/share/terminfo",
];

/**
 * Families that speak the language of xterm, more or less. A session may have other viewers, and the gateway draws its
 * screen too: a shell made for a terminal with a language of its own would be garbage to all of them.
 */
const RELATED =
  /^(xterm|screen|tmux|rxvt|vt[1-5]\d\d|linux|ansi|alacritty|kitty|foot|wezterm|ghostty|konsole|gnome|vte|st|iterm2?|contour|mlterm|putty|mintty|cygwin|eterm|nsterm|ms-terminal|rio|zellij)\b/i;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * TERM, and COLORTERM where there is one, for a shell that is started for that terminal.
 * @param env of the shell
 */
export function terminalVariables(
  { term, colorterm }: ViewerTerminal,
  env: Environment,
  system: readonly string[] = SYSTEM,
): Record<string, string> {
  const isKnown =
    term === "dumb" || (term !== undefined && RELATED.test(term) && isInTerminfo(term, env, system));
  // Terminals that call themselves plain xterm know 256 colours as well.
  return {
    TERM: isKnown && term !== "xterm" ? term : USUAL_TERM,
    ...(colorterm === undefined || term === "dumb" ? {} : { COLORTERM: colorterm }),
  };
}

// --- internal ---

/** @param name of no other characters than those that `viewerTerminal` lets through: no path leads out */
function isInTerminfo(name: string, env: Environment, system: readonly string[]): boolean {
  const [first = ""] = name;
  const letters = [first, first.charCodeAt(0).toString(16)];
  return foldersOf(env, system).some((folder) =>
    letters.some((letter) => existsSync(join(folder, letter, name))),
  );
}

/** terminfo(5): TERMINFO, ~/.terminfo, TERMINFO_DIRS (an empty entry is the system's), the system's. */
function foldersOf({ TERMINFO, TERMINFO_DIRS, HOME }: Environment, system: readonly string[]): string[] {
  const listed = (TERMINFO_DIRS ?? "").split(":").filter(Boolean);
  return [TERMINFO, HOME && join(HOME, ".terminfo"), ...listed, ...system].filter(
    (folder): folder is string => typeof folder === "string" && folder.startsWith("/"),
  );
}
