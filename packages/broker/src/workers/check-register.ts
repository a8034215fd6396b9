/** What a worker says of itself, checked and turned into the command. */
import { type Register as RegisterMessage, TqError, WINDOW_MAX } from "task-queue-protocol";
import { isLabel } from "../operations/check-values.ts";
import type { Register } from "../queue/index.ts";

const NAME = /^[A-Za-z0-9._:-]{1,200}$/;
const SESSION = /^[A-Za-z0-9._:-]{1,64}$/;
const DISPLAY_NAME_MAX = 200;
const LABELS_MAX = 64;

/** Throws `TqError` `invalid_request` with the field. */
export function checkRegister(
  message: RegisterMessage,
  version: string,
  leaseMs: number,
): Register {
  const { session, secret, name, queues, types, labels, concurrency } = message;
  if (!SESSION.test(session)) throw invalid("session", "1 to 64 of A-Z a-z 0-9 . _ : -");
  if (name.length > DISPLAY_NAME_MAX || /\p{Control}/u.test(name)) {
    throw invalid("name", `at most ${DISPLAY_NAME_MAX} printable characters`);
  }
  if (types.length === 0) throw invalid("types", "a worker needs at least one task type");
  checkNames("types", types);
  checkNames("queues", queues);
  if (labels.length > LABELS_MAX) throw invalid("labels", `at most ${LABELS_MAX} labels`);
  for (const [i, label] of labels.entries()) {
    if (!isLabel(label)) throw invalid(`labels[${i}]`, `"${label.slice(0, 60)}" is not key=value`);
  }
  if (concurrency < 1 || concurrency > WINDOW_MAX) {
    throw invalid("concurrency", `${concurrency} is out of range; allowed is 1 to ${WINDOW_MAX}`);
  }
  return {
    type: "register",
    session,
    secret,
    name: name === "" ? session : name,
    queues: [...new Set(queues)],
    types: [...new Set(types)],
    labels: [...labels].sort(),
    concurrency,
    version: version.slice(0, DISPLAY_NAME_MAX),
    leaseMs,
  };
}

function checkNames(field: string, names: readonly string[]): void {
  for (const [i, name] of names.entries()) {
    if (!NAME.test(name)) {
      const allowed = "allowed are 1 to 200 of A-Z a-z 0-9 . _ : -";
      throw invalid(`${field}[${i}]`, `"${name.slice(0, 60)}" is not a name; ${allowed}`);
    }
  }
}

function invalid(field: string, message: string): TqError {
  return new TqError("invalid_request", `${field}: ${message}`, { field });
}
