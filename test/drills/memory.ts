/** What a broker holds in memory of its own: anonymous pages, without files that are mapped. */
import { readFileSync } from "node:fs";
import type { Node } from "../cluster/processes.ts";

export function rssAnonMiB(node: Node): number {
  const status = readFileSync(`/proc/${node.pid}/status`, "utf8");
  const kib = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Error(`no RssAnon of ${node.id}`);
  return Number(kib) / 1024;
}

export function describeMemory(when: string, nodes: readonly Node[]): string {
  const each = nodes.map((node) => `${node.id} ${Math.round(rssAnonMiB(node))}`);
  return `RssAnon ${when}: ${each.join(", ")} MiB`;
}
