/** The operations on access keys, and what they look like. */
import type { AccessKeyJson, CreatedKeyJson } from "task-queue-protocol";
import type { KEY_FIELDS } from "../../operations/access-keys.ts";
import { DURATION_MS_MAX } from "../../operations/limits.ts";
import { PERMISSIONS } from "../../operations/permissions.ts";
import { EXAMPLES } from "./examples.ts";
import { CHANGE, CONSISTENCY, type Operations, ok, READ_HEADERS } from "./operation.ts";
import {
  allBut,
  closed,
  type Fields,
  list,
  object,
  oneOf,
  ref,
  type Schema,
  text,
  time,
  whole,
} from "./schema.ts";

const ID = { pattern: "^[0-9a-f]{32}$" };
const NAME = { pattern: "^[A-Za-z0-9._-]{1,64}$" };
const PERMITTED = list(oneOf(PERMISSIONS, "One of them."), "What it permits.", { minItems: 1 });

const KEY: Record<keyof AccessKeyJson, Schema> = {
  id: text("The middle of the key, and no secret.", ID),
  name: text("For people; in logs and refusals.", NAME),
  permissions: PERMITTED,
  created_by: text("The key that made it."),
  created_at: time("When it was made."),
  expires_at: time("From then on it is refused; absent: it never expires."),
  state: oneOf(
    ["active", "ending", "expired", "revoked"],
    "`ending`: revoked, and still good until it expires. What has ended is listed for a while.",
  ),
};

const CREATED: Record<keyof CreatedKeyJson, Schema> = {
  ...KEY,
  key: text("The key. It is shown this once, and kept nowhere."),
};

const CREATE: Record<(typeof KEY_FIELDS)[number], Schema> = {
  name: text("For people; two keys may have the same one.", NAME),
  permissions: PERMITTED,
  expires_at: time("When it ends; default: never."),
  expires_in_ms: whole("The same from now.", { minimum: 1, maximum: DURATION_MS_MAX }),
};

const OPTIONAL = ["expires_at"];

export const KEY_SCHEMAS: Fields = {
  AccessKey: object("A key without its secret.", KEY, allBut(KEY, OPTIONAL)),
  CreatedKey: object("A new key.", CREATED, allBut(CREATED, OPTIONAL)),
  AccessKeys: object("Keys.", { keys: list(ref("AccessKey"), "By their ids.") }, ["keys"]),
  CreateKey: closed("A key that is wanted.", CREATE, ["name", "permissions"]),
};

export const KEY_OPERATIONS: Operations = {
  "POST /keys": {
    id: "createKey",
    tag: "keys",
    summary: "Make an access key",
    about:
      "The answer is the one time that the key is shown. When it is lost, revoke the key: " +
      "a second request makes a second one.",
    body: {
      schema: ref("CreateKey"),
      examples: {
        "for an application": { name: "shop", permissions: ["submit_tasks", "read_tasks"] },
        "for 90 days": {
          name: "worker-7",
          permissions: ["process_tasks"],
          expires_in_ms: 7_776_000_000,
        },
      },
    },
    answers: {
      201: {
        about: "The key.",
        schema: ref("CreatedKey"),
        headers: { Location: text("What to revoke.") },
      },
    },
    refusals: CHANGE,
  },
  "GET /keys": {
    id: "listKeys",
    tag: "keys",
    summary: "List access keys",
    query: CONSISTENCY,
    headers: READ_HEADERS,
    answers: ok("AccessKeys", "All that there are, and those that have ended of late."),
  },
  "DELETE /keys/:id": {
    id: "revokeKey",
    tag: "keys",
    summary: "Revoke an access key",
    about: "In force on each node as soon as that has applied it, on open connections too.",
    path: { id: text("The key's id.", { ...ID, examples: [EXAMPLES.key] }) },
    query: {
      grace_ms: whole("It is still good for so long; default 0.", { examples: [3_600_000] }),
    },
    answers: ok("AccessKey", "The key."),
    refusals: ["not_found", ...CHANGE],
  },
};
