/** Lets sockets in. All is decided before the upgrade, so that a refusal has a status and a reason. */
import type { Server } from "bun";
import { reportFault } from "../../lib/fault.ts";
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import { networkOf } from "../../lib/network-of.ts";
import { peerName } from "../../lib/tcp-received.ts";
import type { LivenessTimes } from "../../link/liveness.ts";
import { STATUS_PENDING } from "../../protocol/close-codes.ts";
import { bareAgentId } from "../../protocol/ids.ts";
import {
  RESULT_MESSAGE_BYTES,
  SMALL_MESSAGE_BYTES,
  V2_VIEWER_MESSAGE_BYTES,
  VIEWER_MESSAGE_BYTES,
} from "../../protocol/limits.ts";
import { LENGTHS } from "../../protocol/values.ts";
import type { AuditLog } from "../audit/audit.ts";
import type { Access, ViewerRights } from "../auth/access.ts";
import type { Admission, Admissions } from "../auth/admissions.ts";
import type { Authenticator } from "../auth/authenticate.ts";
import {
  type Credentials,
  chooseSubprotocol,
  offersV2,
  pageCredentials,
  socketCredentials,
} from "../auth/credentials.ts";
import { originAllowed } from "../auth/origin.ts";
import type { Principal } from "../auth/principal.ts";
import { requireOwnPage } from "../auth/same-origin.ts";
import { ApiError } from "../http/api-error.ts";
import { findAgent } from "../http/context.ts";
import { REQUEST_ID } from "../http/request-id.ts";
import type { RequestInfo } from "../http/request-info.ts";
import { type Quotas, VIEWERS_OF_SHARE } from "../quotas.ts";
import type { SocketAcceptor, V1ViewerRequest } from "../sessions/acceptor.ts";
import {
  type AgentDirectory,
  MAX_VIEWERS,
  type SeatRefusal,
  type ViewerSeat,
} from "../sessions/agent-directory.ts";
import { type ContainerFeed, MAX_FOLLOWERS, MAX_FOLLOWERS_OF_USER } from "../sessions/container-feed.ts";
import type { AgentRow } from "../store/agents.ts";
import type { Store } from "../store/store.ts";
import type { Timings } from "../timings.ts";
import { Connection, type ConnectionInfo, type SocketData } from "./connection.ts";
import { putOff } from "./pending.ts";
import { checkShared, checkSharedProtocol, noteShareUse, shareLimit } from "./share-admission.ts";

/** What decides about a socket. */
export interface UpgradeDeps {
  store: Store;
  directory: AgentDirectory;
  admissions: Admissions;
  acceptor: SocketAcceptor;
  feed: ContainerFeed;
  audit: AuditLog;
  authenticator: Authenticator;
  access: Access;
  quotas: Quotas;
  timings: Timings;
  logger: Logger;
  /** Origins of web pages that may open a viewer socket, beside the gateway's own. */
  allowOrigins: readonly string[];
  /** Speak rexec.v1 with all peers, whatever they offer. */
  v1Only: boolean;
}

const SOCKET_PATH = /^\/ws\/agent\/([^/]+)(\/terminal)?\/?$/;
const MAX_VIEWER_ID = 128;

/** The live list of the stock dashboard. */
const FEED_PATH = /^\/api\/containers\/events\/?$/;

/** True for the address of a socket. */
export function isSocketPath(pathname: string): boolean {
  return SOCKET_PATH.test(pathname) || FEED_PATH.test(pathname);
}

/** Upgrades the request (and answers undefined), or says why not. */
export async function upgradeSocket(
  request: Request,
  url: URL,
  server: Server<SocketData>,
  info: RequestInfo,
  deps: UpgradeDeps,
): Promise<Response | undefined> {
  try {
    using admission = deps.admissions.begin();
    const sender = { ...info, peer: peerOf(request, server) };
    const open = (connection: Connection, v2: boolean) => {
      const headers = {
        "Sec-WebSocket-Protocol": chooseSubprotocol(request.headers, v2),
        [REQUEST_ID]: info.requestId,
      };
      if (server.upgrade(request, { data: { connection }, headers })) return;
      throw new ApiError(400, "bad_upgrade", "this is no valid WebSocket handshake");
    };
    const admit = FEED_PATH.test(url.pathname) ? admitFollower : admitToAgent;
    await admit(request, url, sender, deps, admission, open);
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // Not the 429s: the log has the reason of those already.
    if (error.status !== 429 && error.status !== STATUS_PENDING) {
      const who = `${networkOf(info.address)} ${error.code}`;
      const line = `refused ${url.pathname.slice(0, 200)} to ${info.address}: ${error.message} (request ${info.requestId})`;
      const fields = { request_id: info.requestId, address: info.address, status: error.status };
      gather(deps.logger, { level: "info", kind: "refused sockets", who, fields }, line);
    }
    return error.toResponse(info.requestId);
  }
}

