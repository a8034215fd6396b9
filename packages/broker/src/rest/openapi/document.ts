/**
 * The OpenAPI 3.1 document: the routes that the application has, each with its row of the table,
 * and refusals from the one error catalogue. Made once, when somebody asks for it; no request but
 * those for the document itself knows that it exists.
 */
import { ERRORS, type ErrorCode, TqError } from "task-queue-protocol";
import { ERROR_GUIDE } from "../../operations/error-guide.ts";
import type { Permission } from "../../operations/permissions.ts";
import { problemOf } from "../problem.ts";
import { KEY_OPERATIONS, KEY_SCHEMAS } from "./key-operations.ts";
import {
  type AnswerDoc,
  type Operation,
  type Operations,
  PROBLEM_MEDIA,
  TAGS,
} from "./operation.ts";
import {
  DOCUMENTATION_OPERATIONS,
  HEALTH_OPERATIONS,
  OVERVIEW_OPERATIONS,
} from "./overview-operations.ts";
import { OVERVIEW_SCHEMAS } from "./overview-schemas.ts";
import { JOB_OPERATIONS, QUEUE_OPERATIONS } from "./queue-operations.ts";
import { type Fields, ref, type Schema, whole } from "./schema.ts";
import { DEAD_OPERATIONS, TASK_OPERATIONS } from "./task-operations.ts";
import { TASK_SCHEMAS } from "./task-schemas.ts";

export const OPERATIONS: Operations = {
  ...TASK_OPERATIONS,
  ...DEAD_OPERATIONS,
  ...QUEUE_OPERATIONS,
  ...JOB_OPERATIONS,
  ...KEY_OPERATIONS,
  ...OVERVIEW_OPERATIONS,
  ...HEALTH_OPERATIONS,
  ...DOCUMENTATION_OPERATIONS,
};

/** A route of the application, without the prefix. */
export interface ApiRoute {
  readonly method: string;
  /** `/tasks/:id`. */
  readonly path: string;
  /** What a caller's key must permit, as far as the route says so. */
  readonly permissions: readonly Permission[];
}

export interface OpenApiDocument {
  readonly openapi: "3.1.0";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
  readonly components: Readonly<Record<string, Fields>>;
  readonly [member: string]: unknown;
}

/** What the table's rows become. */
export interface OperationObject {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly parameters: readonly ParameterObject[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: Readonly<Record<string, MediaObject>>;
  };
  readonly responses: Readonly<Record<string, ResponseObject>>;
  readonly [member: string]: unknown;
}

export interface ParameterObject {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required: boolean;
  readonly description: unknown;
  readonly schema: Schema;
  readonly example?: unknown;
}

export interface MediaObject {
  readonly schema: Schema;
  readonly examples?: Readonly<Record<string, Schema>>;
}

export interface ResponseObject {
  readonly description: string;
  readonly headers?: Fields;
  readonly content?: Readonly<Record<string, MediaObject>>;
}

const ABOUT = `Every path also stands without the prefix \`/api/v1\`. Bodies are JSON in UTF-8.

Any node serves any request. An answer carries \`X-TQ-Applied-Index\`; sent back with a later read,
to whichever node, it makes that read see at least as much. Refusals are problem documents (RFC
9457) with a \`code\`; one that is \`retryable\` may be sent again as it is.`;

/** What any request can meet, besides those of health and documentation. */
const COMMON: readonly ErrorCode[] = [
  "invalid_request",
  "unknown_field",
  "unauthenticated",
  "permission_denied",
  "rate_limited",
  "overloaded",
  "no_leader",
  "internal",
];

const HEADERS: Fields = {
  "X-TQ-Node": header("Who answers.", { type: "string" }),
  "X-TQ-Applied-Index": header("How far that node had applied the log.", whole("An index.")),
  "X-Request-Id": header("The caller's own, or one that was made.", { type: "string" }),
  "X-TQ-Durability": header("What this answer to a write promises.", {
    enum: ["quorum-fsync", "quorum", "single-fsync", "single"],
  }),
};

const SECURITY_SCHEMES: Fields = {
  bearer: { type: "http", scheme: "bearer", description: "`Authorization: Bearer KEY`" },
  key: { type: "apiKey", in: "header", name: "X-API-Key" },
  signature: {
    type: "apiKey",
    in: "header",
    name: "Authorization",
    description: "`TQ-HMAC-SHA256 SIGNATURE` with `X-TQ-Key`, `X-TQ-Date` and `X-TQ-Nonce`",
  },
};

