/** Writes the table of the gateway's settings into docs/gateway-config.md. A test fails where the page has another. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { reference } from "../src/gateway/config/print.ts";
import { SETTINGS } from "../src/gateway/config/settings.ts";

/** The page, and the lines that the table stands between. */
export const PAGE = join(import.meta.dir, "../docs/gateway-config.md");
const [BEGIN, END] = ["<!-- settings: bun scripts/settings-table.ts -->", "<!-- end of settings -->"];

/** The page with the table as it should be. @throws Error where it has no place for it */
export function withTable(page: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${PAGE} has no lines "${BEGIN}" and "${END}"`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${reference(SETTINGS)}\n\n${page.slice(end)}`;
}

if (import.meta.main) writeFileSync(PAGE, withTable(readFileSync(PAGE, "utf8")));
