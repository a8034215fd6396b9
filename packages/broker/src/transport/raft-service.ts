/**
 * The service of `proto/raft.proto`, loaded at start, with types.
 *
 * Frames bypass the generic protobuf objects: their one field is written and read by hand, byte for
 * byte the same on the wire, with a single copy on the way out and none on the way in.
 */
import type { MethodDefinition } from "@grpc/grpc-js";
import {
  loadSync,
  type MessageTypeDefinition,
  type PackageDefinition,
  type ServiceDefinition,
} from "@grpc/proto-loader";
import type { Formation, Member, VersionRange } from "../ports.ts";
import { protoPath } from "../proto-path.ts";
import { CodecError } from "./bytes.ts";
import type { Hello, Welcome } from "./handshake.ts";

/** Messages that share a frame, each encoded; what comes in is the frame, still packed. */
export type FrameParts = readonly Uint8Array[];

export type StreamKind = "control" | "append" | "forward";
export const STREAM_KINDS: readonly StreamKind[] = ["control", "append", "forward"];

/** One configured peer and, once it has answered, who is there; empty strings until then. */
export interface Listing {
  readonly address: string;
  readonly nodeId: string;
  readonly incarnation: string;
}

/** What a node says of itself; `clusterId` is empty while it belongs to no cluster. */
export interface Announcement {
  /** Whether it votes is for a formation to say. */
  readonly member: Member;
  readonly versionMin: number;
  readonly versionMax: number;
  readonly clusterId: string;
  readonly peers: readonly Listing[];
  /** Of the newest roster that it knows. */
  readonly revision: number;
}

/** A formation as it comes from the wire: of the right shape, with anything in it. */
export type FormationDocument = Formation;

export interface GreetRequest {
  readonly from: Announcement | null;
}

export interface GreetReply {
  readonly from: Announcement | null;
  readonly formation: FormationDocument | null;
  readonly refusal: string;
}

export interface FormRequest {
  readonly formation: FormationDocument | null;
}

export interface FormReply {
  readonly verdict: "ACCEPTED" | "LATER" | "REFUSED" | "UNSPECIFIED";
  readonly reason: string;
}

/** See `proto/raft.proto`. */
export interface RejoinRequest {
  readonly clusterId: string;
  readonly formerIncarnation: string;
  readonly member: Member | null;
  readonly wantsVote: boolean;
  readonly confirmed: boolean;
}

export interface RejoinReply {
  readonly verdict: "DONE" | "WAIT" | "ASK" | "CONFIRM" | "REFUSED" | "UNSPECIFIED";
  readonly reason: string;
  readonly leaderBus: string;
  readonly wasVoter: boolean;
  readonly formation: FormationDocument | null;
}

/** See `proto/raft.proto`. */
export interface BackupsRequest {
  readonly clusterId: string;
  readonly nodeId: string;
}

export interface BackupsReply {
  readonly nodeId: string;
  readonly state: "CANNOT" | "CAN" | "MAKES" | "UNSPECIFIED";
  readonly hasOne: boolean;
  readonly ageMs: number;
}

/** What a member wants of a snapshot; the bytes mean something to the layer above only. */
export interface SnapshotRequest {
  readonly request: Uint8Array;
}

export interface SnapshotChunk {
  readonly data: Uint8Array;
  /** CRC-32 of `data`. */
  readonly crc: number;
}

/** Frames go in as parts and come out packed, which the library's own type cannot say. */
interface StreamMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (parts: FrameParts) => Buffer;
  readonly requestDeserialize: (frame: Buffer) => Buffer;
  readonly responseSerialize: (farewell: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}

export interface RaftService {
  readonly control: StreamMethod;
  readonly append: StreamMethod;
  readonly forward: StreamMethod;
  readonly snapshot: MethodDefinition<SnapshotRequest, SnapshotChunk>;
  readonly greet: MethodDefinition<GreetRequest, GreetReply>;
  readonly form: MethodDefinition<FormRequest, FormReply>;
  readonly rejoin: MethodDefinition<RejoinRequest, RejoinReply>;
  readonly backups: MethodDefinition<BackupsRequest, BackupsReply>;
}

