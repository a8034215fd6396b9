/** An audit log in a folder of its own that is gone afterwards, and what is in its files. */
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditJson } from "task-queue-protocol";
import { onTestFinished } from "vitest";
import { AuditCheck, type Checked } from "../../../admin/src/audit-check.ts";
import { AuditLog } from "../../src/audit/log.ts";
import type { Deed } from "../../src/operations/audit.ts";

export const NOON = Date.parse("2030-01-31T12:00:00.000Z");

export class Place {
  readonly folder: string;
  readonly errors: string[] = [];
  now = NOON;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Place> {
    const folder = await mkdtemp(join(tmpdir(), "tq-audit-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    return new Place(folder);
  }

  get path(): string {
    return join(this.folder, "audit.log");
  }

  open(maxBytes = 1e6, keep = 3): Promise<AuditLog> {
    const log = { error: (_fields: object, text: string) => void this.errors.push(text) };
    const own = { node: "a", path: this.path, log, wallMs: () => this.now };
    return AuditLog.open({ ...own, maxBytes, keep });
  }

  /** Of all files that are kept, in their order. */
  get text(): string {
    const number = (name: string) => Number(name.slice("audit.log.".length) || 1e9);
    const names = readdirSync(this.folder).sort((a, b) => number(a) - number(b));
    return names.map((name) => readFileSync(join(this.folder, name), "utf8")).join("");
  }

  get lines(): AuditJson[] {
    return this.text.split("\n").flatMap((line) => {
      try {
        return [JSON.parse(line) as AuditJson];
      } catch {
        return [];
      }
    });
  }

  check(): Checked {
    return checked(this.text);
  }
}

export function checked(text: string): Checked {
  const check = new AuditCheck();
  for (const line of text.slice(0, -1).split("\n")) if (!check.take(line)) break;
  return check.finish(text.endsWith("\n"));
}

export function deed(target: string, more: Partial<Deed> = {}): Deed {
  const who = { who: "ops", from: "10.0.0.1", door: "rest", verb: "cancel" } as const;
  return { ...who, target, outcome: "ok", index: 7, ...more };
}
