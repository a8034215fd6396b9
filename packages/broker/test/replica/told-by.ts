/** What a part of a replica puts into the outputs of a turn. */
import { emptyOutputs, type Outputs } from "../../src/replica/output.ts";

export function toldBy<W>(part: { take(out: Outputs<W, unknown>): void }): Outputs<W, unknown> {
  const out = emptyOutputs<W, unknown, unknown>();
  part.take(out);
  return out;
}