export function buildDocument(routes: readonly ApiRoute[]): OpenApiDocument {
  const paths: Record<string, Record<string, OperationObject>> = {};
  for (const { method, path, permissions } of routes) {
    const row = OPERATIONS[`${method} ${path}`]!;
    const template = path.replace(/:(\w+)/g, "{$1}");
    paths[template] ??= {};
    paths[template][method.toLowerCase()] = operationObject(row, method, permissions);
  }
  return {
    openapi: "3.1.0",
    info: { title: "tq", version: "1", description: ABOUT },
    servers: [{ url: "/api/v1" }],
    security: [{ bearer: [] }, { key: [] }, { signature: [] }, {}],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: { ...TASK_SCHEMAS, ...OVERVIEW_SCHEMAS, ...KEY_SCHEMAS },
      examples: problemExamples(),
      headers: HEADERS,
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

function operationObject(
  row: Operation,
  method: string,
  permissions: readonly Permission[],
): OperationObject {
  const { id, tag, summary, about, body } = row;
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(about === undefined ? {} : { description: about }),
    ...(permissions.length === 0 ? {} : { "x-tq-permissions": permissions }),
    ...(tag === "health" ? { security: [] } : {}),
    parameters: [
      ...parameters("path", row.path),
      ...parameters("query", row.query),
      ...parameters("header", row.headers),
    ],
    ...(body === undefined ? {} : { requestBody: requestBody(body) }),
    responses: responses(row, method),
  };
}

function parameters(place: ParameterObject["in"], fields: Fields = {}): ParameterObject[] {
  return Object.entries(fields).map(([name, { description, examples, ...schema }]) => ({
    name,
    in: place,
    required: place === "path",
    description,
    schema,
    ...(examples === undefined ? {} : { example: (examples as unknown[])[0] }),
  }));
}

function requestBody({ schema, examples, optional }: NonNullable<Operation["body"]>) {
  const shown = Object.entries(examples).map(([name, value]) => [name, { value }]);
  return {
    required: optional === undefined,
    content: { "application/json": { schema, examples: Object.fromEntries(shown) } },
  };
}

function responses(row: Operation, method: string): Record<string, ResponseObject> {
  const answers = Object.entries(row.answers).map(([status, answer]) => {
    return [status, responseObject(answer, method)] as const;
  });
  const refused = [...byStatus(refusalsOf(row))].map(([status, codes]) => {
    return [String(status), refusal(codes)] as const;
  });
  return Object.fromEntries([...refused, ...answers]);
}

function refusalsOf({ tag, body, refusals = [] }: Operation): ReadonlySet<ErrorCode> {
  if (tag === "health" || tag === "documentation") return new Set(refusals);
  return new Set([...COMMON, ...(body === undefined ? [] : ["too_large" as const]), ...refusals]);
}

function byStatus(codes: ReadonlySet<ErrorCode>): Map<number, ErrorCode[]> {
  const statuses = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { http } = ERRORS[code];
    statuses.set(http, [...(statuses.get(http) ?? []), code]);
  }
  return statuses;
}

function refusal(codes: readonly ErrorCode[]): ResponseObject {
  const examples = codes.map((code) => [code, { $ref: `#/components/examples/${code}` }]);
  return {
    description: codes.map((code) => `\`${code}\`: ${ERRORS[code].title}.`).join(" "),
    content: {
      [PROBLEM_MEDIA]: { schema: ref("Problem"), examples: Object.fromEntries(examples) },
    },
  };
}

function responseObject(answer: AnswerDoc, method: string): ResponseObject {
  const { about, schema, media = "application/json", also = {}, headers = {} } = answer;
  const own = Object.entries(headers).map(([name, { description, ...of }]) => {
    return [name, header(String(description), of)] as const;
  });
  const shared = Object.keys(HEADERS)
    .filter((name) => method !== "GET" || name !== "X-TQ-Durability")
    .map((name) => [name, { $ref: `#/components/headers/${name}` }] as const);
  const content = Object.entries({ ...(schema === undefined ? {} : { [media]: schema }), ...also });
  return {
    description: about,
    headers: Object.fromEntries([...own, ...shared]),
    ...(content.length === 0
      ? {}
      : { content: Object.fromEntries(content.map(([type, of]) => [type, { schema: of }])) }),
  };
}

function header(description: string, schema: Schema): Schema {
  return { description, schema };
}

function problemExamples(): Fields {
  const codes = Object.keys(ERRORS) as ErrorCode[];
  const problems = codes.map((code) => {
    const value = problemOf(new TqError(code, ERROR_GUIDE[code].meaning));
    return [code, { summary: ERRORS[code].title, value }];
  });
  return Object.fromEntries(problems);
}
