/**
 * Writes answers in the chosen format: a table for people, JSON, JSON lines or YAML for programs. A
 * list is a top-level array in JSON and YAML, and is written as it arrives, so that its length
 * costs no memory.
 */
import { type Column, formatFields, formatTable, printable } from "./table.ts";
import { toYaml } from "./yaml.ts";

export const FORMATS = ["table", "json", "jsonl", "yaml"] as const;
export type Format = (typeof FORMATS)[number];

export type FieldList = readonly (readonly [name: string, value: string])[];

export class Output {
  readonly format: Format;
  readonly #write: (text: string) => void;

  constructor(format: Format, write: (text: string) => void) {
    this.format = format;
    this.#write = write;
  }

  /** Answers how many rows there were. */
  async list<Row>(
    rows: AsyncIterable<Row> | Iterable<Row>,
    columns: readonly Column<Row>[],
  ): Promise<number> {
    if (this.format === "table") {
      const all = await collect(rows);
      this.#write(formatTable(columns, all));
      return all.length;
    }
    let count = 0;
    for await (const row of rows) {
      this.#write(this.#row(row, count));
      count++;
    }
    this.#write(this.#end(count));
    return count;
  }

  /** One thing: `fields` is how a person sees it. */
  item(value: unknown, fields: () => FieldList): void {
    switch (this.format) {
      case "table":
        this.#write(formatFields(fields()));
        break;
      case "json":
        this.#write(`${JSON.stringify(value, undefined, 2)}\n`);
        break;
      case "jsonl":
        this.#write(`${JSON.stringify(value)}\n`);
        break;
      case "yaml":
        this.#write(toYaml(value));
        break;
    }
  }

  /** One thing that a person sees as lines. */
  lines(value: unknown, lines: () => readonly string[]): void {
    if (this.format !== "table") this.item(value, () => []);
    else
      this.#write(
        lines()
          .map((line) => `${printable(line)}\n`)
          .join(""),
      );
  }

  /** One of many without an end: in JSON a line each, since an array would never be closed. */
  entry(value: unknown, line: () => string): void {
    if (this.format === "table") this.#write(`${printable(line())}\n`);
    else if (this.format === "yaml") this.#write(toYaml([value]));
    else this.#write(`${JSON.stringify(value)}\n`);
  }

  /** What a change has come to: a sentence for a person, its parts for a program. */
  done(value: object, sentence: string): void {
    if (this.format === "table") this.#write(`${printable(sentence)}\n`);
    else this.item({ ...value, message: sentence }, () => []);
  }

  /** A table among fields; programs get it as part of an `item`. */
  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
    if (this.format === "table") this.#write(`\n${formatTable(columns, rows)}`);
  }

  #row(row: unknown, index: number): string {
    if (this.format === "jsonl") return `${JSON.stringify(row)}\n`;
    if (this.format === "yaml") return toYaml([row]);
    return `${index === 0 ? "[\n" : ",\n"}${JSON.stringify(row)}`;
  }

  #end(count: number): string {
    if (this.format === "json") return count === 0 ? "[]\n" : "\n]\n";
    return this.format === "yaml" && count === 0 ? "[]\n" : "";
  }
}

async function collect<Row>(rows: AsyncIterable<Row> | Iterable<Row>): Promise<Row[]> {
  const all: Row[] = [];
  for await (const row of rows) all.push(row);
  return all;
}
