/** Finds the exported classes and interfaces that have no docstring, by the compiler's own parser. */
import { join, relative } from "node:path";
import { isClassDeclaration, isInterfaceDeclaration, type Node, SyntaxKind } from "typescript/unstable/ast";
import { API } from "typescript/unstable/async";

/** The folders and files that `bun run check` looks at. Add one when all of it is documented. */
export const DOCUMENTED = ["bench", "build.ts", "scripts", "src"];

/**
 * A docstring ends on the line above its declaration: a header with an empty line below it is the file's.
 *
 * @param root the folder of `tsconfig.json`
 * @param parts folders and files below `root`
 * @returns a line for each: file, line and name
 */
export async function undocumented(root: string, parts: readonly string[]): Promise<string[]> {
  const api = new API({ cwd: root });
  try {
    const snapshot = await api.updateSnapshot({ openProject: join(root, "tsconfig.json") });
    const missing: string[] = [];
    for (const { program, rootFiles } of snapshot.getProjects()) {
      for (const path of rootFiles) {
        const file = relative(root, path);
        if (!parts.some((part) => file === part || file.startsWith(`${part}/`))) continue;
        const source = await program.getSourceFile(path);
        if (!source) throw new Error(`the compiler does not know ${path}`);
        for (const node of source.statements) {
          const name = exportedName(node);
          if (name === null || hasDocstring(node, source.text)) continue;
          const line = source.text.slice(0, node.getStart()).split("\n").length;
          missing.push(`${file}:${line} ${name}`);
        }
      }
    }
    return missing.sort();
  } finally {
    await api.close();
  }
}

// --- internal ---

/** Null for what is no exported class or interface. */
function exportedName(node: Node): string | null {
  if (!isClassDeclaration(node) && !isInterfaceDeclaration(node)) return null;
  if (!node.modifiers?.some(({ kind }) => kind === SyntaxKind.ExportKeyword)) return null;
  return node.name?.text ?? "default";
}

function hasDocstring(node: Node, text: string): boolean {
  const last = node.jsDoc?.at(-1);
  return last !== undefined && text.slice(last.end, node.getStart()) === "\n";
}
