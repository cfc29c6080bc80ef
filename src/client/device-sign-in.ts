/** Signs in with a code that is approved elsewhere (RFC 8628). */
import { hostname } from "node:os";
import * as z from "zod/mini";
import { RexecError } from "../lib/errors.ts";
import { HttpError, requestJson } from "../lib/http.ts";
import type { Endpoint } from "../lib/net.ts";
import {
  type DeviceRequest,
  type DeviceStart,
  deviceGrantBody,
  deviceRequestBody,
  deviceStartBody,
} from "../protocol/http-device.ts";
import { HTTP_ONE_BYTES } from "../protocol/limits.ts";
import type { Server } from "./api.ts";

/** Seconds that `slow_down`, and each poll that fails on the way, add to the interval; and the longest interval. */
const SLOWER_S = 5;
const SLOWEST_S = 60;

/**
 * Asks the server for a code.
 * @param scopes of the token; null for the server's default
 * @returns null where the server knows no such sign-in
 * @throws RexecError of `requestJson`
 */
export async function beginDeviceSignIn(
  endpoint: Endpoint,
  scopes: readonly string[] | null,
): Promise<DeviceStart | null> {
  try {
    return await requestJson({
      endpoint,
      method: "POST",
      path: "/api/device/code",
      body: { client: hostname(), ...(scopes ? { scopes } : {}) },
      schema: deviceStartBody,
      limit: HTTP_ONE_BYTES,
    });
  } catch (error) {
    const isUnknown = error instanceof HttpError && UNKNOWN_THERE.includes(error.status);
    if (isUnknown && error.serverCode !== "bad_scope") return null;
    if (error instanceof RexecError && error.code === "bad_answer") return null;
    throw error;
  }
}

/**
 * Polls until the code is approved.
 * @param signal ends the polling
 * @returns the token
 * @throws RexecError `access_denied`, `expired_token`, or what the server or the line refuses for good
 */
export async function awaitApproval(
  endpoint: Endpoint,
  start: DeviceStart,
  signal: AbortSignal,
): Promise<string> {
  const end = performance.now() + start.expires_in * 1000;
  let interval = start.interval;
  while (performance.now() < end) {
    await pause(interval * 1000, signal);
    try {
      const { access_token } = await requestJson({
        endpoint,
        method: "POST",
        path: "/api/device/token",
        body: { device_code: start.device_code },
        schema: deviceGrantBody,
        limit: HTTP_ONE_BYTES,
        signal,
      });
      return access_token;
    } catch (error) {
      if (signal.aborted || !(error instanceof RexecError)) throw error;
      const said = error instanceof HttpError ? error.serverCode : undefined;
      if (said === "authorization_pending") continue;
      if (said !== "slow_down" && !isPassing(error)) throw explained(error, said);
      interval = Math.min(SLOWEST_S, interval + SLOWER_S);
    }
  }
  throw expired();
}

/** What waits behind a code that another machine shows. @throws RexecError of `requestJson` */
export function lookUpDevice(server: Server, userCode: string): Promise<DeviceRequest> {
  return requestJson({
    ...server,
    method: "POST",
    path: "/api/device/lookup",
    body: { user_code: userCode },
    schema: deviceRequestBody,
    limit: HTTP_ONE_BYTES,
  });
}

/** Approves or refuses it. @throws RexecError of `requestJson` */
export async function decideDevice(server: Server, userCode: string, approve: boolean): Promise<void> {
  await requestJson({
    ...server,
    method: "POST",
    path: "/api/device/approve",
    body: { user_code: userCode, approve },
    schema: z.unknown(),
    limit: HTTP_ONE_BYTES,
  });
}

// --- internal ---

/** A server without this sign-in may ask for a token before it says that it has no such address. */
const UNKNOWN_THERE = [400, 401, 403, 404, 405, 410, 415, 422, 501];

/** True for what another poll may not meet. */
function isPassing(error: RexecError): boolean {
  if (error instanceof HttpError) return error.status === 429 || error.status >= 500;
  return error.code === "unreachable" || error.code === "timeout";
}

function explained(error: RexecError, said: string | undefined): RexecError {
  if (said === "expired_token") return expired();
  if (said !== "access_denied") return error;
  return new RexecError("the sign-in was refused", {
    code: "access_denied",
    hint: "run rexec login again, and approve the code that it shows",
    cause: error,
  });
}

function expired(): RexecError {
  return new RexecError("the code has expired before it was approved", {
    code: "expired_token",
    hint: "run rexec login again",
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
