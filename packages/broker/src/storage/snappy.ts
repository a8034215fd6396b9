/**
 * Decompresses one Snappy block (the raw format, no framing), for reading the small index blocks
 * of LevelDB's tables. Any length that does not fit throws a RangeError: such a block is damaged.
 */

/** An index block of the largest table is far smaller. */
const OUTPUT_MAX = 64 << 20;

export function unsnappy(input: Uint8Array): Uint8Array {
  let at = 0;
  const byte = (): number => {
    const value = input[at++];
    if (value === undefined) {
      throw new RangeError("compressed block is cut short");
    }
    return value;
  };
  const littleEndian = (count: number): number => {
    let value = 0;
    for (let position = 0; position < count; position++) {
      value += byte() * 2 ** (8 * position);
    }
    return value;
  };
  const output = new Uint8Array(outputLength(byte));
  let filled = 0;
  while (at < input.length) {
    const tag = byte();
    const kind = tag & 3;
    if (kind === 0) {
      const short = tag >> 2;
      const length = (short < 60 ? short : littleEndian(short - 59)) + 1;
      requireRoom(output, filled, length, input.length - at);
      output.set(input.subarray(at, at + length), filled);
      at += length;
      filled += length;
    } else {
      const length = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
      const offset = kind === 1 ? ((tag >> 5) << 8) + byte() : littleEndian(kind === 2 ? 2 : 4);
      requireRoom(output, filled, length, offset > 0 && offset <= filled ? length : -1);
      // Byte by byte: a copy may overlap what it writes, that is how runs are encoded.
      for (const end = filled + length; filled < end; filled++) {
        output[filled] = output[filled - offset]!;
      }
    }
  }
  requireRoom(output, filled, output.length - filled, 0);
  return output;
}

function outputLength(byte: () => number): number {
  let length = 0;
  let part = 0x80;
  for (let shift = 0; (part & 0x80) !== 0; shift += 7) {
    part = byte();
    length += (part & 0x7f) * 2 ** shift;
    if (length > OUTPUT_MAX) {
      throw new RangeError("compressed block is too long");
    }
  }
  return length;
}

function requireRoom(output: Uint8Array, at: number, length: number, available: number): void {
  if (length > available || at + length > output.length) {
    throw new RangeError("compressed block does not add up");
  }
}
