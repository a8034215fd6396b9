/** `echo`: the result is the payload. For trying things out and for measuring. */
import type { Handler } from "../handler.ts";

export const echo: Handler<unknown> = (payload) => payload;
