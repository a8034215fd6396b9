/**
 * Every implementation of the storage ports against the one suite of its port: LevelDB and files,
 * memory, and the faulty wrappers with no fault planned.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  freshIdentity,
  identityStoreConformance,
} from "../../../../test/conformance/identity-store.ts";
import { logStoreConformance } from "../../../../test/conformance/log-store.ts";
import { stateStoreConformance } from "../../../../test/conformance/state-store.ts";
import {
  FaultPlan,
  FaultyIdentityStore,
  FaultyLogStore,
  FaultyStateStore,
} from "../../src/storage/faulty-stores.ts";
import { createIdentity, openIdentityStore } from "../../src/storage/identity-store.ts";
import { openLogStore } from "../../src/storage/log-store.ts";
import { MemoryIdentityStore } from "../../src/storage/memory-identity-store.ts";
import { MemoryLogStore } from "../../src/storage/memory-log-store.ts";
import { MemoryStateStore } from "../../src/storage/memory-state-store.ts";
import { openStateStore } from "../../src/storage/state-store.ts";

interface Closable {
  close(): Promise<void>;
}

/** A store on disk that can be opened again, and its clean-up. */
async function onDisk<Store extends Closable>(open: (path: string) => Promise<Store>) {
  const directory = await mkdtemp(join(tmpdir(), "tq-conformance-"));
  let store = await open(join(directory, "store"));
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await open(join(directory, "store"));
      return store;
    },
    dispose: async () => {
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function inMemory<Store extends Closable>(store: Store) {
  return { store, dispose: () => store.close() };
}

function noFault(): FaultPlan {
  return new FaultPlan({ at: Number.POSITIVE_INFINITY, code: "EIO", effect: "lost" });
}

logStoreConformance("LevelLogStore", () =>
  onDisk((path) => openLogStore(path, { mode: "create" })),
);
logStoreConformance("MemoryLogStore", async () => inMemory(new MemoryLogStore()));
logStoreConformance("FaultyLogStore", async () =>
  inMemory(new FaultyLogStore(new MemoryLogStore(), noFault())),
);

stateStoreConformance("LevelStateStore", () =>
  onDisk((path) => openStateStore(path, { mode: "create" })),
);
stateStoreConformance("MemoryStateStore", async () => inMemory(new MemoryStateStore()));

identityStoreConformance("FileIdentityStore", () =>
  onDisk(async (path) => {
    await createIdentity(path, freshIdentity());
    return await openIdentityStore(path);
  }),
);
identityStoreConformance("MemoryIdentityStore", async () =>
  inMemory(new MemoryIdentityStore(freshIdentity())),
);
identityStoreConformance("FaultyIdentityStore", async () =>
  inMemory(new FaultyIdentityStore(new MemoryIdentityStore(freshIdentity()), noFault())),
);

stateStoreConformance("FaultyStateStore", async () =>
  inMemory(new FaultyStateStore(new MemoryStateStore(), noFault())),
);
