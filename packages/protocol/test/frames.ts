/** A message as the bytes of its frame, and back. */
import {
  ByteWriter,
  decodeMessage,
  encodeMessage,
  type Frame,
  FrameReader,
  type Message,
  type SentMessage,
} from "task-queue-protocol";

export function toBytes(message: SentMessage, requestId = 7): Uint8Array {
  const writer = new ByteWriter();
  encodeMessage(writer, requestId, message);
  return writer.view().slice();
}

export function readFrames(chunks: readonly Uint8Array[], maxBytes = 2 ** 24): Frame[] {
  const reader = new FrameReader(maxBytes);
  const frames: Frame[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      frames.push(frame);
    }
  }
  return frames;
}

export function fromBytes(bytes: Uint8Array): Message {
  const [frame] = readFrames([bytes]);
  if (frame === undefined) throw new Error("not a whole frame");
  return decodeMessage(frame);
}
