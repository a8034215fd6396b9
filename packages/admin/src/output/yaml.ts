/**
 * JSON values as YAML: block style, every string that could be read as something else in quotes. A
 * double-quoted YAML string takes all that a JSON string takes, so quoting is `JSON.stringify`.
 */

const PLAIN = /^[A-Za-z_][A-Za-z0-9_ ./-]*$/;
/** Words that YAML 1.1 or 1.2 readers take for a boolean or null. */
const WORDS = /^(?:y|n|yes|no|on|off|true|false|null|nan|inf)$/i;

/** One document, with a line end. */
export function toYaml(value: unknown): string {
  return `${block(value, "")}\n`;
}

function block(value: unknown, indent: string): string {
  if (Array.isArray(value)) return sequence(value, indent);
  if (typeof value === "object" && value !== null) return mapping(value, indent);
  return scalar(value);
}

function sequence(items: readonly unknown[], indent: string): string {
  if (items.length === 0) return "[]";
  const inner = `${indent}  `;
  return items.map((item) => `- ${block(item, inner)}`).join(`\n${indent}`);
}

function mapping(object: object, indent: string): string {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  if (entries.length === 0) return "{}";
  const inner = `${indent}  `;
  return entries
    .map(([key, value]) => {
      const nested = isNested(value);
      const text = block(value, inner);
      return `${scalar(key)}:${nested ? `\n${inner}` : " "}${text}`;
    })
    .join(`\n${indent}`);
}

function isNested(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some((each) => each !== undefined);
}

function scalar(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value) ?? "null";
  const plain = PLAIN.test(value) && !WORDS.test(value) && !value.endsWith(" ");
  return plain ? value : JSON.stringify(value);
}
