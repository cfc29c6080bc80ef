import { expect, test } from "bun:test";
import { screenCase } from "../support/screen-case.ts";

/** `REXEC_FUZZ_CASES=100000 bun run test screen-property` takes some minutes. */
const CASES = Number(process.env.REXEC_FUZZ_CASES ?? 3_000);

test(`who attaches has what others have, now and later, wherever output is cut (${CASES} random streams)`, () => {
  for (let seed = 0; seed < CASES; seed += 1) {
    const difference = screenCase(seed, 40);
    expect({ seed, difference }).toEqual({ seed, difference: null });
  }
}, 600_000);
