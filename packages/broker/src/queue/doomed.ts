/** How a blocked task ends whose parent has failed it: on the next `wake`, as its policy says. */
import { fateOf } from "./links.ts";
import type { QueueState } from "./state.ts";
import { stateName } from "./state-number.ts";
import { finish, withdraw } from "./transitions.ts";
import { uuidText } from "./uuid-text.ts";

export function endDoomed(s: QueueState, slot: number): void {
  const { id, state, end } = fateOf(s, slot);
  withdraw(s, slot);
  const message = `parent ${uuidText(id)} ended as ${stateName(state)}`;
  finish(s, slot, {
    state: end,
    at: s.clock,
    final: undefined,
    error: { message, stack: "" },
    result: undefined,
  });
}
