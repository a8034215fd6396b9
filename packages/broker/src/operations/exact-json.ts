/**
 * JSON with numbers that JavaScript cannot hold, such as ids of 64 bits: read as values, they would
 * be others. Payloads and results keep the digits that were written; only who needs the value of
 * such a number, rather than the JSON, gets the nearest one that there is.
 */
import { randomUUID } from "node:crypto";
import { nestsDeeperThan } from "./json-depth.ts";
import { RESULT_NESTING_MAX } from "./limits.ts";

/** Most texts have no number that could be one, and need no closer look; nor do ids in quotes. */
const SUSPECT = /(?:^|[:,[\s])-?(?:[\d.]{16}|[\d.]+[eE])/;
/** Stands for a number while it travels through values as a text. Nobody else can know it. */
const MARK = `${randomUUID()}:`;
const MARKED = new RegExp(`"${MARK}([^"]*)"`, "g");
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const PARTS = /^(-?)0*(\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Where a submit has its payload. */
const PAYLOADS = ["payload", "data"] as const;

type Members = Readonly<Record<string, unknown>>;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export class ExactJson {
  /** With the nearest numbers that there are. */
  readonly value: unknown;
  /** Without space, and each number as it was written. */
  readonly text: string;

  constructor(value: unknown, text: string) {
    this.value = value;
    this.text = text;
  }

  toJSON(): unknown {
    return this.value;
  }
}

/** `value`, read from `text`; an `ExactJson` if that has numbers which `value` could not keep. */
export function exactly(text: string, value: unknown): unknown {
  const marked = withMarks(text);
  return marked === undefined ? value : exact(value, marked);
}

/** The same for payloads alone, of a task that is submitted or of several in `tasks`. */
export function exactPayloads(text: string, body: unknown): unknown {
  const marked = withMarks(text) as Members | undefined;
  if (marked === undefined || !isObject(body)) return body;
  const { tasks } = body;
  if (!Array.isArray(tasks)) return exactPayload(body, marked);
  const markedTasks = marked["tasks"] as Members[];
  return { ...body, tasks: tasks.map((task, at) => exactPayload(task, markedTasks[at]!)) };
}

function exactPayload(task: unknown, marked: Members): unknown {
  if (!isObject(task)) return task;
  const names = PAYLOADS.filter((name) => Object.hasOwn(task, name));
  const payloads = names.map((name) => [name, exact(task[name], marked[name])]);
  return { ...task, ...Object.fromEntries(payloads) };
}

function exact(value: unknown, marked: unknown): unknown {
  // What nests too deep is not for `stringify`, and refused or shown otherwise by whoever reads it.
  if (nestsDeeperThan(marked, RESULT_NESTING_MAX)) return value;
  const json = JSON.stringify(marked);
  return json.includes(MARK) ? new ExactJson(value, json.replace(MARKED, "$1")) : value;
}

function withMarks(text: string): unknown {
  if (!SUSPECT.test(text)) return undefined;
  const marked = mark(text);
  return marked === text ? undefined : JSON.parse(marked);
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Every number that would change, as a text of its own. */
function mark(text: string): string {
  let marked = "";
  let copied = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) at = endOfString(text, at);
    else if (char === 0x2d || (char >= 0x30 && char <= 0x39)) {
      NUMBER.lastIndex = at;
      const [number] = NUMBER.exec(text)!;
      if (!isExact(number)) {
        marked += `${text.slice(copied, at)}"${MARK}${number}"`;
        copied = at + number.length;
      }
      at += number.length - 1;
    }
  }
  return copied === 0 ? text : marked + text.slice(copied);
}

/** Index of its closing quote. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}

function isExact(number: string): boolean {
  // The usual case: at most 15 digits in all.
  if (number.length < 16 && !/[eE]/.test(number)) return true;
  const value = Number(number);
  return Number.isFinite(value) && decimal(number) === decimal(String(value));
}

/** The same text for the same number, whichever way it is written. */
function decimal(number: string): string {
  const [, sign, whole, fraction = "", exponent = "0"] = PARTS.exec(number)!;
  const digits = whole + fraction;
  let from = 0;
  let to = digits.length;
  while (digits[from] === "0") from++;
  while (to > from && digits[to - 1] === "0") to--;
  if (from === to) return "0";
  const power = Number(exponent) - fraction.length + digits.length - to;
  return `${sign}${digits.slice(from, to)}e${power}`;
}
