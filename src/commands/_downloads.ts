/** Where the agent's executables are looked for. */
import { dirname, join, resolve } from "node:path";

/** Without `--downloads`: in dist/, the executables lie beside each other. */
export function usualDownloads(): string[] {
  const here = dirname(process.execPath);
  return [here, join(here, "dist"), resolve("dist")];
}
