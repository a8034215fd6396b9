/**
 * What to say to a request that no route takes: the methods that the path does have, or the path
 * that was probably meant.
 */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { nearest, TqError } from "task-queue-protocol";
import { shown } from "../operations/invalid.ts";
import { HttpRefusal } from "./problem.ts";

/** The path exists, but not with this method. */
export class WrongMethod extends HttpRefusal {
  readonly allow: string;

  constructor(method: string, path: string, allow: string) {
    super(405, "invalid_request", `${path} does not take ${method}; allowed: ${allow}`);
    this.allow = allow;
  }
}

export class KnownRoutes {
  readonly #methods = new Map<string, Set<string>>();

  /** Must be called before the first route is added. */
  constructor(app: FastifyInstance) {
    app.addHook("onRoute", ({ url, method }) => {
      const methods = this.#methods.get(url) ?? new Set();
      for (const one of Array.isArray(method) ? method : [method]) methods.add(one);
      this.#methods.set(url, methods);
    });
  }

  /** The refusal for a request that found no route. */
  refusal(request: FastifyRequest): TqError {
    const path = request.url.split("?", 1)[0]!;
    const methods = this.#methodsOf(path);
    if (methods !== undefined && !methods.has(request.method)) {
      return new WrongMethod(request.method, path, [...methods].sort().join(", "));
    }
    const guess = nearest(path, this.#methods.keys());
    const hint = guess === undefined ? "" : ` Did you mean ${guess}?`;
    return new TqError("not_found", `there is no path ${shown(path)}.${hint}`);
  }

  #methodsOf(path: string): Set<string> | undefined {
    const parts = partsOf(path);
    for (const [route, methods] of this.#methods) {
      const pattern = partsOf(route);
      if (pattern.length !== parts.length) continue;
      if (pattern.every((part, index) => part.startsWith(":") || part === parts[index])) {
        return methods;
      }
    }
    return undefined;
  }
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "");
}
