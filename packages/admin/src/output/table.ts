/**
 * Tables for a terminal: columns as wide as their content, numbers to the right. What a task or a
 * worker says of itself is shown with its control characters made visible, so that no payload can
 * drive the terminal.
 */

export interface Column<Row> {
  readonly title: string;
  readonly align?: "left" | "right";
  text(row: Row): string;
}

const GAP = "  ";
/** A cell is cut beyond this; `-o json` shows everything. */
const CELL_CHARS_MAX = 80;

/** Lines with their ends; the title line alone when there are no rows. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map((column) => clip(printable(column.text(row)))));
  const widths = columns.map((column, i) =>
    Math.max(column.title.length, ...cells.map((line) => line[i]?.length ?? 0)),
  );
  const titles = columns.map((column) => column.title);
  return [titles, ...cells].map((line) => formatLine(columns, widths, line)).join("");
}

function formatLine<Row>(
  columns: readonly Column<Row>[],
  widths: readonly number[],
  cells: readonly string[],
): string {
  const padded = columns.map((column, i) => {
    const cell = cells[i] ?? "";
    const width = widths[i] ?? 0;
    return column.align === "right" ? cell.padStart(width) : cell.padEnd(width);
  });
  return `${padded.join(GAP).trimEnd()}\n`;
}

/** `name  value` lines, for one thing with many sides. */
export function formatFields(fields: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(0, ...fields.map(([name]) => name.length));
  const lines = fields.map(([name, value]) => {
    return `${name.padEnd(width)}${GAP}${printable(value)}`.trimEnd();
  });
  return lines.map((line) => `${line}\n`).join("");
}

/** Control and direction-changing characters as `\u{...}`. */
export function printable(text: string): string {
  return text.replace(/[\p{Control}\p{Format}\u2028\u2029]/gu, (character) => {
    return `\\u{${character.codePointAt(0)?.toString(16)}}`;
  });
}

/** The same for words of more than one line. What came from elsewhere may begin none. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

function clip(text: string): string {
  return text.length <= CELL_CHARS_MAX ? text : `${text.slice(0, CELL_CHARS_MAX - 1)}…`;
}
