/**
 * The identity file against torn writes and damage: a cut at any byte of a save leaves the old or
 * the new identity, and no single bad page ever brings back an older one.
 */
import { copyFile, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { freshIdentity } from "../../../../test/conformance/identity-store.ts";
import type { Formation, Identity } from "../../src/ports.ts";
import {
  encodeSlot,
  FILE_BYTES,
  PAGE_BYTES,
  readSlots,
  SLOT_BYTES,
  slotOffset,
} from "../../src/storage/identity-slots.ts";
import {
  createIdentity,
  type FileIdentityStore,
  openIdentityStore,
} from "../../src/storage/identity-store.ts";
import { DataDirError } from "../../src/storage/storage-error.ts";
import { scratchDirectory } from "./scratch.ts";

function identityOfTerm(term: number): Identity {
  return { ...freshIdentity(), founded: true, hardState: { term, vote: `node${term % 3}` } };
}

/** The file after saves 0..newest, each saved under its own term. */
function fileAfter(newest: number): Buffer {
  const file = Buffer.alloc(FILE_BYTES);
  for (const sequence of [newest - 1, newest]) {
    const slot = encodeSlot({ sequence, identity: identityOfTerm(sequence), inode: "7" });
    file.set(slot, slotOffset(sequence));
  }
  return file;
}

function termIn(file: Buffer): number | undefined {
  return readSlots(file).newest?.identity.hardState.term;
}

describe("slots", () => {
  test("round trip, undefined fields and all", () => {
    for (const identity of [freshIdentity(), identityOfTerm(9)]) {
      const file = Buffer.alloc(FILE_BYTES);
      file.set(encodeSlot({ sequence: 4, identity, inode: "123" }), slotOffset(4));
      const { newest, badPages } = readSlots(file);
      expect(newest).toEqual({ sequence: 4, identity, inode: "123" });
      expect(badPages).toBe(2);
    }
  });

  test("a page that a newer broker has written is refused, not taken for damage", () => {
    const file = fileAfter(6);
    const page = file.subarray(slotOffset(6), slotOffset(6) + PAGE_BYTES);
    page.writeUInt16BE(2, 8);
    page.writeUInt32BE(crc32(page.subarray(8)), 4);
    expect(() => readSlots(file)).toThrow("the identity has format 2, this tq-broker knows 1");
    expect(() => readSlots(file)).toThrow(DataDirError);
  });

  test("the same identity gives the same bytes, whatever the order of its keys", () => {
    const identity = identityOfTerm(3);
    const reversed = Object.fromEntries(Object.entries(identity).reverse()) as unknown as Identity;
    const inode = "1";
    const first = encodeSlot({ sequence: 1, identity, inode });
    expect(first.equals(encodeSlot({ sequence: 1, identity: reversed, inode }))).toBe(true);
  });

  test("a formation from before members could change: voters, revision 0", () => {
    const member = { id: "node1", incarnation: "ff", bus: "h:1", address: "h:2" };
    const formation = { clusterId: "c1", members: [member] } as unknown as Formation;
    const file = Buffer.alloc(FILE_BYTES);
    const identity = { ...freshIdentity(), formation };
    file.set(encodeSlot({ sequence: 4, identity, inode: "1" }), slotOffset(4));
    expect(readSlots(file).newest?.identity.formation).toEqual({
      clusterId: "c1",
      revision: 0,
      members: [{ ...member, voter: true }],
    });
  });

  test("nine members with the longest host names fit", () => {
    const host = `${"h".repeat(253)}:65535`;
    const incarnation = "f".repeat(32);
    const members = Array.from({ length: 9 }, (_, ordinal) => ({
      id: `${ordinal}${"n".repeat(63)}`,
      incarnation,
      bus: host,
      address: host,
      voter: false,
    }));
    const formation = { clusterId: incarnation, revision: 2 ** 50, members };
    const identity = { ...identityOfTerm(5), formation };
    const file = Buffer.alloc(FILE_BYTES);
    file.set(encodeSlot({ sequence: 4, identity, inode: "1" }), slotOffset(4));
    expect(readSlots(file).newest?.identity).toEqual(identity);
  });

  test("refuses an identity that does not fit", () => {
    const identity = { ...freshIdentity(), nodeId: "x".repeat(PAGE_BYTES) };
    expect(() => encodeSlot({ sequence: 1, identity, inode: "1" })).toThrow(/at most/);
  });

  test("a save cut at any byte leaves the old identity or the new one", () => {
    const sequence = fc.integer({ min: 2, max: 1000 });
    fc.assert(
      fc.property(sequence, fc.nat(SLOT_BYTES), (newest, cut) => {
        const file = fileAfter(newest);
        const slot = encodeSlot({
          sequence: newest + 1,
          identity: identityOfTerm(newest + 1),
          inode: "7",
        });
        file.set(slot.subarray(0, cut), slotOffset(newest + 1));
        const term = termIn(file);
        // The JSON ends long before the page does: the rest is zeros in both versions.
        expect([newest, newest + 1]).toContain(term);
        if (cut === SLOT_BYTES) {
          expect(term).toBe(newest + 1);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("a save of which any set of sectors arrived leaves the old identity or the new one", () => {
    const sectors = fc.array(fc.boolean(), { minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 99 }), sectors, (newest, arrived) => {
        const file = fileAfter(newest);
        const identity = identityOfTerm(newest + 1);
        const slot = encodeSlot({ sequence: newest + 1, identity, inode: "7" });
        for (const [sector, there] of arrived.entries()) {
          if (there) {
            const bytes = slot.subarray(sector * 512, (sector + 1) * 512);
            file.set(bytes, slotOffset(newest + 1) + sector * 512);
          }
        }
        expect([newest, newest + 1]).toContain(termIn(file));
      }),
    );
  });

  test("one damaged page, or one flipped bit anywhere, never brings back an older vote", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 99 }), fc.nat(FILE_BYTES * 8 - 1), (newest, bit) => {
        const file = fileAfter(newest);
        file[bit >> 3]! ^= 1 << (bit & 7);
        expect(termIn(file)).toBe(newest);
        expect(readSlots(file).badPages).toBe(1);
      }),
      { numRuns: 500 },
    );
    for (let at = 0; at < FILE_BYTES; at += 4096) {
      const file = fileAfter(8);
      file.fill(0, at, at + 4096);
      expect(termIn(file)).toBe(8);
    }
  });

  test("random bytes are nobody's identity", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const file = Buffer.alloc(FILE_BYTES);
        file.set(bytes);
        expect(readSlots(file)).toEqual({ newest: undefined, badPages: 4 });
      }),
    );
  });
});

