/** What a code of the error catalogue means and what to do: where a problem's `type` leads. */
import type { FastifyInstance } from "fastify";
import { isErrorCode, TqError } from "task-queue-protocol";
import { sectionOf } from "../../operations/error-guide.ts";
import { shown } from "../../operations/invalid.ts";
import { pathParameter } from "../request-parts.ts";

export function errorPageRoutes(app: FastifyInstance): void {
  app.get("/errors/:code", { config: { verb: "docs" } }, async (request, reply) => {
    const code = pathParameter(request, "code");
    if (!isErrorCode(code)) throw new TqError("not_found", `there is no error code ${shown(code)}`);
    reply.header("content-type", "text/markdown; charset=utf-8");
    return `${sectionOf(code).join("\n")}\n`;
  });
}
