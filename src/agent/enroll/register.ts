/** Makes this machine known to a server, or tells the server what has changed about it. */

import { ExitCode, RexecError } from "../../lib/errors.ts";
import { joinPlace } from "../../lib/hints.ts";
import { HttpError, requestJson } from "../../lib/http.ts";
import { type Endpoint, resolveEndpoint } from "../../lib/net.ts";
import { distro, goArch, goOs } from "../../lib/platform.ts";
import { patchedAgentBody, type Registered, registeredBody } from "../../protocol/http.ts";
import { pathSegment } from "../../protocol/path.ts";
import { isJoinToken } from "../../protocol/token.ts";
import { isRegisteredHost, type LoadedConfig } from "../config/config.ts";
import { emptyConfig } from "../config/file.ts";
import { ownToken, type TokenOwner } from "../config/own-token.ts";
import { assertWritable, saveConfig } from "../config/save.ts";
import type { FileSettings } from "../config/schema.ts";
import { type Description, hasNamesake, notTaken } from "../uplink/taken.ts";
import { statusOf } from "./probe.ts";
import { checkToken } from "./refresh-token.ts";

/** What a person gave; undefined where nothing was said. */
export interface RegisterRequest {
  loaded: LoadedConfig;
  env: Readonly<Record<string, string | undefined>>;
  name: string | undefined;
  description: string | undefined;
  /** Absolute path. */
  shell: string | undefined;
  tags: string[] | undefined;
  /** Register as a new agent even where this machine is known. */
  force: boolean;
  /** For what was not given: the host's name and the usual shell. */
  defaults: { name: string; shell: string };
  /** Asks a person for a token; throws where there is no terminal. */
  askToken(): Promise<string>;
}

/** What was done, for the person to read. */
export interface RegisterOutcome {
  kind: "registered" | "updated";
  agentId: string;
  name: string;
  shell: string;
  path: string;
  /** Lines that a person should see. */
  warnings: string[];
  /** The token that the agent has from now on. */
  token: string;
  /** The machine waits at the server until it is accepted. */
  isPending: boolean;
}

/**
 * Registers, or updates what is registered: a machine that the server still knows keeps its id.
 * @throws RexecError `http_STATUS`, `unreachable`, `config_unwritable`, …; nothing is half-written then
 */
export async function registerAgent(request: RegisterRequest): Promise<RegisterOutcome> {
  const { loaded, env } = request;
  const endpoint = resolveEndpoint({
    url: loaded.host,
    insecure: loaded.insecure,
    caFile: loaded.caFile,
    env,
  });
  const token = loaded.joinToken || loaded.token || (await request.askToken());
  checkToken(token);
  // Found out before the server makes an agent that could not be used.
  assertWritable(loaded.path);
  const known = request.force ? null : await findKnown(request, endpoint, token);
  return known ? update(request, endpoint, known) : registerNew(request, endpoint, token);
}

// --- internal ---

interface Known {
  agentId: string;
  /** The token with which to change it at the server; an agent's own may not. */
  editToken: string;
  /** The token to keep. */
  token: string;
  /** For the person to read. */
  warnings: string[];
}

const JOIN_TOKEN_UNUSED =
  "this machine is registered already: the join token was not used (register --force makes it a new agent)";

function currentFile(loaded: LoadedConfig) {
  return loaded.file ?? emptyConfig(loaded.path);
}

