/**
 * The snapshots that one process serves and fetches. The source reads what the disk holds, the
 * receiver fills a state beside the live one; both end with the process.
 */
import type { EntryId, NodeId, SnapshotFetch } from "task-queue-raft";
import type { Disk } from "./disk.ts";
import type { Chunk, ChunkRequest, Packet } from "./packet.ts";
import type { Situations } from "./situations.ts";
import { SnapshotReceiver } from "./snapshot-receiver.ts";
import { SnapshotSource } from "./snapshot-source.ts";
import type { StateImage } from "./state-image.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface ExchangeOptions {
  /** Of this process, never used twice. */
  readonly name: string;
  readonly time: VirtualTime;
  readonly disk: Disk;
  readonly situations: Situations;
  readonly chunkRowsMax: number;
  readonly chunkBytesMax: number;
  readonly send: (to: NodeId, packet: Packet) => void;
  /** All rows of a fetched one are there; `id` is the entry that it includes last. */
  readonly fetched: (image: StateImage, id: EntryId) => void;
}

export class SnapshotExchange {
  readonly #options: ExchangeOptions;
  readonly #source: SnapshotSource;
  readonly #receiver: SnapshotReceiver;

  constructor(options: ExchangeOptions) {
    const { name, time, disk, situations, send, fetched } = options;
    this.#options = options;
    this.#source = new SnapshotSource(
      name,
      options.chunkRowsMax,
      options.chunkBytesMax,
      situations,
    );
    const ask = (source: NodeId, request: ChunkRequest) => {
      send(source, { kind: "chunkRequest", request });
    };
    this.#receiver = new SnapshotReceiver({ time, disk, situations, ask, complete: fetched });
  }

  get isFetching(): boolean {
    return this.#receiver.isFetching;
  }

  close(): void {
    this.#receiver.close();
  }

  fetch(wish: SnapshotFetch): void {
    this.#receiver.fetch(wish);
  }

  received(chunk: Chunk): void {
    this.#receiver.received(chunk);
  }

  answer(from: NodeId, request: ChunkRequest, leads: boolean): void {
    const { situations, disk, send } = this.#options;
    const chunk = this.#source.answer(request, disk.live);
    if (chunk === undefined) {
      situations.hit("snapshot refused: too old");
      return;
    }
    situations.hit(leads ? "snapshot from the leader" : "snapshot from a follower");
    send(from, { kind: "chunk", chunk });
  }
}
