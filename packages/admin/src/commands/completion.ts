/** `tq-admin completion bash|zsh|fish`: a script for the shell, made from the verbs themselves. */
import type { Command } from "../command.ts";
import { bashScript, zshScript } from "../completion/bash.ts";
import { fishScript } from "../completion/fish.ts";
import { EXIT } from "../exit-status.ts";
import { text } from "../values.ts";
import type { VerbTable } from "../verb-table.ts";

const SCRIPTS: Readonly<Record<string, (table: VerbTable) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

export const completion: Command = {
  usage: "completion <shell>",
  summary: "Print a script that completes verbs and flags in a shell",
  examples: [
    ["tq-admin completion bash > /etc/bash_completion.d/tq-admin", "for everybody"],
    ["tq-admin completion zsh > ~/.zfunc/_tq-admin", "a folder of fpath"],
    ["tq-admin completion fish > ~/.config/fish/completions/tq-admin.fish", ""],
  ],
  arguments: (parser) =>
    parser.positional("shell", {
      type: "string",
      choices: Object.keys(SCRIPTS),
      describe: "The shell",
      demandOption: true,
    }),
  async run({ io, args, verbs }) {
    io.stdout(SCRIPTS[text(args, "shell") ?? ""]?.(verbs()) ?? "");
    return EXIT.ok;
  },
};
