/**
 * The gateway's copy of a session's output: fed by one channel on the agent's leg, read by any number of readers at
 * places of their own. It survives the agent's connection, and asks for no byte twice.
 */
import { zstd } from "../../lib/zstd.ts";
import { GATEWAY_VIEWER, type SessionInfo } from "../../protocol/v2/control.ts";
import { type Frame, Stream } from "../../protocol/v2/frames.ts";
import type { TerminalSize } from "../../screen/engine.ts";
import type { ScreenPool } from "../../screen/pool.ts";
import type { Snapshot } from "../../screen/screen.ts";
import { Screening } from "../../screen/screening.ts";
import type { SnapshotBudget } from "../../screen/snapshot-budget.ts";
import { ByteRing } from "../../stream/byte-ring.ts";
import { StreamReceiver } from "../../stream/stream.ts";
import type { Timings } from "../timings.ts";
import type { AgentLink, ChannelMessage, LinkChannel } from "./agent-link.ts";
import { Backfill } from "./backfill.ts";
import { Demand } from "./demand.ts";
import type { Reader, ReadSource, SessionEnd } from "./reader.ts";
import { SessionSize } from "./session-size.ts";

/** What a mirror is made with. */
export interface MirrorOptions {
  timings: Timings;
  ringBytes: number;
  /** Lines of a screen's past. */
  scrollback: number;
  /** Where screens are drawn. */
  screens: ScreenPool;
  snapshots: SnapshotBudget;
  /** Whether the viewer has a say in the size of the session. */
  counts(session: string, viewer: string): boolean;
  /** The PTY has another size. */
  onSize(session: string, size: TerminalSize): void;
  /** The session has ended. */
  onEnded(info: SessionInfo): void;
  /** It is of no use any more. */
  onGone(mirror: Mirror): void;
}

/** Owned by the agent's `Mirrors`, until it is forgotten. Offsets are bytes from the session's first one on. */
export class Mirror implements LinkChannel, ReadSource {
  readonly ring: ByteRing;
  readonly readers = new Set<Reader>();
  info: SessionInfo;
  end: SessionEnd | null = null;
  /** When it last had a reader, performance.now(). */
  watchedAt = performance.now();
  readonly #options: MirrorOptions;
  readonly #demand: Demand;
  readonly #screening: Screening<Reader>;
  readonly size: SessionSize;
  #receiver = new StreamReceiver(0);
  /** What the agent has from here on was asked for; null before anything was. */
  #asked: number | null = null;
  #link: AgentLink | null = null;
  #channel: number | null = null;
  /** The agent has answered our attach. */
  #live = false;
  #backfill: Backfill | null = null;
  #gone = false;

