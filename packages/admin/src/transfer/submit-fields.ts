/**
 * The fields of a submit as an export has them, and of which type each is. Values are the broker's
 * to judge; a field that is none, or of another type, is a file that somebody has changed.
 */
type Check = (value: unknown) => string | undefined;

const RETRY: Readonly<Record<string, Check>> = {
  backoff: isText,
  initial_delay_ms: isNumber,
  backoff_multiplier: isNumber,
  max_delay_ms: isNumber,
  delays_ms: listOf(isNumber, "numbers"),
  jitter: (value) => (typeof value === "string" ? undefined : isNumber(value)),
};

const SUBMIT: Readonly<Record<string, Check>> = {
  id: isText,
  type: isText,
  queue: isText,
  priority: isText,
  payload: () => undefined,
  payload_base64: isBase64,
  run_at: isText,
  timeout_ms: isNumber,
  max_retries: isNumber,
  retry: (value) => faultOf(value, RETRY, "retry."),
  idempotency_key: isText,
  tags: listOf(isText, "texts"),
  metadata: isObject,
  traceparent: isText,
  expires_at: isText,
  unique_key: isText,
  unique_for_ms: isNumber,
  group: isText,
  required_labels: listOf(isText, "texts"),
  depends_on: listOf(isText, "ids"),
  on_parent_failure: isText,
};

const NAMES = new Map(
  [...Object.keys(SUBMIT), ...Object.keys(RETRY)].map((name) => [
    name.replace(/_[a-z]/g, (part) => part.slice(1).toUpperCase()),
    name,
  ]),
);

/** Throws an `Error` that names the field. */
export function checkSubmitFields(submit: unknown): void {
  const fault = faultOf(submit, SUBMIT, "");
  if (fault !== undefined) throw new Error(fault);
}

/** A refusal of the client with the names of fields as the file has them. */
export function inWordsOfFile(message: string): string {
  return message.replace(/\b[a-z]+(?:[A-Z][a-z]*)+\b/g, (word) => NAMES.get(word) ?? word);
}

function faultOf(
  value: unknown,
  checks: Readonly<Record<string, Check>>,
  prefix: string,
): string | undefined {
  const fault = isObject(value);
  if (fault !== undefined) return `${prefix.slice(0, -1) || "submit"} ${fault}`;
  for (const [name, each] of Object.entries(value as object)) {
    if (!Object.hasOwn(checks, name)) return `${prefix}${name} is no field of a submit`;
    const why = checks[name]!(each);
    // A part of a part has said its name already.
    if (why !== undefined) return why.startsWith(name) ? why : `${prefix}${name} ${why}`;
  }
  return undefined;
}

function isText(value: unknown): string | undefined {
  return typeof value === "string" ? undefined : "is no text";
}

function isNumber(value: unknown): string | undefined {
  return typeof value === "number" ? undefined : "is no number";
}

function isObject(value: unknown): string | undefined {
  const is = typeof value === "object" && value !== null && !Array.isArray(value);
  return is ? undefined : "is no JSON object";
}

function isBase64(value: unknown): string | undefined {
  const is = typeof value === "string" && Buffer.from(value, "base64").toString("base64") === value;
  return is ? undefined : "is no base64";
}

function listOf(check: Check, what: string): Check {
  return (value) => {
    const is = Array.isArray(value) && value.every((each) => check(each) === undefined);
    return is ? undefined : `is no list of ${what}`;
  };
}