/** The agent that this machine already is at this server, or null where it has to be a new one. */
async function findKnown(
  { loaded }: RegisterRequest,
  endpoint: Endpoint,
  given: string,
): Promise<Known | null> {
  const agentId = loaded.file?.settings.agent_id;
  const stored = loaded.file?.settings.token;
  if (!agentId || !(isRegisteredHost(loaded) || loaded.file?.settings.api_url === undefined)) return null;
  const isJoin = isJoinToken(given);
  // A join token reads nothing: the machine's own token says whether it is known.
  const token = isJoin ? loaded.token : given;
  if (token === null) return null;
  const status = await statusOf(endpoint, `/api/agents/${pathSegment(agentId)}`, token);
  if (status === 200) {
    const owner = { endpoint, agentId, name: loaded.file?.settings.name ?? agentId };
    const kept = await tokenToKeep(owner, stored, token);
    const unused = isJoin ? [JOIN_TOKEN_UNUSED] : [];
    return { agentId, editToken: token, token: kept.token, warnings: [...unused, ...kept.warnings] };
  }
  if (status === 404 || isJoin) return null;
  if (status === 401) {
    throw new RexecError(`${endpoint.base.origin} rejected the token (401)`, {
      code: "http_401",
      hint: `make ${joinPlace(endpoint.base)}; then run: rexec-agent register --token TOKEN`,
      exitCode: ExitCode.rejected,
    });
  }
  // 403. The agent's own token may connect it and nothing else; another one belongs to another account.
  return token === stored ? { agentId, editToken: token, token, warnings: [] } : null;
}

/** The stored token as long as it is valid, else one that is made with the given one; neither may do more than needed. */
async function tokenToKeep(owner: TokenOwner, stored: string | undefined, given: string) {
  const isValid =
    stored !== undefined &&
    (stored === given || (await statusOf(owner.endpoint, "/api/tokens/validate", stored)) !== 401);
  const { token, warning } = await ownToken(owner, given === stored || !isValid ? given : stored);
  return { token, warnings: warning ? [warning] : [] };
}

async function update(request: RegisterRequest, endpoint: Endpoint, known: Known): Promise<RegisterOutcome> {
  const { loaded, name, description, tags } = request;
  const settings = loaded.file?.settings ?? {};
  const shell = request.shell ?? settings.shell ?? request.defaults.shell;
  const changes = { name, description, tags };
  const warnings = [...known.warnings];
  if (Object.values(changes).some((value) => value !== undefined)) {
    warnings.push(...(await tellServer(endpoint, known, defined(changes))));
  }
  saveConfig(currentFile(loaded), {
    ...defined(changes),
    shell,
    token: known.token,
    api_url: endpointText(endpoint),
  });
  return {
    kind: "updated",
    agentId: known.agentId,
    name: name ?? settings.name ?? request.defaults.name,
    shell,
    path: loaded.path,
    warnings,
    token: known.token,
    isPending: false,
  };
}

/** Changes the agent at the server. Some do not let an agent's own token do that: then a warning is what comes back. */
async function tellServer(endpoint: Endpoint, known: Known, body: Description): Promise<string[]> {
  const { agentId, editToken: token } = known;
  const path = `/api/agents/${pathSegment(agentId)}`;
  const schema = patchedAgentBody;
  try {
    const answer = await requestJson({ endpoint, method: "PATCH", path, token, body, schema });
    const warnings = await notTaken(endpoint, agentId, token, body, answer);
    if (answer.warning) warnings.push(answer.warning);
    else if (body.name)
      warnings.push(...(await namesakes(endpoint, token, { id: agentId, name: body.name })));
    return warnings;
  } catch (error) {
    if (!(error instanceof HttpError) || error.status !== 403) throw error;
    const { tags: _, ...others } = body;
    if (error.serverCode === "tags_locked") {
      const rest = Object.keys(others).length > 0 ? await tellServer(endpoint, known, others) : [];
      return [...rest, `tags changed here only: ${error.message}`];
    }
    const what = Object.keys(body).join(" and ");
    if (OWN_LIMITS.has(error.serverCode ?? "")) return [`${what} changed here only: ${error.message}`];
    return [
      `${what} changed here only: the agent's own token may not change it at the server; do that with --token and one of the account`,
    ];
  }
}

/** Codes of a gateway that says itself what a machine may not say of itself. */
const OWN_LIMITS: ReadonlySet<string> = new Set(["name_locked", "agent_pending"]);