  constructor(info: SessionInfo, options: MirrorOptions) {
    this.info = { ...info };
    this.size = new SessionSize(info, options.timings.sizeGraceMs, {
      send: (size) => this.#sendSize(size),
      changed: (size, by) => this.#resized(size, by),
      counts: (viewer) => options.counts(info.session, viewer),
    });
    this.#options = options;
    this.ring = new ByteRing(options.ringBytes);
    this.#screening = new Screening(this.ring, this.size.current, options, {
      onBarrier: (offset) => {
        this.#demand.barrier = offset;
        if (offset === null) this.#demand.update();
      },
      onStale: () => this.size.nudge(),
      isWatched: () => this.isWatched,
    });
    this.#demand = new Demand(this.ring, options.timings.viewerGraceMs, {
      ack: (consumed, limit) => this.#ack(consumed, limit),
      hold: (hold) => this.#control({ type: "hold", channel: this.#channel ?? 0, hold }),
    });
  }

  get isWatched(): boolean {
    return this.readers.size > 0;
  }

  // --- the agent's leg ---

  /** The agent's connection is there (again): goes on where the copy ends. */
  connect(link: AgentLink): void {
    this.#link = link;
    if (this.#asked !== null && !this.end && !this.#gone) this.#attach();
  }

  disconnect(): void {
    this.#link = null;
    this.#unplug();
  }

  control(message: ChannelMessage): void {
    switch (message.type) {
      case "attached":
        this.#attached(message.info, message.starts[0]);
        break;
      case "ended":
        this.#ended({ exit_code: message.exit_code, signal: message.signal });
        break;
      case "size":
        if (message.by !== GATEWAY_VIEWER) this.size.become(message, message.by);
        break;
      case "refused":
        for (const reader of [...this.readers]) reader.refused(message);
        this.#channel = null;
        this.forget();
        break;
      case "screen":
        break; // an agent has none
    }
  }

  frame(frame: Frame): void {
    if (frame.stream !== Stream.output) return;
    if (frame.kind === "gap") this.#gap(frame.to);
    else if (frame.kind === "data" || frame.kind === "zstd") this.#data(frame);
  }

  #data(frame: Extract<Frame, { kind: "data" | "zstd" }>): void {
    const bytes = frame.kind === "data" ? frame.bytes : zstd.decompress(frame.bytes, frame.length);
    const fresh = bytes && this.#receiver.accept(frame.offset, bytes);
    if (!fresh) {
      const what = bytes ? `jumped from ${this.ring.end} to ${frame.offset}` : "could not be unpacked";
      this.#link?.broken(`output of ${this.info.session} ${what}`);
    } else if (fresh.length > 0) this.#append(fresh);
  }

  // --- readers ---

  /**
   * Takes a reader in; it then reads `ring` at its own pace.
   * @param cursor where it goes on, or null for one that is new: it gets a snapshot
   */
  join(reader: Reader, cursor: number | null): void {
    this.readers.add(reader);
    this.#demand.join(reader);
    const from = cursor ?? 0;
    // What is before `#asked` the agent may still have, unless so much came since that it is gone there too.
    const asked = this.#asked;
    if (asked === null || (from < asked && this.ring.end - asked < this.ring.capacity)) this.#refill(from);
    if (cursor === null) this.#screening.request(reader);
    this.#demand.update();
    reader.advance();
  }

  /** @param announced it said that it goes; otherwise what it had asked for is held for a while */
  leave(reader: Reader, announced: boolean): void {
    this.size.left(reader.viewer, announced);
    if (!this.readers.delete(reader)) return;
    this.watchedAt = performance.now();
    this.#screening.cancel(reader);
    this.#demand.leave(reader, announced);
    this.#demand.update();
    if (this.end && !this.isWatched) this.#screening.rest();
  }

  /** A reader's credit, or its say in the pace, has changed. */
  update(): void {
    this.#demand.update();
  }

  /** The reader gets the screen as it is now, as soon as it is known. */
  requestScreen(reader: Reader): void {
    this.#screening.request(reader);
  }

  /** See `Screening.keyframe`. */
  keyframe(target: number): Promise<Snapshot | null> {
    return this.#screening.keyframe(target);
  }

  /** To be called now and then. */
  tick(now: number): void {
    this.#demand.tick(now);
    this.size.apply(now);
    this.#screening.tick(now);
    if (this.#backfill) this.#topUp();
    const idleFor = now - this.watchedAt;
    if (this.end && !this.isWatched && idleFor > this.#options.timings.endedMs) this.forget();
  }

  /** Another share of the memory of all mirrors. */
  setCapacity(bytes: number): void {
    if (bytes === this.ring.capacity) return;
    this.#screening.shrink(bytes);
    this.ring.resize(bytes);
    this.#demand.update();
  }

  /** Lets go of everything. */
  forget(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#detach();
    this.disconnect();
    this.#demand.stop();
    this.#screening.stop();
    for (const reader of [...this.readers]) reader.forgotten?.();
    this.#options.onGone(this);
  }

  // --- internal ---

  #attach(): void {
    this.#detach();
    this.#unplug();
    if (!this.#link) return;
    this.#channel = this.#link.open(this);
    this.#control({
      type: "attach",
      channel: this.#channel,
      session: this.info.session,
      instance: this.info.instance,
      cursor: this.ring.end,
      hold: this.#demand.holds,
      zstd: true,
      viewer: GATEWAY_VIEWER,
    });
  }

  #detach(): void {
    if (this.#channel === null) return;
    this.#control({ type: "detach", channel: this.#channel });
    this.#link?.close(this.#channel);
  }

  #unplug(): void {
    this.#channel = null;
    this.#live = false;
    this.#demand.unplug();
  }

  #attached(info: SessionInfo, start: number): void {
    const { bytes, last_output_at } = this.info;
    this.info = {
      ...info,
      bytes: Math.max(info.bytes, bytes),
      last_output_at: info.last_output_at ?? last_output_at,
    };
    this.#live = true;
    this.size.connected(info);
    this.#gap(start);
    this.#backfill?.begin(info.bytes, performance.now());
    this.#demand.plug();
    if (this.#backfill) this.#topUp();
  }

  /** Starts the copy over, at an earlier offset: readers that are further on wait until it has come to them. */
  #refill(from: number): void {
    const start = this.#link?.isSlow ? Math.max(from, Backfill.tail(this.info.bytes, this.readers)) : from;
    this.end = null;
    this.ring.restart(start);
    this.#screening.restart(this.size.current);
    this.#asked = start;
    this.#receiver = new StreamReceiver(start);
    this.#backfill = new Backfill(start);
    this.#attach();
  }

  /** Grants what the copy itself wants: to be complete up to where it was attached. */
  #topUp(): void {
    const backfill = this.#backfill;
    if (!backfill || !this.#live) return;
    const now = performance.now();
    if (this.#link && !this.#link.isSlow && backfill.isTooSlow(this.ring.end, now)) {
      this.#link.isSlow = true;
      if (Backfill.tail(this.info.bytes, this.readers) > this.ring.end) {
        this.#refill(this.ring.end);
        return;
      }
    }
    const limit = backfill.advance(this.ring.end, now);
    if (backfill.isDone(this.ring.end)) {
      this.#backfill = null;
      this.#demand.backfill(0);
      this.#screening.ready();
    } else this.#demand.backfill(limit);
  }

  #append(bytes: Uint8Array): void {
    this.#screening.expect(bytes.length);
    this.ring.append(bytes);
    this.info.bytes = Math.max(this.info.bytes, this.ring.end);
    this.info.last_output_at = Date.now();
    this.#advanced();
  }

  /** Bytes that the agent has no more; nothing where they are here. */
  #gap(to: number): void {
    if (to <= this.ring.end) return;
    this.#screening.jump(to);
    this.ring.restart(to);
    this.#receiver.skip(to);
    this.#advanced();
  }

  #advanced(): void {
    if (this.#backfill) this.#topUp();
    for (const reader of this.readers) reader.advance();
    this.#demand.update();
  }

  #ended(end: SessionEnd): void {
    this.end = end;
    Object.assign(this.info, end, { ended_at: this.info.ended_at ?? Date.now() });
    this.#options.onEnded(this.info);
    if (this.#channel !== null) this.#link?.close(this.#channel);
    this.#unplug();
    this.#backfill = null;
    this.watchedAt = performance.now();
    this.#screening.ready();
    for (const reader of [...this.readers]) reader.advance();
  }

  #resized(size: TerminalSize, by: string): void {
    Object.assign(this.info, size);
    this.#screening.resize(size);
    this.#options.onSize(this.info.session, size);
    for (const reader of this.readers) reader.resized(size, by);
  }

  // --- what goes to the agent ---

  #control(message: Parameters<AgentLink["control"]>[0]): void {
    if (this.#channel !== null) this.#link?.control(message);
  }

  #sendSize(size: TerminalSize): void {
    if (this.#live) this.#control({ type: "resize", channel: this.#channel ?? 0, ...size });
  }

  #ack(consumed: number, limit: number): void {
    if (this.#channel === null) return;
    this.#link?.frame({ kind: "ack", stream: Stream.output, channel: this.#channel, consumed, limit });
  }
}
