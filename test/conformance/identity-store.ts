/**
 * What every IdentityStore must do, whatever it stands on. Called by the tests of each
 * implementation with a way to make one that holds `freshIdentity()`.
 */
import { describe, expect, test } from "vitest";
import type { Identity, IdentityStore } from "../../packages/broker/src/ports.ts";

export interface IdentityStoreFixture {
  readonly store: IdentityStore;
  /** Closes the store and opens it again. */
  readonly reopen?: () => Promise<IdentityStore>;
  dispose(): Promise<void>;
}

export function freshIdentity(): Identity {
  return {
    nodeId: "node1",
    incarnation: "00112233445566778899aabbccddeeff",
    formation: undefined,
    founded: false,
    boots: 0,
    hardState: { term: 0, vote: undefined },
  };
}

export function identityStoreConformance(
  name: string,
  make: () => Promise<IdentityStoreFixture>,
): void {
  async function using(body: (fixture: IdentityStoreFixture) => Promise<void>): Promise<void> {
    const fixture = await make();
    try {
      await body(fixture);
    } finally {
      await fixture.dispose();
    }
  }

  describe(`${name} is an IdentityStore`, () => {
    test("a change leaves the rest, and survives", () =>
      using(async ({ store, reopen }) => {
        const formation = {
          clusterId: "c1",
          revision: 3,
          members: [
            { id: "node1", incarnation: "ff", bus: "h:1", address: "h:2", voter: true },
            { id: "node2", incarnation: "ee", bus: "h:3", address: "h:4", voter: false },
          ],
        };
        await store.save({ hardState: { term: 3, vote: "node2" } });
        await store.save({ formation, founded: true });
        const expected = {
          ...freshIdentity(),
          formation,
          founded: true,
          hardState: { term: 3, vote: "node2" },
        };
        expect(store.identity).toEqual(expected);
        expect(((await reopen?.()) ?? store).identity).toEqual(expected);
      }));

    test("a vote is forgotten with the next term", () =>
      using(async ({ store, reopen }) => {
        await store.save({ hardState: { term: 3, vote: "node2" } });
        await store.save({ hardState: { term: 4, vote: undefined } });
        const after = (await reopen?.()) ?? store;
        expect(after.identity.hardState).toEqual({ term: 4, vote: undefined });
      }));

    test("saves not waited for are carried out in the order of the calls", () =>
      using(async ({ store }) => {
        const terms = [1, 2, 3, 4, 5];
        await Promise.all(
          terms.map((term) => store.save({ hardState: { term, vote: `n${term}` }, boots: term })),
        );
        expect(store.identity.hardState).toEqual({ term: 5, vote: "n5" });
        expect(store.identity.boots).toBe(5);
      }));

    test("refuses a term that falls", () =>
      using(async ({ store }) => {
        await store.save({ hardState: { term: 3, vote: undefined } });
        const back = store.save({ hardState: { term: 2, vote: undefined } });
        await expect(back).rejects.toThrow(/term/);
        expect(store.identity.hardState.term).toBe(3);
      }));

    test("refuses a second vote in one term", () =>
      using(async ({ store }) => {
        await store.save({ hardState: { term: 3, vote: "node2" } });
        const second = store.save({ hardState: { term: 3, vote: "node3" } });
        await expect(second).rejects.toThrow(/vote/);
        expect(store.identity.hardState.vote).toBe("node2");
      }));
  });
}
