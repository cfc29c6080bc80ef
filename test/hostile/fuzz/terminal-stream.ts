/** Terminal output as a hostile program makes it: whole sequences, halves of them, and counts beyond reason. */
import type { Random } from "./random.ts";

const COUNTS = [
  "",
  "0",
  "1",
  "2",
  "80",
  "999",
  "65535",
  "2147483647",
  "4294967296",
  "99999999999999999999",
  "-1",
];
const FINALS = "@ABCDEFGHIJKLMPSTXZ`abcdefghilmnpqrstuvwxyz{|}~";
const WORDS = [
  "hello",
  "日本語",
  "👩‍👩‍👧‍👦",
  "é",
  "\t",
  "\r\n",
  "\b",
  "\x0e",
  "\x0f",
  "\x05",
  "\x18",
  "\x1a",
  "\x7f",
  "\x9b2J",
];
const STRINGS = [
  "]0;title",
  "]8;;http://x",
  "]52;c;?",
  "]4;1;?",
  "]1337;File=inline=1:",
  "P+q544e",
  "P1$r",
  "Pq#0~",
  "_Ga=q",
  "^x",
  "X",
];

/** So many pieces. */
export function terminalStream(random: Random, pieces: number): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (let n = 0; n < pieces; n += 1) {
    const piece = Buffer.from(pieceOf(random), "utf8");
    parts.push(random.chance(0.05) ? piece.subarray(0, random.int(piece.length + 1)) : piece);
    if (random.chance(0.02)) parts.push(random.bytes(random.int(20)));
  }
  return new Uint8Array(Buffer.concat(parts));
}

// --- internal ---

function pieceOf(random: Random): string {
  const choice = random.next();
  if (choice < 0.3) return random.pick(WORDS);
  if (choice < 0.7) {
    const prefix = random.pick(["", "", "", "?", ">", "<", "=", "!"]);
    const params = Array.from({ length: random.int(random.chance(0.02) ? 2_000 : 4) }, () =>
      random.pick(COUNTS),
    );
    const joint = random.chance(0.1) ? ":" : ";";
    return `\x1b[${prefix}${params.join(joint)}${random.pick(["", "", "", "$", " ", "'", '"', "*"])}${random.pick([...FINALS])}`;
  }
  if (choice < 0.8)
    return `\x1b${random.pick([..."78cDEHMNOZ=>()*+-./#% "])}${random.pick(["", "0", "B", "8"])}`;
  if (choice < 0.9) return `\x1b${random.pick(STRINGS)}${random.pick(["\x07", "\x1b\\", "", "\x18"])}`;
  if (choice < 0.92) return `\x1b${random.pick(STRINGS)}${"A".repeat(random.int(50_000))}`;
  return "x".repeat(random.int(300));
}
