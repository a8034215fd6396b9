/**
 * Messages to frames and back. `decodeMessage` is total: for any bytes it returns a message or
 * throws `ProtocolError`, in time and memory proportional to the frame.
 */
import { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import type { Frame } from "../frame-reader.ts";
import type { Message, MessageKind } from "../message.ts";
import { ProtocolError } from "../protocol-error.ts";
import { clientCodecs } from "./client.ts";
import { connectionCodecs } from "./connection.ts";
import type { CodecTable, MessageCodec } from "./message-codec.ts";
import { reportCodecs } from "./report.ts";
import { sessionCodecs } from "./session.ts";

/** All messages but the one that is never sent: a foreign `hello` is only ever read. */
export type SentKind = Exclude<MessageKind, "unknownHello">;
export type SentMessage = Extract<Message, { kind: SentKind }>;

const CODECS: CodecTable<SentKind> = {
  ...connectionCodecs,
  ...clientCodecs,
  ...sessionCodecs,
  ...reportCodecs,
};

const BY_TYPE: (MessageCodec<never> | undefined)[] = new Array(256).fill(undefined);
for (const codec of Object.values(CODECS)) BY_TYPE[codec.type] = codec;

/** The type byte of each message. */
export function frameType(kind: SentKind): number {
  return CODECS[kind].type;
}

/**
 * Appends a message as one frame. Throws `ProtocolError` for a value that has no form on the wire;
 * the writer is then as it was before.
 */
export function encodeMessage(writer: ByteWriter, requestId: number, message: SentMessage): void {
  const codec = CODECS[message.kind] as MessageCodec<SentMessage>;
  const start = writer.length;
  try {
    writer.beginFrame(codec.type, requestId);
    codec.write(writer, message);
    writer.endFrame();
  } catch (error) {
    writer.truncate(start);
    throw error;
  }
}

export function decodeMessage(frame: Frame): Message {
  const codec = BY_TYPE[frame.type];
  if (codec === undefined) throw new ProtocolError(`there is no message type ${frame.type}`);
  const reader = new ByteReader(frame.body);
  const message = codec.read(reader);
  reader.end();
  return message;
}
