/** What an update takes of the commands: which program this is, and whom it trusts. */
import type { LoadedConfig } from "../../agent/config/config.ts";
import { runner } from "../../agent/service/run.ts";
import { actingAsNow, actingUid } from "../../agent/trust/identity.ts";
import { type UpdatePlace, updatePlace } from "../../agent/update/place.ts";
import type { UpdateRequest } from "../../agent/update/update.ts";
import { RexecError } from "../../lib/errors.ts";
import { type PublicKey, parsePublicKey } from "../../lib/minisign.ts";
import { resolveEndpoint } from "../../lib/net.ts";
import { PUBLIC_KEY } from "../../lib/version.ts";
import { programName } from "../_cli.ts";
import { actAsOwner } from "./_options.ts";
import { ownWords } from "./_own-words.ts";

/**
 * @param executable that is updated, where it is not the one that runs this
 * @throws RexecError `from_source`, `no_public_key`
 */
export function updatesFor(
  loaded: LoadedConfig,
  options: Pick<UpdateRequest, "waitMs" | "tell" | "onProgress">,
  executable = process.execPath,
): UpdateRequest {
  return {
    ...options,
    endpoint: endpointOf(loaded),
    place: placeFor(executable),
    program: programName() === "rexec" ? "rexec" : "rexec-agent",
    words: ownWords(),
    publicKey: trustedKey(),
    config: loaded.path,
    env: process.env,
    run: runner(process.env),
  };
}

/** The file of certificates that a configuration names is read as the configuration's owner. */
export function endpointOf({ host, insecure, caFile, path }: LoadedConfig) {
  const { env } = process;
  const owner = env.REXEC_CA_FILE ? actingUid() : actAsOwner(path, "root");
  return actingAsNow(owner, () => resolveEndpoint({ url: host, insecure, caFile, env }));
}

// --- internal ---

function placeFor(executable: string): UpdatePlace {
  if (Bun.isStandaloneExecutable) return updatePlace(executable);
  throw new RexecError("only a built executable can update itself, not the sources", {
    code: "from_source",
    hint: "get newer sources with git, or build them: bun run build",
  });
}

function trustedKey(): PublicKey {
  if (PUBLIC_KEY) return parsePublicKey(PUBLIC_KEY);
  throw new RexecError("this build trusts nobody's updates: it was made without a public key", {
    code: "no_public_key",
    hint: "install again with install-agent.sh of your server, or build with REXEC_PUBLIC_KEY (bun run release does)",
  });
}
