/**
 * Loads the handlers of a user's module, and picks those that this worker shall run. The module
 * exports `handlers`, or an object by default, or functions under the names of their types.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { AnyHandler, Handlers } from "../handler.ts";
import { EXIT, StartError } from "./exit-status.ts";

/** Throws `StartError` when the module cannot be loaded or holds no handlers. */
export async function loadHandlers(path: string): Promise<Handlers> {
  const file = resolve(path);
  if (!existsSync(file)) throw new StartError(EXIT.config, `--handlers: there is no ${file}`);
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await import(pathToFileURL(file).href);
  } catch (cause) {
    const why = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    throw new StartError(EXIT.config, `--handlers: ${file} could not be loaded: ${why}`, cause);
  }
  const handlers = functionsOf(module["handlers"] ?? module["default"] ?? module);
  if (Object.keys(handlers).length > 0) return handlers;
  const how = 'export const handlers = { "email.send": async (payload, ctx) => { ... } }';
  throw new StartError(EXIT.config, `--handlers: ${file} exports no functions; write ${how}`);
}

function functionsOf(value: unknown): Handlers {
  if (typeof value !== "object" || value === null) return {};
  const entries = Object.entries(value).filter(([, each]) => typeof each === "function");
  return Object.fromEntries(entries) as Record<string, AnyHandler>;
}

/** The handlers of `types`, all of them when it is empty; throws for a type that has none. */
export function pickHandlers(handlers: Handlers, types: readonly string[]): Handlers {
  if (types.length === 0) return handlers;
  const picked: Record<string, AnyHandler> = {};
  for (const type of types) {
    const handler = Object.hasOwn(handlers, type) ? handlers[type] : undefined;
    if (handler === undefined) {
      const known = Object.keys(handlers).join(", ");
      const message = `--types: there is no handler for "${type}"; there are ${known}`;
      throw new StartError(EXIT.config, message);
    }
    picked[type] = handler;
  }
  return picked;
}