// --- internal ---

interface Sender extends RequestInfo {
  /** The other end of the TCP connection: see `peerName`. */
  peer: string;
}

function peerOf(request: Request, server: Server<SocketData>): string {
  const peer = server.requestIP(request);
  return peer ? peerName(peer.address, peer.port) : "";
}

/** Upgrades the request. Bun opens the socket, and the hub counts it, before this returns. */
type Open = (connection: Connection, v2: boolean) => void;

/** @throws ApiError 401, 403, 404, 405, 426, 429 */
async function admitToAgent(
  request: Request,
  url: URL,
  info: Sender,
  deps: UpgradeDeps,
  admission: Admission,
  open: Open,
): Promise<void> {
  checkMethod(request);
  checkUpgrade(request);
  const [, reference = "", terminal] = SOCKET_PATH.exec(url.pathname) ?? [];
  const credentials = terminal
    ? pageCredentials(request, url, info.publicUrl)
    : socketCredentials(request, url);
  if (terminal) checkOrigin(request, credentials, info, deps);
  const principal = await deps.authenticator.authenticate(credentials?.token ?? null, info.address);
  const agent = await findAgent(deps.store, bareAgentId(decode(reference)));
  const rights = terminal ? await viewerRights(principal, agent, deps) : null;
  if (!rights) {
    await deps.access.require(principal, "agent:connect", agent);
    if (agent.pending) await putOff(agent, deps.store);
    await noteHeaders(request.headers, agent, deps);
  }
  if (terminal) await checkShared(principal, agent.id, deps.directory);
  using seat = terminal ? await takeSeat(agent, principal, deps) : null;
  // No await from here on: nothing that is checked now can change before the socket is open and counted.
  admission.check(principal.credential.id, agent.id);
  if (seat?.protocol === null) throw noSeat("offline", deps);
  // A viewer's rexec.v2 cannot be served by an agent that speaks rexec.v1 only.
  const v2 = !deps.v1Only && offersV2(request.headers) && seat?.protocol !== "v1";
  if (terminal) checkSharedProtocol(principal, v2);
  const connection = new Connection(
    describe(info, principal, roleOf(agent, terminal ? null : principal, v2)),
    deps.timings,
    onFault(deps, `the socket of ${terminal ? "a viewer" : "the agent"} of ${agent.id} failed`),
    liveness(deps, v2),
  );
  if (rights) connection.rights = rights;
  if (!terminal) deps.acceptor.agent(connection, agent, v2);
  else if (v2) deps.acceptor.v2Viewer(connection, agent, viewerId(url, LENGTHS.id));
  else deps.acceptor.v1Viewer(connection, agent, v1ViewerRequest(url));
  open(connection, v2);
  if (admission.rightsChanged) await checkAgain(principal, agent.id, deps);
  if (principal.credential.kind === "share") await noteShareUse(connection.info, agent, deps);
}

/** @throws ApiError 401, 403, 405, 426, 429 */
async function admitFollower(
  request: Request,
  url: URL,
  info: Sender,
  deps: UpgradeDeps,
  admission: Admission,
  open: Open,
): Promise<void> {
  checkMethod(request);
  checkUpgrade(request);
  const credentials = pageCredentials(request, url, info.publicUrl);
  checkOrigin(request, credentials, info, deps);
  const principal = await deps.authenticator.authenticate(credentials?.token ?? null, info.address);
  await deps.access.require(principal, "agents:follow");
  admission.check(principal.credential.id);
  if (!deps.feed.hasRoomFor(principal.user.id)) {
    const message = `an account can have ${MAX_FOLLOWERS_OF_USER} of these connections, all together ${MAX_FOLLOWERS}`;
    throw new ApiError(429, "too_many_followers", message, { "Retry-After": "30" });
  }
  const connection = new Connection(
    describe(info, principal, { isAgent: false, largestFrame: SMALL_MESSAGE_BYTES, agentId: null }),
    deps.timings,
    onFault(deps, "the socket of a follower failed"),
  );
  deps.acceptor.follower(connection, deps.access.listOf(principal));
  open(connection, false);
  if (admission.rightsChanged) await checkAgain(principal, null, deps);
}

/** What changed while the socket was let in had no socket to be checked yet. */
function checkAgain(principal: Principal, agentId: string | null, { directory }: UpgradeDeps): Promise<void> {
  return directory.publish({ type: "access_changed", userId: principal.user.id, agentId });
}

function checkMethod({ method }: Request): void {
  if (method === "GET") return;
  throw new ApiError(405, "method_not_allowed", "a socket is opened with GET", { Allow: "GET" });
}

/**
 * Before anything else: with this answer, and 401 to a handshake, `rexec-agent doctor` sees without a token whether a
 * proxy lets upgrades through.
 */
