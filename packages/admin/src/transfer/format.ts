/**
 * The file that `tq-admin export` writes: JSON lines. A header, the queues that somebody has said
 * something of, the tasks page by page, and a last line with counts and a checksum over all bytes
 * before it, so that a file which was cut or changed is noticed.
 */
import type { ListParams, QueueSettingsJson, SubmitJson, TaskJson } from "task-queue-protocol";
import { checkSubmitFields } from "./submit-fields.ts";

export const FORMAT = "tq-export";
export const FORMAT_VERSION = 1;
/** A task with the largest payload that a broker may be told to take, in base64, and more. */
export const LINE_BYTES_MAX = 64 * 1024 * 1024;

export interface ExportFilter {
  readonly queue?: string;
  readonly status?: NonNullable<ListParams["status"]>;
  /** With those that have ended. */
  readonly finished: boolean;
}

export interface Header {
  readonly kind: "header";
  readonly format: typeof FORMAT;
  readonly version: number;
  readonly cluster_id: string;
  readonly exported_at: string;
  /** Of the log, when it began. */
  readonly index: number;
  readonly filter: ExportFilter;
}

export interface QueueLine {
  readonly kind: "queue";
  readonly name: string;
  readonly settings: QueueSettingsJson;
  readonly paused: boolean;
  readonly draining: boolean;
}

type Open<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** What a submit takes, with all times as instants and those parents alone that it waits for. */
export type ExportedSubmit = Open<SubmitJson> & { readonly id: string; readonly type: string };

export interface TaskLine {
  readonly kind: "task";
  readonly submit: ExportedSubmit;
  /** How it stood, and what was said of it that a submit elsewhere cannot say again. */
  readonly was: Open<TaskJson> & Pick<TaskJson, "state">;
}

/** All before it is whole: an export goes on from here. */
export interface PageLine {
  readonly kind: "page";
  /** Cursor of the list; null: from its start. */
  readonly next: string | null;
}

export interface EndLine {
  readonly kind: "end";
  readonly queues: number;
  readonly live: number;
  readonly finished: number;
  readonly sha256: string;
}

export type ExportLine = Header | QueueLine | TaskLine | PageLine | EndLine;

/** Throws an `Error` that says what is wrong with the line; whoever reads knows which one it is. */
export function parseLine(text: Buffer): ExportLine {
  let value: unknown;
  try {
    value = JSON.parse(text.toString("utf8"));
  } catch (cause) {
    throw new Error(`it is not JSON: ${(cause as Error).message}`, { cause });
  }
  const line = objectOf(value, "the line");
  const check = CHECKS[line["kind"] as ExportLine["kind"]];
  if (!Object.hasOwn(CHECKS, String(line["kind"])) || check === undefined) {
    throw new Error(`${JSON.stringify(line["kind"])} is no kind of line of a ${FORMAT}`);
  }
  check(line);
  return value as ExportLine;
}

type Parts = Readonly<Record<string, unknown>>;

const CHECKS: Readonly<Record<ExportLine["kind"], (line: Parts) => void>> = {
  header: checkHeader,
  queue: (line) => {
    expectText(line, "name");
    objectOf(line["settings"], "settings");
    expectFlag(line, "paused");
    expectFlag(line, "draining");
  },
  task: (line) => {
    const submit = objectOf(line["submit"], "submit");
    expectText(submit, "id");
    expectText(submit, "type");
    checkSubmitFields(submit);
    expectText(objectOf(line["was"], "was"), "state");
  },
  page: (line) => {
    if (line["next"] !== null) expectText(line, "next");
  },
  end: (line) => {
    for (const name of ["queues", "live", "finished"]) {
      if (!Number.isSafeInteger(line[name])) throw new Error(`${name} is no number`);
    }
    expectText(line, "sha256");
  },
};

function checkHeader(line: Parts): void {
  if (line["format"] !== FORMAT) {
    throw new Error(`its format is ${JSON.stringify(line["format"])}, not ${FORMAT}`);
  }
  if (line["version"] !== FORMAT_VERSION) {
    const version = JSON.stringify(line["version"]);
    throw new Error(`it has version ${version}; this tq-admin knows ${FORMAT_VERSION}`);
  }
  expectText(line, "cluster_id");
  expectText(line, "exported_at");
  if (Number.isNaN(Date.parse(String(line["exported_at"])))) {
    throw new Error("exported_at is no time");
  }
  objectOf(line["filter"], "filter");
}

function objectOf(value: unknown, what: string): Parts {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Parts;
  throw new Error(`${what} is no JSON object`);
}

function expectText(parts: Parts, name: string): void {
  if (typeof parts[name] !== "string" || parts[name] === "") {
    throw new Error(`${name} is no text`);
  }
}

function expectFlag(parts: Parts, name: string): void {
  if (typeof parts[name] !== "boolean") throw new Error(`${name} is neither true nor false`);
}
