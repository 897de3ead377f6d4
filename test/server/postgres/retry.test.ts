import { expect, test } from "@jest/globals";

import { retry } from "../../../server/postgres/retry.ts";

const options = { attempts: 3, pause: 1, isWorthwhile: () => true };

function failing(times: number) {
  let calls = 0;
  return {
    work: () => {
      calls += 1;
      return calls <= times
        ? Promise.reject(new Error(`failure ${calls}`))
        : Promise.resolve("done");
    },
    calls: () => calls,
  };
}

test("work that fails for a moment is done in the end", async () => {
  expect(await retry(failing(2).work, options)).toBe("done");
});

test("the last failure is reported when all attempts have failed", async () => {
  await expect(retry(failing(9).work, options)).rejects.toThrow("failure 3");
});

test("a failure that another attempt cannot mend is reported at once", async () => {
  const { work, calls } = failing(9);
  await expect(retry(work, { ...options, isWorthwhile: () => false })).rejects.toThrow("failure 1");
  expect(calls()).toBe(1);
});
