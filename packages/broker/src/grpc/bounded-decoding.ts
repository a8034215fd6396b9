/**
 * Refuses messages that would be much larger in memory than on their way: two bytes on the wire can
 * be an empty task, which is an object of twenty fields, and compression makes them cheaper still.
 * So what a message consists of is counted before any of it is decoded. The count must see all that
 * the decoder would see: what is not written as the schema says is refused and never skipped.
 */
import type { ServiceDefinition } from "@grpc/grpc-js";
import type {
  MessageTypeDefinition,
  MethodDefinition,
  PackageDefinition,
} from "@grpc/proto-loader";
import { TqError } from "task-queue-protocol";
import { PARTS_MAX, REPEATED_MAX } from "./limits.ts";

interface Field {
  readonly isRepeated: boolean;
  readonly wireType: number;
  /** Of a message inside the message. */
  readonly shape: Shape | undefined;
}

/** By the numbers of the fields. */
type Shape = ReadonlyMap<number, Field>;

/** As far as it matters here: the DescriptorProto of a message. */
interface Descriptor {
  readonly field: readonly {
    readonly number: number;
    readonly label: string;
    readonly type: string;
    readonly typeName: string;
  }[];
}

const VARINT = 0;
const FIXED_64 = 1;
const DELIMITED = 2;
const FIXED_32 = 5;
const VARINT_BYTES_MAX = 10;

/** What a field takes beside its bytes, and a message beside its fields; a task has twenty. */
const PART_BYTES = 32;
const MESSAGE_BYTES = 1024;
/** What takes no more than this is not told apart. */
const SMALL_BYTES = 16 * 1024;

const WIRE_TYPES: Readonly<Record<string, number>> = {
  TYPE_DOUBLE: FIXED_64,
  TYPE_FIXED64: FIXED_64,
  TYPE_SFIXED64: FIXED_64,
  TYPE_FLOAT: FIXED_32,
  TYPE_FIXED32: FIXED_32,
  TYPE_SFIXED32: FIXED_32,
  TYPE_STRING: DELIMITED,
  TYPE_BYTES: DELIMITED,
  TYPE_MESSAGE: DELIMITED,
};

/** The same service, which decodes a request that is too much into the `TqError` that says so. */
export function withBounds(
  service: ServiceDefinition,
  definitions: PackageDefinition,
): ServiceDefinition {
  const methods = Object.entries(service).map(([name, method]) => {
    const { requestType } = method as MethodDefinition<object, object>;
    const scope = /^\/(.*)\.[^.]+\//.exec(method.path)![1]!;
    const shape = shapeOf(scope, requestType.type as Descriptor, definitions);
    const requestDeserialize = (bytes: Buffer): object => {
      const found = count(bytes, shape);
      if (found instanceof TqError) return found;
      const message = method.requestDeserialize(bytes);
      if (found.memoryBytes > SMALL_BYTES) larger.set(message, found.memoryBytes);
      return message;
    };
    return [name, { ...method, requestDeserialize }] as const;
  });
  return Object.fromEntries(methods);
}

/** About how much memory a message takes that such a service has decoded. */
export function memoryBytesOf(message: object): number {
  return larger.get(message) ?? SMALL_BYTES;
}

/** Those above `SMALL_BYTES`: to note each would cost every call. */
const larger = new WeakMap<object, number>();

/** `scope`: the package, which names of messages are without where they are of the same one. */
function shapeOf(scope: string, { field: fields }: Descriptor, all: PackageDefinition): Shape {
  const inner = (name: string): Shape => {
    const whole = name.includes(".") ? name : `${scope}.${name}`;
    return shapeOf(
      scope,
      (all[whole] as MessageTypeDefinition<object, object>).type as Descriptor,
      all,
    );
  };
  return new Map(
    fields.map(({ number, label, type, typeName }) => {
      const isRepeated = label === "LABEL_REPEATED";
      const shape = type === "TYPE_MESSAGE" ? inner(typeName) : undefined;
      return [number, { isRepeated, wireType: WIRE_TYPES[type] ?? VARINT, shape }];
    }),
  );
}

function count(bytes: Buffer, shape: Shape): Count | TqError {
  const found = new Count(bytes);
  try {
    found.message(shape, bytes.length);
    return found;
  } catch (error) {
    if (error instanceof TqError) return error;
    throw error;
  }
}

class Count {
  readonly #bytes: Buffer;
  #at = 0;
  #parts = 0;
  #messages = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Of all that was counted, when it is decoded. */
  get memoryBytes(): number {
    return this.#bytes.length + PART_BYTES * this.#parts + MESSAGE_BYTES * this.#messages;
  }

  /** Of the message that ends at `end`. Throws `TqError`. */
  message(shape: Shape, end: number): void {
    let messages = 0;
    while (this.#at < end) {
      const tag = this.#varint(end);
      const wireType = tag & 7;
      const field = shape.get(tag >>> 3);
      const next = this.#endOf(wireType, end);
      if (next > end) throw malformed();
      if (field === undefined || wireType === field.wireType) this.#add(1);
      // Numbers in a row, of which each takes a byte or more.
      else if (field.isRepeated && wireType === DELIMITED) this.#add(next - this.#at);
      else throw malformed();
      if (field?.shape !== undefined) {
        if (++messages > REPEATED_MAX) throw tooMuch();
        this.#messages++;
        this.message(field.shape, next);
      }
      this.#at = next;
    }
  }

  #add(parts: number): void {
    this.#parts += parts;
    if (this.#parts > PARTS_MAX) throw tooMuch();
  }

  /** Where a value ends, which may be too far; one with a length begins behind that. */
  #endOf(wireType: number, end: number): number {
    switch (wireType) {
      case VARINT: {
        let at = this.#at;
        while (this.#bytes[at]! >= 0x80) at++;
        return at - this.#at < VARINT_BYTES_MAX ? at + 1 : Number.POSITIVE_INFINITY;
      }
      case FIXED_64:
        return this.#at + 8;
      case FIXED_32:
        return this.#at + 4;
      case DELIMITED:
        // First the length, which moves the place that it counts from.
        return this.#varint(end) + this.#at;
      default:
        throw malformed();
    }
  }

  /** Of a tag or a length. */
  #varint(end: number): number {
    let value = 0;
    for (let shift = 0; shift < 28 && this.#at < end; shift += 7) {
      const byte = this.#bytes[this.#at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw malformed();
  }
}

function malformed(): TqError {
  return new TqError("invalid_request", "these bytes are not the message that this call takes");
}

function tooMuch(): TqError {
  const bounds = `at most ${PARTS_MAX} fields, and ${REPEATED_MAX} messages in one`;
  return new TqError("too_large", `the message consists of too much: ${bounds}`);
}
