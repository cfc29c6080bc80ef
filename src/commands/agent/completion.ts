/** The same command in both programs: what it completes is whichever of them runs. */
export { completionCommand } from "../completion/command.ts";
