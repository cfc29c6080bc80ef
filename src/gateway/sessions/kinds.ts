/**
 * The kinds of channels that a viewer may open, by the type of the message that opens one. A new kind is a file and a line
 * here: with a mirror as `attach`, or relayed as `run`.
 */
import type { OpenerMessage } from "../../protocol/v2/control.ts";
import type { ChannelKind, KindHost } from "./channel-kind.ts";
import type { Peer, PeerChannel } from "./peer.ts";
import { Relays } from "./relay.ts";
import { runsOf } from "./runs.ts";
import { ShellChannels } from "./shell-channels.ts";

/** A message that opens a channel. */
export type Opening = Extract<OpenerMessage, { type: "attach" | "run" }>;
type Openings = { [One in Opening as One["type"]]: One };
type ByOpening = { readonly [Type in keyof Openings]: ChannelKind<Openings[Type]> };

/** All channels of an agent's viewers. Owned by the room. */
export interface Kinds extends ByOpening {
  readonly attach: ShellChannels;
  readonly run: Relays<Extract<Opening, { type: "run" }>>;
}

export function kindsFor(host: KindHost): Kinds {
  return {
    attach: new ShellChannels(host),
    run: new Relays(host, runsOf(host)),
  };
}

/** @returns what the viewer's channel is from now on */
export function openChannel(kinds: Kinds, peer: Peer, message: Opening): PeerChannel {
  return openAs(message.type, kinds, peer, message);
}

// --- internal ---

function openAs<T extends keyof Openings>(type: T, kinds: ByOpening, peer: Peer, message: Openings[T]) {
  return kinds[type].open(peer, message);
}
