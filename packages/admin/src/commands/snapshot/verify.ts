/** `tq-admin snapshot verify FILE`: whether a backup is whole, read as a restore would. */
import type { Command } from "../../command.ts";
import { EXIT } from "../../exit-status.ts";
import { headerFields, keyOf, withFiles } from "../../snapshot-file.ts";
import { text } from "../../values.ts";

export const verifySnapshot: Command = {
  usage: "verify <file>",
  summary: "Read a backup to its end: every checksum, every record, every count",
  examples: [["tq-admin snapshot verify snapshot-20260131 && rm snapshot-20260130", "in a script"]],
  arguments: (parser) =>
    parser
      .positional("file", { type: "string", demandOption: true, describe: "A backup" })
      .option("key-file", { type: "string", describe: "The key it was encrypted with" })
      .epilogue("Exit status 65: it is damaged, and cannot be restored."),
  async run({ args, out }) {
    const path = text(args, "file") ?? "";
    const { header, records } = await withFiles(path, async (backup) => {
      return backup.verifyBackup(path, await keyOf(backup, args));
    });
    const verdict = `whole: all ${records} records can be read`;
    const value = { ...header, records, message: verdict };
    out.item(value, () => [["verdict", verdict], ...headerFields(header)]);
    return EXIT.ok;
  },
};
