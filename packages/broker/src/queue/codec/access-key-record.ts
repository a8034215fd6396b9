/** The record of an access key. Since version 4. */
import type { AccessKey } from "../access-key.ts";
import { readFormat } from "./content.ts";
import { Reader } from "./reader.ts";
import { sharedWriter } from "./writer.ts";

const FORMAT = 1;
const ID_BYTES = 16;

export function encodeAccessKey(key: AccessKey): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(FORMAT);
  out.raw(key.id);
  out.text(key.name);
  out.bytes(key.verifier);
  out.texts(key.permissions);
  out.text(key.createdBy);
  out.uint(key.createdAt);
  out.uint(key.expiresAt);
  out.flag(key.revoked);
  return out.finish();
}

/** @throws CodecError */
export function decodeAccessKey(bytes: Uint8Array): AccessKey {
  const from = new Reader(bytes);
  readFormat(from, FORMAT);
  const key: AccessKey = {
    id: from.raw(ID_BYTES).slice(),
    name: from.text(),
    verifier: from.bytes().slice(),
    permissions: from.texts(),
    createdBy: from.text(),
    createdAt: from.uint(),
    expiresAt: from.uint(),
    revoked: from.flag(),
  };
  from.end();
  return key;
}
