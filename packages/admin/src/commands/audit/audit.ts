/**
 * `tq-admin audit`: who has administered a node and who was refused, as that node has written it
 * down; and `audit verify FILE`, for a copy of its file, without a broker.
 */
import type { AuditJson, AuditPageJson } from "task-queue-protocol";
import type { Command, Context } from "../../command.ts";
import { CliError, EXIT } from "../../exit-status.ts";
import type { AdminClient } from "../../io.ts";
import type { Column } from "../../output/table.ts";
import { duration, flagged, text } from "../../values.ts";
import { verifyCopy } from "./verify.ts";

const SINCE_MS = 24 * 60 * 60 * 1000;
const FOLLOW_MS = 1_000;
/** As many as tell a thousand random ids apart; JSON has them whole. */
const ID_DIGITS = 8;

const COLUMNS: readonly Column<AuditJson>[] = [
  { title: "TIME", text: ({ time }) => time },
  { title: "WHO", text: whoOf },
  { title: "FROM", text: ({ from }) => from },
  { title: "DOOR", text: ({ door }) => door },
  { title: "VERB", text: ({ verb }) => verb },
  { title: "TARGET", text: ({ target }) => target },
  { title: "OUTCOME", text: outcomeOf },
  { title: "INDEX", align: "right", text: ({ index }) => String(index ?? "") },
];

export const audit: Command = {
  usage: "audit [action] [file]",
  summary: "Show who did what to the cluster at a node, and who was refused; verify a copy of that",
  examples: [
    ["tq-admin audit --since 1h", "of the broker that answers"],
    ["tq-admin audit --node node2 --follow", "of another one, until Ctrl-C"],
    ["tq-admin audit -o jsonl --since 7d > copy.log", "to keep elsewhere"],
    ["tq-admin audit verify copy.log", "whether a line was changed, removed or moved"],
  ],
  arguments: (parser) =>
    parser
      .positional("action", { type: "string", choices: ["verify"], describe: "Read FILE instead" })
      .positional("file", { type: "string", describe: "A copy of an audit log" })
      .option("node", { type: "string", describe: "Id of a member, or HOST:PORT" })
      .option("since", { type: "string", describe: "How far back, as in 1h or 7d [24h]" })
      .option("follow", { type: "boolean", describe: "Go on showing what comes, until Ctrl-C" })
      .option("expect", { type: "string", describe: "With verify: a hash that must be in it" })
      .epilogue("Exit status of verify: 65 when the copy is not what was written."),
  async run(context) {
    const { args, out } = context;
    if (text(args, "action") === "verify") return verifyCopy(context);
    const isFollowing = flagged(args, "follow");
    const client = await clientOf(context);
    try {
      const lines = linesOf(context, client, isFollowing);
      if (!isFollowing) await out.list(lines, COLUMNS);
      else for await (const line of lines) out.entry(line, () => lineOf(line));
    } finally {
      await client.close();
    }
    return EXIT.ok;
  },
};

/** One connection to one node for all pages: each node has a log of its own. */
async function clientOf(context: Context): Promise<AdminClient> {
  const { args, client, connect, timeoutMs } = context;
  const node = text(args, "node");
  if (node?.includes(":")) return connect(node, timeoutMs);
  const { members, node_id } = await client.cluster();
  const member = members.find(({ id }) => id === (node ?? node_id));
  if (member !== undefined) return connect(member.address, timeoutMs);
  const known = members.map(({ id }) => id).join(", ");
  throw new CliError(EXIT.notFound, `--node: there is no member ${node}; there are ${known}`);
}

async function* linesOf(
  { args, io }: Context,
  client: AdminClient,
  isFollowing: boolean,
): AsyncGenerator<AuditJson> {
  const since = io.now() - (duration(args, "since") ?? SINCE_MS);
  const signal = isFollowing ? io.interrupted() : undefined;
  let page: AuditPageJson | undefined;
  while (signal?.aborted !== true) {
    page = await client.audit({ since, ...(page && { position: page.position }) });
    yield* page.lines;
    if (!page.end) continue;
    if (!isFollowing) return;
    await io.sleep(FOLLOW_MS, signal);
  }
}

/** Of a key that the cluster keeps as much of its id as tells it from others of its name. */
function whoOf({ who, key_id }: AuditJson): string {
  return key_id === undefined ? who : `${who} (${key_id.slice(0, ID_DIGITS)})`;
}

function outcomeOf({ outcome, count }: AuditJson): string {
  return count === undefined || count === 1 ? outcome : `${outcome} ×${count}`;
}

function lineOf(line: AuditJson): string {
  const { time, from, door, verb, target, detail = "" } = line;
  const parts = [
    time,
    whoOf(line) || "-",
    from || "-",
    door,
    verb || "-",
    target,
    detail,
    outcomeOf(line),
  ];
  return parts.filter((part) => part !== "").join("  ");
}
