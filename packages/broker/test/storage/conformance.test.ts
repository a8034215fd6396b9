/**
 * Every implementation of the storage ports against the one suite of its port: LevelDB and files,
 * memory, and the faulty wrappers with no fault planned.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  freshIdentity,
  identityStoreConformance,
} from "../../../../test/conformance/identity-store.ts";
import { logBaseConformance } from "../../../../test/conformance/log-base.ts";
import { logStoreConformance } from "../../../../test/conformance/log-store.ts";
import { stateDirectoryConformance } from "../../../../test/conformance/state-directory.ts";
import { stateStoreConformance } from "../../../../test/conformance/state-store.ts";
import {
  FaultPlan,
  FaultyIdentityStore,
  FaultyLogStore,
  FaultyStateDirectory,
  FaultyStateStore,
} from "../../src/storage/faulty-stores.ts";
import { createIdentity, openIdentityStore } from "../../src/storage/identity-store.ts";
import { openLogStore } from "../../src/storage/log-store.ts";
import { MemoryIdentityStore } from "../../src/storage/memory-identity-store.ts";
import { MemoryLogStore } from "../../src/storage/memory-log-store.ts";
import { MemoryStateDirectory } from "../../src/storage/memory-state-directory.ts";
import { MemoryStateStore } from "../../src/storage/memory-state-store.ts";
import { openStateDirectory } from "../../src/storage/state-directory.ts";
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

for (const conformance of [logStoreConformance, logBaseConformance]) {
  conformance("LevelLogStore", () => onDisk((path) => openLogStore(path, { mode: "create" })));
  conformance("MemoryLogStore", async () => inMemory(new MemoryLogStore()));
  conformance("FaultyLogStore", async () =>
    inMemory(new FaultyLogStore(new MemoryLogStore(), noFault())),
  );
}

stateStoreConformance("LevelStateStore", () =>
  onDisk((path) => openStateStore(path, { mode: "create" })),
);
stateStoreConformance("MemoryStateStore", async () => inMemory(new MemoryStateStore()));

stateDirectoryConformance("LevelStateDirectory", async () => {
  const { store, ...rest } = await onDisk(async (path) => {
    await mkdir(path, { recursive: true });
    return await openStateDirectory(path, "create");
  });
  return { states: store, ...rest };
});
stateDirectoryConformance("MemoryStateDirectory", async () => {
  let states = new MemoryStateDirectory();
  const reopen = async () => {
    states = states.reopened();
    return states;
  };
  return { states, reopen, dispose: () => states.close() };
});
stateDirectoryConformance("FaultyStateDirectory", async () => {
  const inner = new MemoryStateDirectory();
  const states = new FaultyStateDirectory(inner, noFault());
  return { states, dispose: () => inner.close() };
});

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
