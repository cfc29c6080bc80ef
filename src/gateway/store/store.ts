/** The gateway's persistent state. */
import { join } from "node:path";
import { Agents } from "./agents.ts";
import { Audits } from "./audit.ts";
import { DeviceCodes } from "./device-codes.ts";
import { Factors } from "./factors.ts";
import { Grants } from "./grants.ts";
import { Groups } from "./groups.ts";
import { Joins } from "./joins.ts";
import { migrate } from "./migrate.ts";
import { OidcIdentities } from "./oidc-identities.ts";
import { OneTimeLinks } from "./one-time-links.ts";
import { guardAudit, openFolder } from "./open.ts";
import { Passkeys } from "./passkeys.ts";
import { storeProblem } from "./problems.ts";
import { RecordingPolicies } from "./recording-policies.ts";
import { RecordingRows } from "./recordings.ts";
import { Shares } from "./shares.ts";
import { SignInSessions } from "./sign-in-sessions.ts";
import { SignInSteps } from "./sign-in-steps.ts";
import { Tokens } from "./tokens.ts";
import { Users } from "./users.ts";

/** The tables of an open data folder. Owned by the gateway, which closes it. */
export interface Store {
  readonly users: Users;
  readonly tokens: Tokens;
  readonly agents: Agents;
  readonly audits: Audits;
  readonly deviceCodes: DeviceCodes;
  readonly factors: Factors;
  readonly signInSteps: SignInSteps;
  readonly passkeys: Passkeys;
  readonly oidcIdentities: OidcIdentities;
  readonly groups: Groups;
  readonly grants: Grants;
  readonly recordings: RecordingRows;
  readonly recordingPolicies: RecordingPolicies;
  readonly signInSessions: SignInSessions;
  readonly links: OneTimeLinks;
  readonly joins: Joins;
  readonly shares: Shares;
  readonly othersCanRead: boolean;
  /** Writes and reads; rejects with the database's error. */
  check(): Promise<void>;
  /** True where another process has written since the call before. */
  changedElsewhere(): Promise<boolean>;
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
    await guardAudit(opened.database);
    await agents.dropOversized();
  } catch (error) {
    await opened.close().catch(() => {}); // the first error counts
    throw storeProblem(join(folder, "gateway.db"), error, "bad_database");
  }
  return {
    users: new Users(opened.database),
    tokens: new Tokens(opened.database),
    agents,
    audits: new Audits(opened.database),
    deviceCodes: new DeviceCodes(opened.database),
    factors: new Factors(opened.database),
    signInSteps: new SignInSteps(opened.database),
    passkeys: new Passkeys(opened.database),
    oidcIdentities: new OidcIdentities(opened.database),
    groups: new Groups(opened.database),
    grants: new Grants(opened.database),
    recordings: new RecordingRows(opened.database),
    recordingPolicies: new RecordingPolicies(opened.database),
    signInSessions: new SignInSessions(opened.database),
    links: new OneTimeLinks(opened.database),
    joins: new Joins(opened.database),
    shares: new Shares(opened.database),
    othersCanRead: opened.othersCanRead,
    check: () => opened.check(),
    changedElsewhere: () => opened.changedElsewhere(),
    close: () => opened.close(),
  };
}