function checkUpgrade(request: Request): void {
  if (request.headers.get("upgrade")?.toLowerCase() === "websocket") return;
  throw new ApiError(426, "upgrade_required", "this address speaks WebSocket", { Upgrade: "websocket" });
}

function onFault({ logger }: UpgradeDeps, what: string): (error: unknown) => void {
  return (error) => reportFault(logger, what, error);
}

function liveness({ timings }: UpgradeDeps, v2: boolean): LivenessTimes | undefined {
  return v2 ? { pingMs: timings.v2PingMs, deadMs: timings.v2DeadMs, onlySilent: true } : undefined;
}

function checkOrigin(
  request: Request,
  credentials: Credentials | null,
  info: RequestInfo,
  deps: UpgradeDeps,
): void {
  if (credentials?.from === "cookie") {
    requireOwnPage(request.headers, { ...info, ...deps });
    return;
  }
  const origin = request.headers.get("origin");
  if (originAllowed(origin, credentials?.from ?? "query", info.ownOrigins, deps.allowOrigins)) return;
  throw new ApiError(
    403,
    "origin",
    "web pages of that origin may not connect (see --public-url and --allow-origin)",
  );
}

/** @throws ApiError 404, 429 */
async function takeSeat(agent: AgentRow, principal: Principal, deps: UpgradeDeps): Promise<ViewerSeat> {
  const { user } = principal;
  const limits = { userLimit: deps.quotas.viewers, ...shareLimit(principal) };
  const request = { agentId: agent.id, userId: user.id, ...limits };
  const answer = await deps.directory.takeSeat(request);
  if (typeof answer === "string") throw noSeat(answer, deps);
  return answer;
}

function noSeat(refusal: SeatRefusal, { quotas }: UpgradeDeps): ApiError {
  if (refusal === "offline") return new ApiError(404, "agent_offline", "the agent is offline");
  const messages = {
    agent_full: `an agent can have ${MAX_VIEWERS} viewers`,
    user_full: `this account has ${quotas.viewers} viewers connected, and may have no more (serve --max-viewers)`,
    share_full: `this share has ${VIEWERS_OF_SHARE} viewers connected, and may have no more`,
  };
  return new ApiError(429, "too_many_viewers", messages[refusal], { "Retry-After": "30" });
}

function describe(info: Sender, principal: Principal, its: Role): ConnectionInfo {
  const { expiresAt } = principal.credential;
  return {
    ...its,
    address: info.address,
    peer: info.peer,
    principal,
    openedAt: Date.now(),
    expiresAt: expiresAt === null ? null : Date.parse(expiresAt),
  };
}

/** What a socket is for. */
type Role = Pick<ConnectionInfo, "isAgent" | "largestFrame" | "agentId" | "connects">;

/**
 * An agent's messages of v1 have results of commands in them, whatever else it speaks.
 * @param by of the agent's own socket: what it is opened with; null for a viewer's
 */
function roleOf({ id, user_id }: AgentRow, by: Principal | null, v2: boolean): Role {
  if (by) {
    const connects = by.user.id === user_id ? undefined : id;
    return { isAgent: true, largestFrame: RESULT_MESSAGE_BYTES, agentId: null, connects };
  }
  const largestFrame = v2 ? V2_VIEWER_MESSAGE_BYTES : VIEWER_MESSAGE_BYTES;
  return { isAgent: false, largestFrame, agentId: id };
}

/** @throws ApiError 403 for a viewer that could do nothing */
async function viewerRights(
  principal: Principal,
  agent: AgentRow,
  { access }: UpgradeDeps,
): Promise<ViewerRights> {
  const rights = await access.viewerRights(principal, agent);
  if (!rights.watch && !rights.exec) await access.require(principal, "agent:watch", agent);
  return rights;
}

function viewerId({ searchParams }: URL, most: number): string {
  return searchParams.get("id")?.slice(0, most) || crypto.randomUUID();
}

function v1ViewerRequest(url: URL): V1ViewerRequest {
  const { searchParams } = url;
  return {
    id: viewerId(url, MAX_VIEWER_ID),
    newSession: searchParams.get("newSession") === "true",
    execOnly: searchParams.get("exec") === "1",
  };
}

/** Records what the agent says of its machine: it may have changed since the agent registered. */
async function noteHeaders(headers: Headers, agent: AgentRow, { store }: UpgradeDeps): Promise<void> {
  const said = (name: string, limit: number) => headers.get(`x-agent-${name}`)?.slice(0, limit);
  const now = {
    os: said("os", 64) || agent.os,
    arch: said("arch", 64) || agent.arch,
    shell: said("shell", 512) || agent.shell,
    distro: said("distro", 64) || agent.distro,
  };
  const same =
    now.os === agent.os &&
    now.arch === agent.arch &&
    now.shell === agent.shell &&
    now.distro === agent.distro;
  if (!same) await store.agents.update(agent.id, now);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
