import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { undocumented } from "../../scripts/docstrings.ts";

const folder = mkdtempSync(join(tmpdir(), "rexec-docstrings-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("an exported class or interface without a docstring is named with its file and line", async () => {
  const sources = {
    "lib/bare.ts": "export class Bare {}\nexport interface Shape {}\n",
    "lib/header.ts": "/** A file. */\n\nexport class OnlyHeader {}\n",
    "lib/remark.ts":
      "/* A remark. */\nexport abstract class Remark {}\n// A line.\nexport interface Line {}\n",
    "lib/unnamed.ts": "export default class {}\n",
    "lib/good.ts":
      "/** A file. */\n\n/** It is one. */\nexport class Good {}\nclass Own {}\nexport type T = Own;\n",
    "lib/long.ts": "/**\n * It is one.\n * And more.\n */\nexport default class Long {}\n",
    "one.ts": "export class One {}\n",
    "library/other.ts": "export class OfNoListedFolder {}\n",
  };
  for (const name of ["lib", "library"]) mkdirSync(join(folder, "src", name), { recursive: true });
  for (const [name, text] of Object.entries(sources)) writeFileSync(join(folder, "src", name), text);
  writeFileSync(join(folder, "tsconfig.json"), '{"include": ["src"]}');
  expect(await undocumented(folder, ["src/lib", "src/one.ts"])).toEqual([
    "src/lib/bare.ts:1 Bare",
    "src/lib/bare.ts:2 Shape",
    "src/lib/header.ts:3 OnlyHeader",
    "src/lib/remark.ts:2 Remark",
    "src/lib/remark.ts:4 Line",
    "src/lib/unnamed.ts:1 default",
    "src/one.ts:1 One",
  ]);
});
