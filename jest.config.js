/** What both projects share. */
const common = {
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  transform: { "\\.ts$": "<rootDir>/test/support/strip-types.js" },
  globalSetup: "<rootDir>/test/global-setup.ts",
  globalTeardown: "<rootDir>/test/global-teardown.ts",
  modulePathIgnorePatterns: ["<rootDir>/.data/"],
  testPathIgnorePatterns: ["<rootDir>/test/clients/"],
};

/** @type {import("jest").Config} */
export default {
  projects: [
    {
      ...common,
      displayName: "quick",
      testMatch: ["<rootDir>/test/**/*.test.ts"],
      testPathIgnorePatterns: [...common.testPathIgnorePatterns, "\\.slow\\.test\\.ts$"],
    },
    {
      ...common,
      displayName: "slow",
      testMatch: ["<rootDir>/test/**/*.slow.test.ts"],
    },
  ],
  maxWorkers: 2,
  // Jest does not free the ES modules of finished test files: a worker is replaced before its heap is full.
  workerIdleMemoryLimit: "1500MB",
  testTimeout: 90_000,
};
