/** Shapes of `/api/grants` and `/api/groups`. */
import * as z from "zod/mini";
import { brief, COUNTS, exact, LENGTHS, lenient, someOf } from "./values.ts";

/** A right as `GET /api/grants` lists it. */
export const grantBody = z.object({
  id: exact(LENGTHS.id, 1),
  user: lenient(brief(LENGTHS.name)),
  group: lenient(brief(LENGTHS.name)),
  target: brief(LENGTHS.tag + 4),
  agent_name: lenient(brief(LENGTHS.name)),
  own_agents_only: lenient(z.boolean()),
  level: brief(LENGTHS.word),
  created_at: lenient(brief(LENGTHS.time)),
});
export type Grant = z.infer<typeof grantBody>;

/** `GET /api/grants` */
export const grantListBody = z.object({ grants: someOf(grantBody, COUNTS.listed) });

/** `POST /api/grants` answer; `to` is the name of the user, or `group NAME`. */
export const createdGrantBody = z.object({
  id: exact(LENGTHS.id, 1),
  level: brief(LENGTHS.word),
  target: brief(LENGTHS.tag + 4),
  to: brief(LENGTHS.name + "group ".length),
});

/** A group as `GET /api/groups` lists it; its members are there for administrators. */
export const groupBody = z.object({
  id: exact(LENGTHS.id, 1),
  name: brief(LENGTHS.name),
  members: lenient(someOf(brief(LENGTHS.name), COUNTS.listed)),
});
export type Group = z.infer<typeof groupBody>;

/** `GET /api/groups` */
export const groupListBody = z.object({ groups: someOf(groupBody, COUNTS.listed) });