/** The metadata keys of the handshake. */
export const HELLO_KEY = "tq-hello-bin";
export const WELCOME_KEY = "tq-welcome-bin";

const definition = load();
const methods = definition["raft.v1.Raft"] as ServiceDefinition;
const hello = definition["raft.v1.Hello"] as MessageTypeDefinition<object, object>;
const welcome = definition["raft.v1.Welcome"] as MessageTypeDefinition<object, object>;

export const RAFT_SERVICE: RaftService = {
  control: streamMethod("Control"),
  append: streamMethod("Append"),
  forward: streamMethod("Forward"),
  snapshot: methods["Snapshot"] as unknown as RaftService["snapshot"],
  greet: methods["Greet"] as unknown as RaftService["greet"],
  form: methods["Form"] as unknown as RaftService["form"],
  rejoin: methods["Rejoin"] as unknown as RaftService["rejoin"],
  backups: methods["Backups"] as unknown as RaftService["backups"],
};

export function encodeHello(value: Hello): Buffer {
  return hello.serialize(value);
}

/** Throws on bytes that are no Hello. */
export function decodeHello(bytes: Buffer): Hello {
  const { program, ...rest } = withoutNull(hello.deserialize(bytes) as FromWire<Hello>);
  return program ? { ...rest, program } : rest;
}

export function encodeWelcome(value: Welcome): Buffer {
  return welcome.serialize(value);
}

/** Throws on bytes that are no Welcome. */
export function decodeWelcome(bytes: Buffer): Welcome {
  return withoutNull(welcome.deserialize(bytes) as FromWire<Welcome>);
}

/** What is absent comes as null. */
type FromWire<T> = Omit<T, "supports"> & { readonly supports: VersionRange | null };

function withoutNull<T extends { readonly supports?: VersionRange }>(found: FromWire<T>): T {
  const { supports, ...rest } = found;
  return (supports === null ? rest : found) as unknown as T;
}

const BODY_TAG = 0x0a;
const LENGTH_BYTES_MAX = 5;

/** The protobuf message `Frame { body }` with all parts in one body. */
export function packFrame(parts: FrameParts): Buffer {
  let total = 0;
  for (const part of parts) total += part.length;
  const frame = Buffer.allocUnsafe(1 + LENGTH_BYTES_MAX + total);
  frame[0] = BODY_TAG;
  let at = 1;
  let rest = total;
  for (; rest > 0x7f; rest >>>= 7) frame[at++] = (rest & 0x7f) | 0x80;
  frame[at++] = rest;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame.subarray(0, at);
}

/** The body of a packed frame, not copied. Throws `CodecError`. */
export function unpackFrame(frame: Uint8Array): Uint8Array {
  let at = 1;
  let length = 0;
  for (let scale = 1; at <= LENGTH_BYTES_MAX; scale *= 128) {
    const byte = frame[at++] ?? 0;
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  if (frame[0] !== BODY_TAG || frame.length !== at + length) {
    throw new CodecError(`no frame: ${frame.length} bytes that do not hold exactly one body`);
  }
  return frame.subarray(at);
}

function streamMethod(name: string): StreamMethod {
  const method = methods[name]!;
  return {
    path: method.path,
    requestStream: method.requestStream,
    responseStream: method.responseStream,
    responseSerialize: method.responseSerialize,
    responseDeserialize: method.responseDeserialize,
    requestSerialize: packFrame,
    requestDeserialize: (frame) => frame,
  };
}

function load(): PackageDefinition {
  const options = { longs: Number, enums: String, defaults: true, arrays: true };
  return loadSync(protoPath("raft.proto"), options);
}
