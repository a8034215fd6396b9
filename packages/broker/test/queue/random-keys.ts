/** Random commands about access keys, of version 4. */
import type { Command } from "../../src/queue/command.ts";
import { bytesOf, makeId } from "./harness.ts";
import type { Step, Table } from "./random-later.ts";

const KEYS = 6;

export function someKey(table: Table, { a, b, c }: Step): Command {
  const id = makeId(800_000 + (a % KEYS));
  const soon = table.driver.now + b * 100 - 20_000;
  if (c % 2 === 0) return { type: "revokeKey", id, at: c % 3 === 0 ? soon : 0 };
  return {
    type: "createKey",
    id,
    name: `key ${a % 3}`,
    verifier: bytesOf(c % 9 === 0 ? "other" : "one"),
    permissions: ["submit_tasks", "read_tasks"].slice(b % 3),
    createdBy: "root",
    expiresAt: c % 5 === 0 ? Math.max(1, soon) : 0,
  };
}
