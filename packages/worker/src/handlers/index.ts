/** The handlers that every `tq-worker` brings along. */
import type { Handlers } from "../handler.ts";
import { echo } from "./echo.ts";
import { execHandler } from "./exec.ts";
import { type HttpOptions, httpHandler } from "./http.ts";
import { sleep } from "./sleep.ts";

export interface BuiltinOptions {
  readonly http?: HttpOptions;
  /** Programs that `exec` may run; without any there is no `exec` handler. */
  readonly execAllow?: ReadonlyMap<string, string>;
}

/** `echo`, `sleep`, `http`, and `exec` when at least one program is allowed. */
export function builtinHandlers(options: BuiltinOptions = {}): Handlers {
  const allow = options.execAllow ?? new Map<string, string>();
  const always = { echo, sleep, http: httpHandler(options.http) };
  return allow.size === 0 ? always : { ...always, exec: execHandler({ allow }) };
}
