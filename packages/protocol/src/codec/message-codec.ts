/** What a message needs to travel: its number on the wire, and both directions of its body. */
import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import type { Message, MessageKind } from "../message.ts";

export interface MessageCodec<T extends Message> {
  /** The frame's type byte. */
  readonly type: number;
  /** Writes the body. */
  write(writer: ByteWriter, message: T): void;
  /** Reads the whole body; throws `ProtocolError`, and nothing else, when it is malformed. */
  read(reader: ByteReader): Message;
}

export type CodecTable<K extends MessageKind> = {
  readonly [P in K]: MessageCodec<Extract<Message, { kind: P }>>;
};

/** A message without a body. */
export function empty<T extends Message>(type: number, message: T): MessageCodec<T> {
  return { type, write: () => {}, read: () => message };
}
