/** Events of an asciicast v2, as recordings have them. https://docs.asciinema.org/manual/asciicast/v2/ */

/**
 * Codes of events: output, stderr of a command, input, a marker, a size and the end ("x", as asciicast v3 has it). Players
 * leave out what they do not know.
 */
export type EventCode = "o" | "e" | "i" | "m" | "r" | "x";

/** An event: seconds since the recording began, its code and its text. */
export type CastEvent = readonly [time: number, code: string, data: string];

/** The events in this text; lines that are none are left out, such as the header and one that was cut. */
export function eventsIn(text: string): CastEvent[] {
  return text.split("\n").flatMap((line) => {
    const event = eventOf(line);
    return event ? [event] : [];
  });
}

/** Null for a line that is no event. */
export function eventOf(line: string): CastEvent | null {
  if (!line.startsWith("[") || !line.endsWith("]")) return null;
  try {
    const [time, code, data]: unknown[] = JSON.parse(line);
    if (typeof time !== "number" || !Number.isFinite(time)) return null;
    if (typeof code !== "string" || typeof data !== "string") return null;
    return [time, code, data];
  } catch {
    return null;
  }
}

/** What a terminal is given of an event. @param isCommand no terminal has returned the carriage of its lines */
export function shownOf([, code, data]: CastEvent, isCommand: boolean): string {
  if (code !== "o" && code !== "e") return "";
  return isCommand ? data.replaceAll(/\r?\n/g, "\r\n") : data;
}

/** The size in an "r" event; null where it is none. */
export function sizeIn(data: string): { cols: number; rows: number } | null {
  const [, cols, rows] = /^(\d{1,5})x(\d{1,5})$/.exec(data) ?? [];
  return cols && rows ? { cols: Number(cols), rows: Number(rows) } : null;
}
