/** Messages about the connection itself: handshake, refusals, keep-alive, good-bye of a broker. */
import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { MAGIC, VERSION_MAX, VERSION_MIN } from "../limits.ts";
import type { Hello, Role, UnknownHello, Welcome } from "../message.ts";
import { ProtocolError } from "../protocol-error.ts";
import { type CodecTable, empty } from "./message-codec.ts";
import { readChoice, readRefusal, writeChoice, writeRefusal } from "./parts.ts";

const ROLES = ["client", "worker"] as const satisfies readonly Role[];

export const connectionCodecs: CodecTable<
  "hello" | "welcome" | "error" | "ping" | "pong" | "terminate"
> = {
  hello: { type: 0x01, write: writeHello, read: readHello },
  welcome: { type: 0x02, write: writeWelcome, read: readWelcome },
  error: {
    type: 0x03,
    write: writeRefusal,
    read: (reader) => ({ kind: "error", ...readRefusal(reader) }),
  },
  ping: empty(0x04, { kind: "ping" }),
  pong: empty(0x05, { kind: "pong" }),
  terminate: {
    type: 0x06,
    write: (writer, message) => {
      writer.string(message.address);
      writer.string(message.reason);
    },
    read: (reader) => ({ kind: "terminate", address: reader.string(), reason: reader.string() }),
  },
};

function writeHello(writer: ByteWriter, hello: Hello): void {
  writer.u8(MAGIC.charCodeAt(0));
  writer.u8(MAGIC.charCodeAt(1));
  writer.u8(hello.minVersion);
  writer.u8(hello.maxVersion);
  writeChoice(writer, ROLES, hello.role);
  writer.string(hello.key);
  writer.string(hello.name);
  writer.string(hello.version);
}

/** The first four bytes keep their meaning in every version; the rest is that of a shared one. */
function readHello(reader: ByteReader): Hello | UnknownHello {
  if (reader.u8() !== MAGIC.charCodeAt(0) || reader.u8() !== MAGIC.charCodeAt(1)) {
    throw new ProtocolError(`a hello begins with "${MAGIC}"`);
  }
  const minVersion = reader.u8();
  const maxVersion = reader.u8();
  if (minVersion > VERSION_MAX || maxVersion < VERSION_MIN) {
    reader.raw(reader.left);
    return { kind: "unknownHello", minVersion, maxVersion };
  }
  return {
    kind: "hello",
    minVersion,
    maxVersion,
    role: readChoice(reader, ROLES, "role"),
    key: reader.string(),
    name: reader.string(),
    version: reader.string(),
  };
}

function writeWelcome(writer: ByteWriter, welcome: Welcome): void {
  writer.u8(welcome.protocolVersion);
  writer.string(welcome.nodeId);
  writer.string(welcome.clusterId);
  writer.string(welcome.version);
  writer.string(welcome.leader);
  writer.u32(welcome.maxFrameBytes);
  writer.u32(welcome.maxPayloadBytes);
  writer.u32(welcome.leaseMs);
  writer.u32(welcome.heartbeatMs);
}

function readWelcome(reader: ByteReader): Welcome {
  return {
    kind: "welcome",
    protocolVersion: reader.u8(),
    nodeId: reader.string(),
    clusterId: reader.string(),
    version: reader.string(),
    leader: reader.string(),
    maxFrameBytes: reader.u32(),
    maxPayloadBytes: reader.u32(),
    leaseMs: reader.u32(),
    heartbeatMs: reader.u32(),
  };
}
