/** The step between a right password and a session, for a user with a second factor. */
import type { UserRow } from "../store/users.ts";
import { ApiError } from "./api-error.ts";
import type { ApiDeps } from "./context.ts";

/** How long a right password waits for its code. */
export const SECOND_STEP_MS = 5 * 60_000;

/**
 * The step that a user with a second factor has to take after the password; null for a user without.
 * @throws ApiError 503
 */
export async function secondStep(
  { secondFactor, store }: Pick<ApiDeps, "secondFactor" | "store">,
  user: UserRow,
): Promise<string | null> {
  if (!(await secondFactor.isOn(user.id))) return null;
  const step = await store.signInSteps.create("second_factor", user.id, {}, SECOND_STEP_MS);
  if (step !== null) return step;
  const message = "too many people are signing in at this moment: try again";
  throw new ApiError(503, "busy", message, { "Retry-After": "60" });
}
