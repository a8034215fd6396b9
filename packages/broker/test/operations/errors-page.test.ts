/** The documentation's page of errors is made from the catalogue; `-u` writes it anew. */
import { ERRORS } from "task-queue-protocol";
import { expect, test } from "vitest";
import { ERROR_GUIDE, errorsPage } from "../../src/operations/error-guide.ts";

const PAGE = new URL("../../../../docs/errors.md", import.meta.url).pathname;

test("docs/errors.md is up to date", async () => {
  await expect(errorsPage()).toMatchFileSnapshot(PAGE);
});

test("every code says when it comes and what to do", () => {
  expect(Object.keys(ERROR_GUIDE)).toEqual(Object.keys(ERRORS));
  for (const { meaning, fix } of Object.values(ERROR_GUIDE)) {
    expect(meaning).toMatch(/^[A-Z].*\.$/);
    expect(fix).toMatch(/^[A-Z].*\.$/);
  }
});
