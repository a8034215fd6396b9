/**
 * Whole clusters, as text to be read: what a change of leader or members does to writes and leases
 * under way. `-u` rewrites the files; commit only differences that you understand.
 */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { play } from "./transcript.ts";

const folder = new URL("transcripts/", import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith(".txt"));

test("transcripts are there", () => {
  expect(names.length).toBeGreaterThan(4);
});

test.each(names)("%s", async (name) => {
  const url = new URL(name, folder);
  await expect(play(readFileSync(url, "utf8"))).toMatchFileSnapshot(url.pathname);
});
