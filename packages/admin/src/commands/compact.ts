/**
 * `tq-admin compact`: gives the disks of brokers back what removed tasks still take. One broker at
 * a time, so that never two disks of a cluster are busy with it at once.
 */
import type { Command, Context } from "../command.ts";
import { EXIT, explain } from "../exit-status.ts";
import type { AdminClient } from "../io.ts";
import { ProgressLine } from "../output/progress.ts";
import { flagged } from "../values.ts";

/** Some milliseconds a megabyte. */
const TIMEOUT_MS = 10 * 60_000;
/** To answer at all. */
const REACH_MS = 5_000;
const MIB = 1024 * 1024;

export const compact: Command = {
  usage: "compact",
  summary: "Give the disk space of removed tasks back now",
  examples: [
    ["tq-admin compact", "of the broker that is asked"],
    ["tq-admin compact --all", "of each member, one after the other"],
  ],
  timeoutMs: () => TIMEOUT_MS,
  arguments: (parser) =>
    parser
      .option("all", { type: "boolean", describe: "Of all members, by the addresses they have" })
      .epilogue(
        "Brokers do so by themselves sooner or later; this is for after a large purge. The\n" +
          "queue goes on meanwhile. The log needs none of it: it is cut as the state is written.",
      ),
  async run(context) {
    const isAll = flagged(context.args, "all");
    const done: Row[] = isAll ? await ofAll(context) : [await context.client.compact()];
    await context.out.list(done, [
      { title: "ID", text: ({ node_id }) => node_id },
      { title: "BEFORE", align: "right", text: (each) => inWords(each.before_bytes) },
      { title: "AFTER", align: "right", text: (each) => inWords(each.after_bytes) },
      { title: "ERROR", text: ({ error = "-" }) => error },
    ]);
    return done.every(({ error }) => error === undefined) ? EXIT.ok : EXIT.no;
  },
};

interface Row {
  readonly node_id: string;
  readonly before_bytes?: number;
  readonly after_bytes?: number;
  /** Of one among several; the others go on. */
  readonly error?: string;
}

async function ofAll({ client, connect, io, timeoutMs }: Context): Promise<Row[]> {
  const progress = new ProgressLine(io);
  const done: Row[] = [];
  for (const { id, address } of (await client.cluster()).members) {
    progress.draw(`compacting ${id}`);
    try {
      // One that is down is not waited for as long as one that is at work.
      await asking(connect(address, REACH_MS), (member) => member.cluster());
      done.push(await asking(connect(address, timeoutMs), (member) => member.compact()));
    } catch (error) {
      done.push({ node_id: id, error: explain(error).message });
    }
  }
  progress.clear();
  return done;
}

async function asking<T>(member: AdminClient, ask: (member: AdminClient) => Promise<T>) {
  try {
    return await ask(member);
  } finally {
    await member.close();
  }
}

function inWords(bytes: number | undefined): string {
  return bytes === undefined ? "-" : `${(bytes / MIB).toFixed(1)} MiB`;
}
