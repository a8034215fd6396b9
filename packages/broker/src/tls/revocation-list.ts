/**
 * From when until when a list of revoked certificates is good (RFC 5280, section 5.1). OpenSSL
 * judges by it and refuses everybody afterwards; Node tells nobody when that will be.
 */

export interface Validity {
  readonly fromMs: number;
  /** Infinite where the list names no end. */
  readonly untilMs: number;
}

const INTEGER = 0x02;
const SEQUENCE = 0x30;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const LONG_FORM = 0x80;
const TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;

interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** What comes behind it. */
  readonly rest: Buffer;
}

/** Throws when these bytes are no such list. */
export function validityOf(der: Buffer): Validity {
  const signed = demand(read(demand(read(der), SEQUENCE).content), SEQUENCE);
  const first = read(signed.content);
  const algorithm = demand(first.tag === INTEGER ? read(first.rest) : first, SEQUENCE);
  const issuer = demand(read(algorithm.rest), SEQUENCE);
  const from = read(issuer.rest);
  const until = from.rest.length === 0 ? undefined : read(from.rest);
  const untilMs = until && timeOf(until);
  return { fromMs: timeOf(from) ?? fail(), untilMs: untilMs ?? Number.POSITIVE_INFINITY };
}

function read(bytes: Buffer): Element {
  const [tag = fail(), short = fail()] = bytes;
  const size = short < LONG_FORM ? 0 : short - LONG_FORM;
  if (size > 4 || bytes.length < 2 + size) fail();
  const length = size === 0 ? short : bytes.readUIntBE(2, size);
  const from = 2 + size;
  if (from + length > bytes.length) fail();
  return {
    tag,
    content: bytes.subarray(from, from + length),
    rest: bytes.subarray(from + length),
  };
}

function demand(element: Element, tag: number): Element {
  return element.tag === tag ? element : fail();
}

/** Undefined: it is something else. */
function timeOf({ tag, content }: Element): number | undefined {
  if (tag !== UTC_TIME && tag !== GENERALIZED_TIME) return undefined;
  const text = content.toString("latin1");
  // Two digits of a year are those from 1950 to 2049.
  const century = tag === GENERALIZED_TIME ? "" : text < "50" ? "20" : "19";
  const parts =
    TIME.exec(century + text)
      ?.slice(1)
      .map(Number) ?? fail();
  const [year, month, ...others] = parts as [number, number, number, number, number, number];
  return Date.UTC(year, month - 1, ...others);
}

function fail(): never {
  throw new Error("these bytes are no list of revoked certificates");
}
