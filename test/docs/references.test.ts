/** The documents name files, pages and headings that exist. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const FOLDERS = ["src", "test", "scripts", "bench", "docs", ".ci"];
const DOCUMENTS = ["README.md", "CONTRIBUTING.md", ...namesIn("docs").filter((name) => name.endsWith(".md"))];
/** Every file and folder, from the root. */
const PATHS = [...FOLDERS.flatMap((folder) => [folder, ...namesIn(folder)]), ...readdirSync(ROOT)];
const ENDS = new Set(PATHS.flatMap(endsOf));

function namesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((name) =>
    join(folder, name),
  );
}

/** `a/b/c.ts`, `b/c.ts`, `c.ts`: documents leave the beginning of a path out. */
function endsOf(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_, index) => parts.slice(index).join("/"));
}

function textOf(document: string): string {
  return readFileSync(join(ROOT, document), "utf8");
}

/** The anchor of a heading, as GitHub makes it. */
function anchorOf(heading: string): string {
  const text = heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .trim()
    .toLowerCase();
  return text.replace(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-");
}

test.each(DOCUMENTS)("%s names TypeScript files that exist", (document) => {
  const named = [...textOf(document).matchAll(/`([\w.-]+(?:\/[\w.-]+)+\.ts)`/g)].map(([, path = ""]) => path);
  expect(named.filter((path) => !ENDS.has(path))).toEqual([]);
});

test("docs/architecture.md names files and folders that exist", () => {
  const named = [...textOf("docs/architecture.md").matchAll(/`([\w./-]+(?:\.ts|\/))`/g)];
  const paths = named.map(([, path = ""]) => path.replace(/\/$/, ""));
  expect(paths.length).toBeGreaterThan(100);
  expect(paths.filter((path) => !ENDS.has(path))).toEqual([]);
});

test.each(DOCUMENTS)("%s links to pages and headings that exist", (document) => {
  const links = [...textOf(document).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  const broken = links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? document : normalize(join(dirname(document), path));
    if (!PATHS.includes(target.replace(/\/$/, ""))) return true;
    if (anchor === undefined || !target.endsWith(".md")) return false;
    const headings = [...textOf(target).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => heading);
    return !headings.some((heading) => anchorOf(heading) === anchor);
  });
  expect(broken).toEqual([]);
});
