/** How both doctors show what they find. */
import type { Finding } from "../lib/finding.ts";
import { printable, printableJson } from "../lib/printable.ts";
import { redact } from "../lib/redact.ts";
import { colourful, writeOut } from "./_output.ts";

/** Prints findings as they come, or as one JSON object. @returns the exit code: 1 where a check has failed */
export async function showFindings(checks: readonly Promise<Finding>[], asJson: boolean): Promise<0 | 1> {
  const findings: Finding[] = [];
  for (const check of checks) {
    const finding = await check;
    findings.push(finding);
    // A check that leads nowhere takes its time.
    if (!asJson) await writeOut(lineOf(finding));
  }
  const failed = findings.filter(({ verdict }) => verdict === "failed").length;
  if (asJson) {
    await writeOut(`${redact(printableJson({ ok: failed === 0, checks: findings }))}\n`);
  } else {
    await writeOut(failed === 0 ? "\nall is well\n" : `\n${failed} of ${findings.length} failed\n`);
  }
  return failed === 0 ? 0 : 1;
}

// --- internal ---

const MARKS = { ok: "✓", warning: "!", failed: "✗", skipped: "-" } as const;
const COLOURS = { ok: "32", warning: "33", failed: "31", skipped: "2" } as const;

function lineOf({ check, verdict, detail, hint }: Finding): string {
  const mark = colourful(1) ? `\x1b[${COLOURS[verdict]}m${MARKS[verdict]}\x1b[0m` : MARKS[verdict];
  const advice = hint === undefined ? "" : `\n                hint: ${printable(hint)}`;
  return redact(`${mark} ${check.padEnd(13)} ${printable(detail)}${advice}\n`);
}
