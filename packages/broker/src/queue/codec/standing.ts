/** Where a queue or a group stands, as one number: its turn, and whether it is a newcomer. */
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

export interface Standing {
  readonly turn: number;
  readonly newcomer: boolean;
}

export function writeStanding(out: Writer, { turn, newcomer }: Standing): void {
  out.uint(turn * 2 + (newcomer ? 1 : 0));
}

/** @throws CodecError */
export function readStanding(from: Reader): Standing {
  const number = from.uint();
  return { turn: Math.floor(number / 2), newcomer: number % 2 === 1 };
}