/** Names need not be unique, but a person who types one must then add the id. */
async function namesakes(endpoint: Endpoint, token: string, agent: { id: string; name: string }) {
  if (!(await hasNamesake(endpoint, token, agent))) return [];
  return [
    `another agent of this account is named ${JSON.stringify(agent.name)} too: the name alone does not say which is meant`,
  ];
}

async function registerNew(
  request: RegisterRequest,
  endpoint: Endpoint,
  token: string,
): Promise<RegisterOutcome> {
  const { loaded } = request;
  const settings = loaded.file?.settings ?? {};
  const name = request.name ?? settings.name ?? request.defaults.name;
  const shell = request.shell ?? settings.shell ?? request.defaults.shell;
  const description = request.description ?? settings.description;
  const isJoin = isJoinToken(token);
  // A join token gives the tags: what stands in the file from before is not asked for.
  const tags = request.tags ?? (isJoin ? undefined : settings.tags);
  const registered = await requestJson({
    endpoint,
    method: "POST",
    path: "/api/agents/register",
    token,
    body: {
      name,
      description: description ?? "",
      type: "agent",
      os: goOs(),
      arch: goArch(),
      shell,
      ...defined({ distro: distro() }),
      tags: tags ?? [],
    },
    schema: registeredBody,
  });
  // Of one that waits, the server's words are for an agent that does not know what that means.
  const warnings = registered.warning && !registered.pending ? [registered.warning] : [];
  const { id } = registered;
  const asker = isJoin ? ownTokenOf(registered, endpoint) : token;
  warnings.push(...(await notTaken(endpoint, id, asker, { name, tags }, registered)));
  if (!registered.warning) warnings.push(...(await namesakes(endpoint, asker, { id, name })));
  if (registered.ephemeral) warnings.push(EPHEMERAL);
  const kept = registered.token ?? (await exchanged(endpoint, registered, token, warnings));
  saveConfig(currentFile(loaded), {
    api_url: endpointText(endpoint),
    token: kept,
    agent_id: registered.id,
    name: registered.name || name,
    shell,
    ...defined({
      description,
      tags: (isJoin && registered.tags) || tags,
      insecure: loaded.insecure || undefined,
      ca_file: loaded.caFile,
    }),
  });
  return {
    kind: "registered",
    agentId: registered.id,
    name: registered.name || name,
    shell,
    path: loaded.path,
    warnings,
    token: kept,
    isPending: registered.pending === true,
  };
}

const EPHEMERAL =
  "the join token is for machines that come and go: the server forgets this one once it has been away for a while";

/**
 * What a join token got. It is never kept in the place of the agent's own.
 * @throws RexecError `no_agent_token`
 */
export function ownTokenOf({ token }: Registered, { base }: Endpoint): string {
  if (token !== undefined) return token;
  throw new RexecError(`${base.origin} registered this machine and gave it no token`, {
    code: "no_agent_token",
    hint: "look at the server's log; a token of the account can register it in place of the join token",
  });
}

/** The server made an agent, and no token for it. */
async function exchanged(
  endpoint: Endpoint,
  { id, name }: Registered,
  given: string,
  warnings: string[],
): Promise<string> {
  try {
    const { token, isExchanged, warning } = await ownToken({ endpoint, agentId: id, name }, given);
    if (warning) warnings.push(warning);
    if (isExchanged) return token;
  } catch {
    // The agent exists by now, so it has to be written down with the token that there is.
  }
  warnings.push("the server gave no token for this agent: it keeps the one that it registered with");
  return given;
}

/** The address as it is stored: without the slash that URL adds. */
function endpointText({ base }: Endpoint): string {
  return base.href.replace(/\/+$/, "");
}

/** Without the keys that are undefined. */
function defined(values: Partial<FileSettings> & { distro?: string | undefined }): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
