/** Which build this is: `build.ts` stamps it in; a run from source has none of it. */

declare const REXEC_VERSION: string | undefined;
declare const REXEC_COMMIT: string | undefined;
declare const REXEC_PUBLIC_KEY: string | undefined;

export const VERSION: string = typeof REXEC_VERSION === "string" ? REXEC_VERSION : "0.1.0-dev";
export const COMMIT: string = typeof REXEC_COMMIT === "string" ? REXEC_COMMIT : "source";
/** minisign's public key of whoever signs the updates of this build, one line; empty where nobody does. */
export const PUBLIC_KEY: string = typeof REXEC_PUBLIC_KEY === "string" ? REXEC_PUBLIC_KEY : "";
