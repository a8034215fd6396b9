/** The naive model's opinion on access keys: a list of them, looked through from the start. */
import type { AccessKey } from "../../src/queue/access-key.ts";
import type { Command } from "../../src/queue/command.ts";
import { ACCESS_KEYS_MAX } from "../../src/queue/limits.ts";
import type { Reply } from "../../src/queue/reply.ts";
import type { NaiveModel } from "./naive-model.ts";
import { hex, ok, refused } from "./naive-state.ts";

type Of<T extends Command["type"]> = Extract<Command, { readonly type: T }>;

export function createKey(model: NaiveModel, command: Of<"createKey">): Reply {
  const { type: _, ...said } = command;
  const known = model.accessKeys.find(({ id }) => hex(id) === hex(said.id));
  if (known !== undefined) {
    const isSame = hex(known.verifier) === hex(said.verifier);
    return isSame ? ok(undefined, true) : refused("state_conflict");
  }
  if (model.accessKeys.length === ACCESS_KEYS_MAX) {
    const ended = model.accessKeys.filter((key) => isOver(model, key));
    if (ended.length === 0) return refused("state_conflict");
    ended.sort((a, b) => a.expiresAt - b.expiresAt || (hex(a.id) < hex(b.id) ? -1 : 1));
    model.accessKeys = model.accessKeys.filter((key) => key !== ended[0]);
  }
  model.accessKeys.push({ ...said, createdAt: model.now, revoked: false });
  return ok(undefined);
}

export function revokeKey(model: NaiveModel, { id, at }: Of<"revokeKey">): Reply {
  const key = model.accessKeys.find((each) => hex(each.id) === hex(id));
  if (key === undefined) return refused("not_found");
  if (isOver(model, key)) return ok(undefined, true);
  const ends = [at, key.expiresAt].filter((time) => time > 0 && time > model.now);
  const expiresAt = at <= model.now ? model.now : Math.min(...ends);
  if (key.revoked && key.expiresAt === expiresAt) return ok(undefined, true);
  model.accessKeys = model.accessKeys.map((each) => {
    return each === key ? { ...key, expiresAt, revoked: true } : each;
  });
  return ok(undefined);
}

function isOver(model: NaiveModel, { expiresAt }: AccessKey): boolean {
  return expiresAt !== 0 && model.now >= expiresAt;
}
