/** `tq-admin graph ID`: what a task depends on, and what depends on it, as two trees. */
import type { GraphJson, GraphNodeJson } from "task-queue-client";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { taskId } from "../values.ts";

export const graph: Command = {
  usage: "graph <id>",
  summary: "Show what a task depends on, and what depends on it",
  examples: [["tq-admin graph ID -o json | jq '.nodes[] | select(.state==\"dead\")'", "culprits"]],
  arguments: (parser) =>
    parser.positional("id", { type: "string", describe: "The task's id", demandOption: true }),
  async run({ client, out, args }) {
    const found = await client.graph(taskId(args));
    out.lines(found, () => graphLines(found));
    return EXIT.ok;
  },
};

/** Each task with all its sides once; where it comes again, its id alone. */
export function graphLines({ id, nodes, truncated }: GraphJson): readonly string[] {
  const known = new Map(nodes.map((node) => [node.id, node]));
  const children = new Map<string, string[]>();
  for (const node of nodes) {
    for (const parent of node.depends_on) {
      children.set(parent, [...(children.get(parent) ?? []), node.id]);
    }
  }
  const lines = [wordsOf(id, known.get(id))];
  const draw = (title: string, next: (id: string) => readonly string[]): void => {
    const tree = treeOf(id, known, next);
    if (tree.length > 0) lines.push("", title, ...tree);
  };
  draw("depends on", (from) => known.get(from)?.depends_on ?? []);
  draw("needed by", (from) => children.get(from) ?? []);
  if (truncated) lines.push("", "there are more than are shown");
  return lines;
}

/** Without recursion: a chain may be as long as the graph. */
function treeOf(
  root: string,
  known: ReadonlyMap<string, GraphNodeJson>,
  next: (id: string) => readonly string[],
): readonly string[] {
  const lines: string[] = [];
  const drawn = new Set<string>();
  const open = branches(next(root), "");
  for (let branch = open.pop(); branch !== undefined; branch = open.pop()) {
    const { id, indent, isLast } = branch;
    const again = drawn.has(id);
    const words = again ? `${id} (see above)` : wordsOf(id, known.get(id));
    lines.push(`${indent}${isLast ? "└─" : "├─"} ${words}`);
    drawn.add(id);
    if (!again) open.push(...branches(next(id), `${indent}${isLast ? "   " : "│  "}`));
  }
  return lines;
}

/** The last one first, as a stack has them. */
function branches(ids: readonly string[], indent: string) {
  return ids.map((id, at) => ({ id, indent, isLast: at === ids.length - 1 })).reverse();
}

function wordsOf(id: string, node: GraphNodeJson | undefined): string {
  if (node === undefined) return `${id} (not shown)`;
  return [id, node.state, node.type, node.queue].filter((word) => word !== undefined).join("  ");
}
