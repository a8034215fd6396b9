import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { play } from "./transcript.ts";

const folder = join(import.meta.dirname, "transcripts");

for (const file of readdirSync(folder).sort()) {
  test(`transcript ${file}`, async () => {
    const path = join(folder, file);
    await expect(play(readFileSync(path, "utf8"))).toMatchFileSnapshot(path);
  });
}
