/** The version of this build, stamped in by `build.ts`; a run from source has defaults. */

declare const REXEC_VERSION: string | undefined;
declare const REXEC_COMMIT: string | undefined;
declare const REXEC_PUBLIC_KEY: string | undefined;

export const VERSION: string = typeof REXEC_VERSION === "string" ? REXEC_VERSION : "0.1.0-dev";
export const COMMIT: string = typeof REXEC_COMMIT === "string" ? REXEC_COMMIT : "source";
/** The minisign public key that verifies updates of this build, one line; empty for a build without updates. */
export const PUBLIC_KEY: string = typeof REXEC_PUBLIC_KEY === "string" ? REXEC_PUBLIC_KEY : "";
