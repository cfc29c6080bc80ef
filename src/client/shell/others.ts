/** The other viewers of a session, in words. */
import { counted } from "../../lib/count.ts";
import { ago } from "../../lib/duration.ts";
import { printable } from "../../lib/printable.ts";
import type { OtherViewer } from "../../protocol/v2/control.ts";

/** Names that are shown; of more there is the number. */
const MOST_NAMES = 3;
const LONGEST_NAME = 40;

/** `also in this shell: ada (came 3 min ago), bob (came just now) and 2 more`; empty where there is no other. */
export function othersText(others: readonly OtherViewer[], now: number): string {
  if (others.length === 0) return "";
  const shown = others.slice(0, MOST_NAMES).map(({ name, since }) => {
    return `${printable(name, LONGEST_NAME) || "a viewer"} (came ${ago(now - since)})`;
  });
  const more = others.length > MOST_NAMES ? ` and ${others.length - MOST_NAMES} more` : "";
  return `also in this shell: ${shown.join(", ")}${more}`;
}

/** What a viewer is told of the recording of the session; empty where there is nothing to tell. */
export function recordedText(isRecorded: boolean, asked = false): string {
  if (isRecorded) return "this session is recorded";
  return asked ? "this session is not recorded: the server forbids it, or cannot" : "";
}

/** The same where no more than their number is known. */
export function othersCounted(count: number): string {
  return count > 0 ? `also in this shell: ${counted(count, "viewer")}` : "";
}
