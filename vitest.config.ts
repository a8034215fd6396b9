import { defineConfig } from "vitest/config";

// Workspace packages resolve to their sources (the "tq-source" condition), so that a test never
// runs a stale build. Tests of processes run the build, which `pretest` has just made.
export default defineConfig({
  resolve: { conditions: ["tq-source"] },
  ssr: {
    resolve: { conditions: ["tq-source", "node"], externalConditions: ["tq-source", "node"] },
  },
  test: {
    include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts"],
    reporters: ["default", "./test/closing-line.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
