/** The naive model's opinion on workers that present themselves. */
import type { Command } from "../../src/queue/command.ts";
import type { Reply } from "../../src/queue/reply.ts";
import type { NaiveModel } from "./naive-model.ts";
import { hex, ok, refused } from "./naive-state.ts";

export function register(
  model: NaiveModel,
  command: Extract<Command, { type: "register" }>,
): Reply {
  const known = model.sessions.find(({ id }) => id === command.session);
  const secret = hex(command.secret);
  if (known !== undefined && known.secret !== secret) return refused("permission_denied");
  if (command.types.length === 0 || command.leaseMs === 0) return refused("invalid_request");
  const { session: id, name, queues, types, labels, leaseMs } = command;
  const renewals = known === undefined ? 0 : known.renewals + 1;
  const deadline = model.now + leaseMs;
  const said = { name, secret, queues, types, labels, leaseMs };
  const fresh = { id, ...said, deadline, renewals, lapsed: false };
  if (known !== undefined) Object.assign(known, fresh);
  else model.sessions.push(fresh);
  // A running attempt shows the name that its worker has now.
  for (const task of model.leases(id)) {
    task.attempts.push({ ...task.attempts.pop()!, worker: name });
  }
  return ok(undefined, known !== undefined);
}
