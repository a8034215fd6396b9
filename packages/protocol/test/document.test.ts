/**
 * The protocol's document is what other languages are written from: each of its examples is decoded and
 * encoded, and its tables are compared with the constants.
 */
import { readFileSync } from "node:fs";
import {
  BATCH_MAX,
  ByteWriter,
  CALL_VERBS,
  decodeMessage,
  ERRORS,
  encodeMessage,
  FRAME_OVERHEAD_BYTES,
  frameType,
  KEEP_ALIVE_MS,
  LOSS_REASONS,
  type Message,
  maxAnswerBytes,
  PRIORITY_NAMES,
  type SentMessage,
  SILENCE_MS_MAX,
  TASK_STATE_NAMES,
  WAIT_MS_MAX,
  WINDOW_MAX,
} from "task-queue-protocol";
import { describe, expect, test } from "vitest";
import { KINDS } from "./arbitrary-message.ts";
import { readFrames } from "./frames.ts";

const TEXT = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8");

interface Example {
  readonly bytes: Uint8Array;
  readonly meaning: { readonly requestId: number; readonly kind: string };
}

const EXAMPLES: Example[] = [
  ...TEXT.matchAll(/```frame\n([\s\S]*?)```\n```json\n([\s\S]*?)```/g),
].map(([, hex, json]) => ({
  bytes: Uint8Array.from(Buffer.from(hex!.replaceAll(/\s/g, ""), "hex")),
  meaning: JSON.parse(json!),
}));

/** Bytes as hex, and undefined as absent: how the document shows a message. */
function shown(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, shown(member)]));
}

/** The part of the document under the heading of a message. */
function section(kind: string): string {
  return TEXT.split(/^#{2,3} /m).find((part) => part.startsWith(`${kind}\n`)) ?? "";
}

describe("docs/protocol.md", () => {
  test.each(KINDS)("%s has an example, and its type byte", (kind) => {
    expect(EXAMPLES.map(({ meaning }) => meaning.kind)).toContain(kind);
    const type = `Type 0x${frameType(kind).toString(16).padStart(2, "0")}`;
    expect(section(kind)).toContain(type);
  });

  test.each(EXAMPLES)("the example of $meaning.kind", ({ bytes, meaning }) => {
    const frames = readFrames([bytes]);
    expect(frames).toHaveLength(1);
    const message: Message = decodeMessage(frames[0]!);
    expect({ requestId: frames[0]!.requestId, ...(shown(message) as object) }).toEqual(meaning);
    const writer = new ByteWriter();
    encodeMessage(writer, meaning.requestId, message as SentMessage);
    expect(Buffer.from(writer.view()).toString("hex")).toBe(Buffer.from(bytes).toString("hex"));
  });

  test("the table of errors is the catalogue", () => {
    const rows = [...TEXT.matchAll(/^\| `([a-z_]+)` \| (yes|no) \| (.+) \|$/gm)];
    expect(rows.map(([, code, again, title]) => ({ code, again, title }))).toEqual(
      Object.entries(ERRORS).map(([code, { retryable, title }]) => {
        return { code, again: retryable ? "yes" : "no", title };
      }),
    );
  });

  test("every verb has its row", () => {
    const rows = [...section("call").matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, verb]) => verb);
    expect(rows).toEqual([...CALL_VERBS]);
  });

  test("choices stand in their order", () => {
    expect(TEXT).toContain(`choice ${TASK_STATE_NAMES.join(" ")}`);
    expect(TEXT).toContain(`choice ${PRIORITY_NAMES.join(" ")}`);
    expect(TEXT).toContain(`choice ${LOSS_REASONS.join(" ")}`);
  });

  test("numbers are those of the code", () => {
    expect(FRAME_OVERHEAD_BYTES).toBe(65_536);
    expect(TEXT).toContain("65,536 until it has accepted `hello`");
    expect(maxAnswerBytes(1_000)).toBe(4 * 1_000 + 16 * 1024 * 1024);
    expect(TEXT).toContain("4 × `max_payload_bytes` + 16 MiB");
    expect(KEEP_ALIVE_MS).toBe(15_000);
    expect(TEXT).toContain("sent nothing for 15 seconds");
    expect(SILENCE_MS_MAX).toBe(60_000);
    expect(TEXT).toContain("| silence | 60 s |");
    expect(BATCH_MAX).toBe(1_000);
    expect(TEXT).toContain("| tasks or reports in a frame | 1,000 |");
    expect(WINDOW_MAX).toBe(10_000);
    expect(TEXT).toContain("| window | 10,000 |");
    expect(WAIT_MS_MAX).toBe(45_000);
    expect(TEXT).toContain("| `wait` | 45 s |");
  });
});
