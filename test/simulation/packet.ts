/** What nodes send each other, and on which of their streams. */
import type { EntryId } from "task-queue-raft";
import type {
  Envelope,
  FlushMark,
  Forward,
  ForwardReply,
} from "../../packages/broker/src/replica/index.ts";
import type { Row } from "./state-image.ts";

/** Asks for the rows behind `after`, of snapshot `id` or else of a fresh one. */
export interface ChunkRequest {
  /** Tells answers to this question from answers to earlier ones. */
  readonly question: number;
  /** Of this index or a later one. */
  readonly minIndex: number;
  readonly snapshot: string | undefined;
  readonly after: Uint8Array | undefined;
}

export interface Chunk {
  readonly question: number;
  readonly snapshot: string;
  readonly id: EntryId;
  readonly mark: FlushMark;
  readonly rows: readonly Row[];
  readonly isLast: boolean;
}

export type Packet =
  | { readonly kind: "envelope"; readonly envelope: Envelope }
  | { readonly kind: "forwards"; readonly forwards: readonly Forward[] }
  | { readonly kind: "forwardReplies"; readonly replies: readonly ForwardReply[] }
  | { readonly kind: "chunkRequest"; readonly request: ChunkRequest }
  | { readonly kind: "chunk"; readonly chunk: Chunk };

export type Stream = "control" | "append" | "forward" | "snapshot";

export function streamOf(packet: Packet): Stream {
  switch (packet.kind) {
    case "envelope": {
      const { type } = packet.envelope.message;
      return type === "append" || type === "appendReply" ? "append" : "control";
    }
    case "forwards":
    case "forwardReplies":
      return "forward";
    case "chunkRequest":
    case "chunk":
      return "snapshot";
  }
}

/** Bytes that make a slow link slow. */
export function weightOf(packet: Packet): number {
  if (packet.kind !== "chunk") return 0;
  let bytes = 0;
  for (const [key, value] of packet.chunk.rows) bytes += key.length + value.length;
  return bytes;
}
