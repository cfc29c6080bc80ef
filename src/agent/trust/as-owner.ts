/** Work that concerns a path, done as the account that decides what it leads to. */
import { actingAs, actingAsNow, actingUid } from "./identity.ts";
import { ownerOf } from "./owner.ts";

/** The account that is to do such work: for root the path's owner, any other account does it itself. */
export function accountFor(path: string): number {
  return actingUid() === 0 ? ownerOf(path) : actingUid();
}

/** @throws RexecError `untrusted_path`, `cannot_act_as` */
export function asOwnerOf<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  return actingAs(accountFor(path), work);
}

/** The same for work that does not wait. */
export function asOwnerOfNow<T>(path: string, work: () => T): T {
  return actingAsNow(accountFor(path), work);
}
