/** `tq-admin snapshot inspect FILE`: what a backup says of itself. */
import type { Command } from "../../command.ts";
import { EXIT } from "../../exit-status.ts";
import { headerFields, keyOf, withFiles } from "../../snapshot-file.ts";
import { text } from "../../values.ts";

export const inspectSnapshot: Command = {
  usage: "inspect <file>",
  summary: "Show what a backup says of itself: of which cluster, from when, how many tasks",
  examples: [["tq-admin snapshot inspect snapshot-20260131 -o json | jq .index", "its last entry"]],
  arguments: (parser) =>
    parser
      .positional("file", { type: "string", demandOption: true, describe: "A backup" })
      .option("key-file", { type: "string", describe: "The key it was encrypted with" })
      .epilogue("Only its beginning is read; tq-admin snapshot verify reads all of it."),
  async run({ args, out }) {
    const path = text(args, "file") ?? "";
    const header = await withFiles(path, async (backup) => {
      return backup.readHeader(path, await keyOf(backup, args));
    });
    out.item(header, () => headerFields(header));
    return EXIT.ok;
  },
};
