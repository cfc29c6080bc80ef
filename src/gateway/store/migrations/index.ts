/** Every migration in order. A number that was released is never changed: the next one mends it. */
import initial from "./0001-initial.sql" with { type: "text" };
import ephemeral from "./0002-ephemeral.sql" with { type: "text" };
import paging from "./0003-paging.sql" with { type: "text" };
import access from "./0004-access.sql" with { type: "text" };
import signIn from "./0005-sign-in.sql" with { type: "text" };
import factors from "./0006-factors.sql" with { type: "text" };
import joins from "./0007-joins.sql" with { type: "text" };
import shares from "./0008-shares.sql" with { type: "text" };
import audit from "./0009-audit.sql" with { type: "text" };
import recordings from "./0010-recordings.sql" with { type: "text" };

/** One step of the schema. Applied once, in a transaction of its own. */
export interface Migration {
  /** 1, 2, 3, … without gaps. */
  version: number;
  name: string;
  /** Statements, portable between SQLite and Postgres. */
  sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: "initial", sql: initial },
  { version: 2, name: "ephemeral", sql: ephemeral },
  { version: 3, name: "paging", sql: paging },
  { version: 4, name: "access", sql: access },
  { version: 5, name: "sign-in", sql: signIn },
  { version: 6, name: "factors", sql: factors },
  { version: 7, name: "joins", sql: joins },
  { version: 8, name: "shares", sql: shares },
  { version: 9, name: "audit", sql: audit },
  { version: 10, name: "recordings", sql: recordings },
];
