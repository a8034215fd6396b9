/** `GET /openapi.json` and `GET /docs`: what this API is, for programs and for people. */
import type { FastifyInstance } from "fastify";
import { PERMISSION_OF, type Permission, type Verb } from "../../operations/permissions.ts";
import {
  type ApiRoute,
  buildDocument,
  OPERATIONS,
  type OpenApiDocument,
} from "../openapi/document.ts";
import { PAGE_POLICY, renderPage } from "../openapi/page.ts";

/** Methods that say nothing which the others do not. */
const IMPLIED = new Set(["HEAD", "OPTIONS"]);

/**
 * The routes of one prefix, and what is made of them when somebody asks. A route that the table
 * does not describe is refused, so that none can be forgotten.
 */
export class ApiRoutes {
  readonly #routes: ApiRoute[] = [];
  #document: OpenApiDocument | undefined;
  #json: string | undefined;
  #page: string | undefined;

  /** Must be called before the first route is added. */
  constructor(app: FastifyInstance, prefix: string) {
    app.addHook("onRoute", ({ url, method, config }) => {
      if (!url.startsWith(`${prefix}/`)) return;
      const path = url.slice(prefix.length);
      const permissions = permissionsOf((config as { verb?: unknown } | undefined)?.verb);
      for (const one of [method].flat()) {
        if (IMPLIED.has(one)) continue;
        if (!Object.hasOwn(OPERATIONS, `${one} ${path}`)) {
          throw new Error(`${one} ${path} has no row in rest/openapi`);
        }
        this.#routes.push({ method: one, path, permissions });
      }
    });
  }

  get json(): string {
    this.#json ??= JSON.stringify(this.#built());
    return this.#json;
  }

  get page(): string {
    this.#page ??= renderPage(this.#built());
    return this.#page;
  }

  #built(): OpenApiDocument {
    this.#document ??= buildDocument(this.#routes);
    return this.#document;
  }
}

/** Of the verb or verbs that a route names; a route may tell only when it has seen the body. */
function permissionsOf(verbs: unknown): readonly Permission[] {
  const known = [verbs].flat().filter((verb): verb is Verb => {
    return typeof verb === "string" && Object.hasOwn(PERMISSION_OF, verb);
  });
  return [...new Set(known.map((verb) => PERMISSION_OF[verb]))];
}

export function openApiRoutes(app: FastifyInstance, routes: ApiRoutes): void {
  app.get("/openapi.json", { config: { verb: "docs" } }, async (_request, reply) => {
    reply.header("content-type", "application/json; charset=utf-8");
    return routes.json;
  });

  app.get("/docs", { config: { verb: "docs" } }, async (_request, reply) => {
    reply
      .header("content-type", "text/html; charset=utf-8")
      .header("content-security-policy", PAGE_POLICY)
      .header("referrer-policy", "no-referrer");
    return routes.page;
  });
}
