/**
 * `tq-admin config validate FILE`. The broker's own program judges, as it would at its start: a
 * second reader of the same settings here would sooner or later say something else than the first.
 */
import type { Command } from "../../command.ts";
import { CliError, EXIT } from "../../exit-status.ts";
import { text } from "../../values.ts";

const NOTE = "note: ";

export const configValidate: Command = {
  usage: "validate <file>",
  summary: "Check a broker's file of settings as its start would, without a start",
  examples: [
    ["tq-admin config validate /etc/task-queue/config.yaml", "before a restart"],
    ["tq-admin config validate node1.yaml && systemctl restart task-queue-broker", ""],
  ],
  arguments: (parser) =>
    parser
      .positional("file", { type: "string", describe: "The YAML file", demandOption: true })
      .epilogue(
        "All that is wrong is told at once, with file, line, key and what is allowed; exit\n" +
          "status 78. So are certificates and keys that the file names and that cannot be used\n" +
          "here. The file alone is judged, without environment and flags.",
      ),
  async run({ io, out, args }) {
    const file = text(args, "file") ?? "";
    const { status, stdout, stderr } = io.askBroker(["--check-config", `--config=${file}`]);
    if (status !== EXIT.ok) throw new CliError(status, stderr.replace(/^tq-broker: /, "").trim());
    const lines = stdout.split("\n").filter((line) => line.startsWith(NOTE));
    const notes = lines.map((line) => line.slice(NOTE.length));
    out.lines({ file, valid: true, notes }, () => [...lines, `${file} is valid`]);
    return EXIT.ok;
  },
};
