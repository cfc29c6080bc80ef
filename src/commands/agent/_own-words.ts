import { programName } from "../_cli.ts";

/** The words in front of a command in this program: `rexec agent …` or `rexec-agent …`. */
export function ownWords(): string[] {
  return programName() === "rexec" ? ["agent"] : [];
}
