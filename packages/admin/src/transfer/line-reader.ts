/**
 * The lines of a file, one at a time, with their places. The file is never held as a whole: what is
 * in memory is one piece of it, and one line.
 */
import { createReadStream } from "node:fs";
import { CliError, EXIT } from "../exit-status.ts";
import { LINE_BYTES_MAX } from "./format.ts";

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without the line feed. */
  readonly text: Buffer;
  /** Where the next line begins. */
  readonly end: number;
  /** It ends with a line feed: nothing of it is missing. */
  readonly whole: boolean;
}

/** Where to begin: behind line `number`, which ends at `end`. */
export interface Place {
  readonly number: number;
  readonly end: number;
}

export const START: Place = { number: 0, end: 0 };

const PIECE_BYTES = 1024 * 1024;
const LINE_FEED = 10;

export async function* readLines(path: string, from: Place = START): AsyncGenerator<Line> {
  let { number, end } = from;
  let pieces: Buffer[] = [];
  let bytes = 0;
  const take = (last: Buffer, whole: boolean): Line => {
    const text = pieces.length === 0 ? last : Buffer.concat([...pieces, last]);
    end += text.length + (whole ? 1 : 0);
    pieces = [];
    bytes = 0;
    return { number: ++number, text, end, whole };
  };
  try {
    const stream = createReadStream(path, { start: from.end, highWaterMark: PIECE_BYTES });
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      let at = 0;
      for (let feed = chunk.indexOf(LINE_FEED); feed >= 0; feed = chunk.indexOf(LINE_FEED, at)) {
        yield take(chunk.subarray(at, feed), true);
        at = feed + 1;
      }
      if (at < chunk.length) pieces.push(chunk.subarray(at));
      bytes += chunk.length - at;
      if (bytes > LINE_BYTES_MAX) {
        const where = `${path}:${number + 1}`;
        throw new CliError(EXIT.data, `${where}: longer than ${LINE_BYTES_MAX} bytes`);
      }
    }
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError(EXIT.notFound, `${path}: ${(cause as Error).message}`, cause);
  }
  if (bytes > 0) yield take(Buffer.alloc(0), false);
}
