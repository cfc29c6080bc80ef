/** Signals by number and by name, including the real-time signals, which `node:os` lacks. */
import { constants } from "node:os";

/** The first and the last real-time signal that the C library leaves to programs; the two before them have no names. */
const RTMIN = 34;
const RTMAX = 64;

/** Of two names for one signal (SIGIOT, SIGPOLL, …) the usual one. */
const SECOND_NAMES = new Set(["SIGIOT", "SIGPOLL", "SIGUNUSED", "SIGCLD"]);

const NUMBERS = new Map<string, number>(Object.entries(constants.signals));
const NAMES = new Map(
  [...NUMBERS].filter(([name]) => !SECOND_NAMES.has(name)).map(([name, number]) => [number, name]),
);

/** `SIGKILL` for 9; `SIGRTMIN`, `SIGRTMIN+1` to `SIGRTMAX` for 34 to 64; `SIG33` for one without a name. */
export function signalName(number: number): string {
  if (number === RTMAX) return "SIGRTMAX";
  if (number > RTMIN && number < RTMAX) return `SIGRTMIN+${number - RTMIN}`;
  return number === RTMIN ? "SIGRTMIN" : (NAMES.get(number) ?? `SIG${number}`);
}

/** The number of a signal by any of its names, `SIG` left out or not; also of `SIGRT34`, `SIG34` and `34`. */
export function signalNumber(name: string): number | undefined {
  const bare = name.toUpperCase().replace(/^SIG/, "");
  const known = NUMBERS.get(`SIG${bare}`);
  if (known !== undefined) return known;
  const [, edge, sign, distance] = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(bare) ?? [];
  const plain = /^(?:RT)?(\d{1,2})$/.exec(bare)?.[1];
  if (edge === undefined) return inRange(Number(plain ?? 0));
  const offset = Number(distance ?? 0) * (sign === "-" ? -1 : 1);
  return inRange((edge === "MIN" ? RTMIN : RTMAX) + offset);
}

// --- internal ---

function inRange(number: number): number | undefined {
  return number >= 1 && number <= RTMAX ? number : undefined;
}
