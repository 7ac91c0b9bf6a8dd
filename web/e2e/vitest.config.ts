// One file after the other: each starts a server and a browser of its own.
import { defineConfig } from 'vitest/config';

// What is polled for has as long as what Playwright waits for: the default of a second is short beside a busy machine.
export default defineConfig({
  test: { fileParallelism: false, testTimeout: 60_000, hookTimeout: 60_000, expect: { poll: { timeout: 30_000 } } },
});
