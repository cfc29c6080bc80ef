/** Which build this is: `build.ts` stamps both in; a run from source has neither. */

declare const REXEC_VERSION: string | undefined;
declare const REXEC_COMMIT: string | undefined;

export const VERSION: string = typeof REXEC_VERSION === "string" ? REXEC_VERSION : "0.1.0-dev";
export const COMMIT: string = typeof REXEC_COMMIT === "string" ? REXEC_COMMIT : "source";
