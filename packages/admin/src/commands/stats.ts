/** `tq-admin stats`: the figures of the node that answers, its storage's own among them. */
import type { Command } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { flatten } from "../output/words.ts";

export const stats: Command = {
  usage: "stats",
  summary: "Show a broker's figures, its storage's included",
  examples: [["tq-admin --broker-addr node2:6379 stats", "of that node"]],
  watchable: true,
  arguments: (parser) => parser,
  async run({ client, out }) {
    const figures = await client.stats();
    out.item(figures, () => flatten(figures));
    return EXIT.ok;
  },
};
