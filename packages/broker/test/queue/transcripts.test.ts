/**
 * The golden transcripts: what the queue does, as text to be read. `-u` rewrites the files;
 * commit only differences that you understand.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { runTranscript } from "./transcript.ts";

const folder = new URL("transcripts/", import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith(".txt"));

describe("transcripts", () => {
  test("are there", () => {
    expect(names.length).toBeGreaterThan(10);
  });

  test.each(names)("%s", async (name) => {
    const url = new URL(name, folder);
    await expect(runTranscript(readFileSync(url, "utf8"))).toMatchFileSnapshot(url.pathname);
  });
});
