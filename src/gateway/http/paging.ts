/** Pages of a list: `?limit=100`, and behind each page a `Link` header to the next (RFC 8288), as GitHub has it. */
import type { Context } from "hono";
import type { Page, Position } from "../store/page.ts";
import { ApiError } from "./api-error.ts";
import type { Env } from "./context.ts";

/** Largest page. */
export const MAX_PAGE = 500;

/** What a list takes. */
export const PAGE_QUERY = {
  limit: `Rows of a page, 1 to ${MAX_PAGE}; without it the whole list`,
  cursor: "From the Link header of the page before",
};

/** The page that a request asks for. */
export interface PageWish {
  /** Rows, 1 to `MAX_PAGE`. */
  limit: number;
  /** Behind which row the page begins; null for the first. */
  after: Position | null;
}

/**
 * What page the client asks for. Null without `limit`: the whole list, which the quotas bound.
 * @throws ApiError 400
 */
export function pageWish(c: Context<Env>): PageWish | null {
  const limit = c.req.query("limit");
  const cursor = c.req.query("cursor");
  if (limit === undefined && cursor === undefined) return null;
  const count = Number(limit ?? MAX_PAGE);
  if (!/^\d{1,6}$/.test(limit ?? "1") || count < 1) {
    throw new ApiError(400, "bad_limit", `limit is a number from 1 to ${MAX_PAGE}`);
  }
  return { limit: Math.min(count, MAX_PAGE), after: cursor === undefined ? null : parseCursor(cursor) };
}

/**
 * The rows that a request asks for: those of its page, or the whole list.
 * @param read of the store; null for the whole list
 * @throws ApiError 400
 */
export async function readPage<T extends Position>(
  c: Context<Env>,
  read: (page: Page | null) => Promise<readonly T[]>,
): Promise<T[]> {
  const wish = pageWish(c);
  return pageOf(c, await read(wish && { ...wish, limit: wish.limit + 1 }), wish);
}

/**
 * Cuts a list that was read with one row more than asked for, and names the next page in the answer's `Link` header.
 * @param rows `limit + 1` at most
 */
export function pageOf<T extends Position>(c: Context<Env>, rows: readonly T[], wish: PageWish | null): T[] {
  const page = rows.slice(0, wish?.limit ?? rows.length);
  const last = page.at(-1);
  if (!wish || !last || rows.length <= page.length) return page;
  const url = new URL(c.req.url);
  const path = `${new URL(c.env.publicUrl).pathname.replace(/\/$/, "")}${url.pathname}`;
  const query = url.searchParams;
  query.set("limit", String(wish.limit));
  query.set("cursor", cursorOf(last));
  c.header("Link", `<${path}?${query}>; rel="next"`);
  return page;
}

// --- internal ---

const CURSOR_LENGTH = 128;

export function cursorOf({ created_at, id }: Position): string {
  return Buffer.from(`${created_at} ${id}`).toString("base64url");
}

/** @throws ApiError 400 */
function parseCursor(text: string): Position {
  if (text.length <= CURSOR_LENGTH) {
    const [created_at = "", id = "", ...more] = Buffer.from(text, "base64url").toString("latin1").split(" ");
    if (more.length === 0 && /^\d{4}-[\d:.TZ-]{1,32}$/.test(created_at) && /^[0-9a-f-]{36}$/.test(id)) {
      return { created_at, id };
    }
  }
  throw new ApiError(400, "bad_cursor", "this cursor is none of this gateway's: start at the first page");
}