describe("the file", () => {
  async function created(): Promise<string> {
    const path = join(await scratchDirectory(), "identity");
    expect(await createIdentity(path, freshIdentity())).toBe(true);
    return path;
  }

  async function savedTo(path: string, term: number): Promise<void> {
    const store = await openIdentityStore(path);
    await store.save({ hardState: { term, vote: "node2" } });
    await store.close();
  }

  test("is not created over another", async () => {
    const path = await created();
    await savedTo(path, 5);
    expect(await createIdentity(path, { ...freshIdentity(), nodeId: "other" })).toBe(false);
    const store = await openIdentityStore(path);
    expect(store.identity.nodeId).toBe("node1");
    await store.close();
  });

  test("is damaged when it is shorter, longer or holds no valid page; and missing", async () => {
    const path = await created();
    const whole = await readFile(path);
    await writeFile(path, whole.subarray(0, FILE_BYTES / 2));
    await expect(openIdentityStore(path)).rejects.toThrow(/16384 bytes instead of 32768/);
    await writeFile(path, Buffer.concat([whole, whole]));
    await expect(openIdentityStore(path)).rejects.toThrow(/instead of/);
    await writeFile(path, Buffer.alloc(FILE_BYTES));
    await expect(openIdentityStore(path)).rejects.toThrow(/no copy of it is whole/);
    await rename(path, `${path}.away`);
    await expect(openIdentityStore(path)).rejects.toThrow(/file is missing/);
  });

  test("knows that it is a copy, until the copy is accepted", async () => {
    const path = await created();
    await savedTo(path, 5);
    const original = await openIdentityStore(path);
    expect(original.copied).toBe(false);
    await original.close();

    const copy = `${path}-copy`;
    await copyFile(path, copy);
    await savedTo(copy, 6);
    const second = await openIdentityStore(copy);
    expect(second.copied).toBe(true);
    expect(second.identity.hardState.term).toBe(6);
    await second.acceptCopy();
    await second.save({ hardState: { term: 7, vote: undefined } });
    await second.close();
    const third = await openIdentityStore(copy);
    expect(third.copied).toBe(false);
    await third.close();
  });

  test("an identity that does not fit is refused with a reason, and the store goes on", async () => {
    const path = await created();
    const store = await openIdentityStore(path);
    const member = { incarnation: "ff", bus: "h".repeat(200), address: "h:2", voter: true };
    const members = Array.from({ length: 40 }, (_, id) => ({ ...member, id: `node${id}` }));
    const save = store.save({ formation: { clusterId: "c1", revision: 0, members } });
    await expect(save).rejects.toThrow(/at most 8172 fit. The cluster has too many members/);
    expect(store.identity.formation).toBeUndefined();
    await store.save({ boots: 7 });
    await store.close();
    expect((await openIdentityStore(path).then(closed)).boots).toBe(7);
  });

  async function closed(store: FileIdentityStore): Promise<Identity> {
    await store.close();
    return store.identity;
  }

  test("a bad page is reported, and gone after two saves", async () => {
    const path = await created();
    await savedTo(path, 5);
    const file = await readFile(path);
    file.fill(0, 0, 4096);
    await writeFile(path, file);
    const store = await openIdentityStore(path);
    expect(store.badPages).toBe(1);
    expect(store.identity.hardState.term).toBe(5);
    await store.save({ boots: 1 });
    await store.save({ boots: 2 });
    await store.close();
    const healed = await openIdentityStore(path);
    expect(healed.badPages).toBe(0);
    await healed.close();
  });
});
