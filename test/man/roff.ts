/** Manual pages in the macros of man(7), from text that knows nothing of them. */

export interface Entry {
  /** In bold: a flag, a verb. */
  readonly term: string;
  readonly text: string;
}

export type Block =
  | { readonly section: string }
  | { readonly subsection: string }
  | { readonly paragraph: string }
  | { readonly code: string }
  | { readonly entry: Entry };

/** A page of section 1. No date in it: what is generated must not change by itself. */
export function page(name: string, summary: string, blocks: readonly Block[]): string {
  return [
    `.\\" Made from the tables of the program: npx vitest run test/man -u`,
    `.TH ${name.toUpperCase()} 1`,
    ".SH NAME",
    `${plain(name)} \\- ${plain(summary)}`,
    ...blocks.map(lines),
    "",
  ].join("\n");
}

function lines(block: Block): string {
  if ("section" in block) return `.SH ${plain(block.section.toUpperCase())}`;
  if ("subsection" in block) return `.SS ${plain(block.subsection)}`;
  if ("paragraph" in block) return `.PP\n${plain(block.paragraph)}`;
  if ("code" in block) return `.PP\n.nf\n.RS\n${plain(block.code)}\n.RE\n.fi`;
  return `.TP\n\\fB${plain(block.entry.term)}\\fR\n${plain(block.entry.text)}`;
}

/** A backslash begins a command, and so does a dot or a quote at the beginning of a line. */
function plain(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/gm, "\\&");
}
