/** The gateway's persistent state. */
import { join } from "node:path";
import { Agents } from "./agents.ts";
import { Grants } from "./grants.ts";
import { Groups } from "./groups.ts";
import { migrate } from "./migrate.ts";
import { openFolder } from "./open.ts";
import { storeProblem } from "./problems.ts";
import { RecordingPolicies } from "./recording-policies.ts";
import { RecordingRows } from "./recordings.ts";
import { Tokens } from "./tokens.ts";
import { Users } from "./users.ts";

/** The tables of an open data folder. Owned by the gateway, which closes it. */
export interface Store {
  readonly users: Users;
  readonly tokens: Tokens;
  readonly agents: Agents;
  readonly groups: Groups;
  readonly grants: Grants;
  readonly recordings: RecordingRows;
  readonly recordingPolicies: RecordingPolicies;
  readonly othersCanRead: boolean;
  close(): Promise<void>;
}

/**
 * Opens the data folder, making it if it is missing, and brings the schema up to date.
 * @param exclusive see `openFolder`
 * @throws RexecError
 */
export async function openStore(folder: string, exclusive = true): Promise<Store> {
  const opened = await openFolder(folder, exclusive);
  const agents = new Agents(opened.database);
  try {
    await migrate(opened.database);
    await agents.dropOversized();
  } catch (error) {
    await opened.close().catch(() => {}); // the first error counts
    throw storeProblem(join(folder, "gateway.db"), error, "bad_database");
  }
  return {
    users: new Users(opened.database),
    tokens: new Tokens(opened.database),
    agents,
    groups: new Groups(opened.database),
    grants: new Grants(opened.database),
    recordings: new RecordingRows(opened.database),
    recordingPolicies: new RecordingPolicies(opened.database),
    othersCanRead: opened.othersCanRead,
    close: () => opened.close(),
  };
}
