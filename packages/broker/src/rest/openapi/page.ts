/**
 * The document as a page to read: one file without scripts, pictures or anything from elsewhere, so
 * that its policy can forbid all of it. Whoever wants to send requests from a page can give
 * `/openapi.json` to a program made for that.
 */
import { createHash } from "node:crypto";
import type { OpenApiDocument, OperationObject, ParameterObject } from "./document.ts";
import { TAGS } from "./operation.ts";
import type { Fields, Schema } from "./schema.ts";

const STYLE = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
code, pre { font: 0.9em ui-monospace, monospace; }
pre { background: #8882; border-radius: 4px; overflow-x: auto; padding: 0.5rem; }
details { border: 1px solid #8884; border-radius: 4px; margin: 0.4rem 0; padding: 0.4rem 0.7rem; }
summary { cursor: pointer; }
summary b { display: inline-block; width: 4.5rem; }
table { border-collapse: collapse; }
td { border-top: 1px solid #8884; padding: 0.2rem 0.8rem 0.2rem 0; vertical-align: top; }
`;

const hash = createHash("sha256").update(STYLE).digest("base64");

/** Nothing is loaded, run, framed or sent anywhere. */
export const PAGE_POLICY =
  `default-src 'none'; style-src 'sha256-${hash}'; ` +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export function renderPage(document: OpenApiDocument): string {
  const { info, paths, components } = document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const parts = Object.entries(TAGS).map(([tag, about]) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(tag));
    const shown = own.map(({ path, method, operation }) => section(path, method, operation));
    return `<h2>${html(tag)}</h2><p>${prose(about)}</p>${shown.join("")}`;
  });
  const schemas = Object.entries(components["schemas"] ?? {}).map(
    ([name, schema]) =>
      `<details id="${name}"><summary><code>${name}</code> ${prose(schema["description"])}` +
      `</summary>${fields(schema)}</details>`,
  );
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width"><title>tq: the HTTP API</title>',
    `<style>${STYLE}</style></head><body><h1>tq: the HTTP API</h1>`,
    ...info.description.split("\n\n").map((paragraph) => `<p>${prose(paragraph)}</p>`),
    '<p>For programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>',
    ...parts,
    `<h2>schemas</h2>${schemas.join("")}</body></html>\n`,
  ].join("\n");
}

function section(path: string, method: string, operation: OperationObject): string {
  const { operationId, summary, description, parameters, requestBody, responses } = operation;
  const permissions = operation["x-tq-permissions"];
  const bodies = Object.values(requestBody?.content ?? {}).map(
    ({ schema, examples = {} }) => `<h4>Body: ${typeOf(schema)}</h4>${exampleList(examples)}`,
  );
  const answers = Object.entries(responses).map(([status, response]) => {
    const types = Object.entries(response.content ?? {}).map(
      ([media, { schema }]) => `${html(media)}: ${typeOf(schema)}`,
    );
    return row([`<b>${status}</b>`, prose(response.description), types.join("<br>")]);
  });
  return [
    `<details id="${operationId}"><summary><b>${method.toUpperCase()}</b> `,
    `<code>${html(path)}</code> ${html(summary)}</summary>`,
    description === undefined ? "" : `<p>${prose(description)}</p>`,
    permissions === undefined ? "" : `<p>Needs: <code>${html(permissions)}</code></p>`,
    parameters.length === 0 ? "" : `<h4>Parameters</h4>${parameterTable(parameters)}`,
    ...bodies,
    `<h4>Answers</h4><table>${answers.join("")}</table></details>`,
  ].join("");
}

function parameterTable(parameters: readonly ParameterObject[]): string {
  const rows = parameters.map((parameter) => {
    const { name, description, schema, example } = parameter;
    const shown = example === undefined ? "" : `<code>${html(JSON.stringify(example))}</code>`;
    return row([
      `<code>${html(name)}</code> (${parameter.in})`,
      typeOf(schema),
      prose(description),
      shown,
    ]);
  });
  return `<table>${rows.join("")}</table>`;
}

function exampleList(examples: Readonly<Record<string, Schema>>): string {
  return Object.entries(examples)
    .map(([name, { value }]) => {
      return `<p>${html(name)}</p><pre>${html(JSON.stringify(value, null, 2))}</pre>`;
    })
    .join("");
}

function fields(schema: Schema): string {
  const rows = Object.entries((schema["properties"] ?? {}) as Fields).map(([name, of]) =>
    row([`<code>${html(name)}</code>`, typeOf(of), prose(of["description"])]),
  );
  return `<table>${rows.join("")}</table>`;
}

function typeOf(schema: Schema): string {
  const { $ref, items } = schema;
  if (typeof $ref === "string") {
    const name = html($ref.slice($ref.lastIndexOf("/") + 1));
    return `<a href="#${name}">${name}</a>`;
  }
  if (Array.isArray(schema["oneOf"])) return schema["oneOf"].map(typeOf).join(" or ");
  if (Array.isArray(schema["enum"])) return schema["enum"].map(html).join(" | ");
  if (items !== undefined) return `list of ${typeOf(items as Schema)}`;
  return html([schema["type"] ?? "any"].flat().join(" or "));
}

function row(cells: readonly string[]): string {
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
}

/** A sentence in which backticks set off code. */
function prose(text: unknown): string {
  return html(text ?? "").replace(/`([^`]+)`/g, "<code>$1</code>");
}

function html(text: unknown): string {
  return String(text)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
