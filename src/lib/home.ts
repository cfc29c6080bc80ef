/** The home folder. `os.homedir()` throws where neither HOME nor the system names one: in a container with any uid. */
import { accountOf } from "./account.ts";

/** HOME where it is an absolute path; else the home of the account; else `/`. Never throws. */
export function homeFolder(env: Readonly<Record<string, string | undefined>>): string {
  if (env.HOME?.startsWith("/")) return env.HOME;
  return accountOf(process.getuid?.() ?? 0).home;
}
