/** The records of what a run says of itself: its progress, and the lines of its log. */
import type { LogLine, Progress } from "../task.ts";
import { LOG_LEVELS } from "../task.ts";
import { readFormat } from "./content.ts";
import { Reader } from "./reader.ts";
import { sharedWriter } from "./writer.ts";

const FORMAT = 1;

export function encodeProgress({ at, value }: Progress): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(FORMAT);
  out.uint(at);
  out.text(value);
  return out.finish();
}

/** @throws CodecError */
export function decodeProgress(bytes: Uint8Array): Progress {
  const from = new Reader(bytes);
  readFormat(from, FORMAT);
  const progress = { at: from.uint(), value: from.text() };
  from.end();
  return progress;
}

export function encodeLogLine({ at, level, text }: LogLine): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(FORMAT);
  out.uint(at);
  out.byte(LOG_LEVELS.indexOf(level));
  out.text(text);
  return out.finish();
}

/** @throws CodecError */
export function decodeLogLine(bytes: Uint8Array): LogLine {
  const from = new Reader(bytes);
  readFormat(from, FORMAT);
  const line = {
    at: from.uint(),
    level: LOG_LEVELS[from.choice(LOG_LEVELS.length)]!,
    text: from.text(),
  };
  from.end();
  return line;
}
