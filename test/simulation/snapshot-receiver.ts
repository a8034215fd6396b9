/**
 * Fetches a snapshot for one node, chunk by chunk, into a state beside the live one. What does not
 * come is asked for again, from the key where it stopped; a source that stays silent gives way to
 * the next. One fetch at a time; it dies with the process.
 */
import type { EntryId, NodeId, SnapshotFetch } from "task-queue-raft";
import type { Disk } from "./disk.ts";
import type { Chunk, ChunkRequest } from "./packet.ts";
import type { Situations } from "./situations.ts";
import { StateImage } from "./state-image.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface ReceiverOptions {
  readonly time: VirtualTime;
  readonly disk: Disk;
  readonly situations: Situations;
  readonly ask: (source: NodeId, request: ChunkRequest) => void;
  /** All rows are there; `id` is the entry that the state includes last. */
  readonly complete: (image: StateImage, id: EntryId) => void;
}

const ANSWER_MS = 1500;
const TRIES_A_SOURCE = 4;

interface Fetch {
  readonly index: number;
  readonly sources: readonly NodeId[];
  source: number;
  tries: number;
  image: StateImage;
  /** Name of the snapshot whose rows `image` holds. */
  snapshot: string | undefined;
  after: Uint8Array | undefined;
  question: number;
  isWriting: boolean;
}

export class SnapshotReceiver {
  readonly #options: ReceiverOptions;
  #fetch: Fetch | undefined;
  #questions = 0;
  #isClosed = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  get isFetching(): boolean {
    return this.#fetch !== undefined;
  }

  close(): void {
    this.#isClosed = true;
    this.#fetch = undefined;
  }

  /** A wish for something newer replaces the fetch under way; others are known already. */
  fetch({ index, sources }: SnapshotFetch): void {
    if (this.#fetch !== undefined && this.#fetch.index >= index) return;
    // The state beside the live one is about to take its place.
    if (this.#options.disk.isInstalling) return;
    if (this.#fetch !== undefined) this.#options.situations.hit("snapshot wish replaced");
    const image = new StateImage(undefined);
    const state = { source: 0, tries: 0, snapshot: undefined, after: undefined, question: 0 };
    this.#fetch = { index, sources, image, isWriting: false, ...state };
    this.#ask(this.#fetch);
  }

  #ask(fetch: Fetch): void {
    const question = ++this.#questions;
    fetch.question = question;
    const { snapshot, after } = fetch;
    const source = fetch.sources[fetch.source]!;
    this.#options.ask(source, { question, minIndex: fetch.index, snapshot, after });
    this.#options.time.after(ANSWER_MS, () => {
      const isOpen = this.#fetch === fetch && fetch.question === question && !fetch.isWriting;
      if (isOpen) this.#silence(fetch);
    });
  }

  #silence(fetch: Fetch): void {
    const { situations } = this.#options;
    if (++fetch.tries < TRIES_A_SOURCE) {
      situations.hit("snapshot chunk asked for again");
    } else if (fetch.source + 1 < fetch.sources.length) {
      fetch.source++;
      fetch.tries = 0;
      situations.hit("snapshot source changed");
    } else {
      // The leader repeats its wish.
      this.#fetch = undefined;
      situations.hit("snapshot given up");
      return;
    }
    this.#ask(fetch);
  }

  received(chunk: Chunk): void {
    const fetch = this.#fetch;
    if (this.#isClosed || fetch === undefined || fetch.isWriting) return;
    if (chunk.question !== fetch.question) {
      this.#options.situations.hit("late snapshot chunk ignored");
      return;
    }
    if (fetch.snapshot !== chunk.snapshot) {
      if (fetch.snapshot !== undefined) this.#options.situations.hit("snapshot begun anew");
      fetch.image = new StateImage(undefined);
      fetch.snapshot = chunk.snapshot;
    } else if (fetch.tries > 0) {
      this.#options.situations.hit("snapshot resumed behind its last key");
    }
    fetch.tries = 0;
    fetch.after = chunk.rows.at(-1)?.[0] ?? fetch.after;
    fetch.isWriting = true;
    const { image } = fetch;
    this.#options.disk.stage(image, chunk.rows, () => {
      fetch.isWriting = false;
      if (this.#fetch !== fetch) return;
      if (!chunk.isLast) {
        this.#ask(fetch);
        return;
      }
      this.#fetch = undefined;
      image.mark = chunk.mark;
      this.#options.complete(image, chunk.id);
    });
  }
}
