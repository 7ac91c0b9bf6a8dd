// The same done to many, a few at a time.

/** Calls at the same time. */
const AT_ONCE = 4;

/** Does `act` to each; gives those that it failed for, each with what was thrown. */
export async function toEach<T>(all: readonly T[], act: (one: T) => Promise<unknown>, ondone: () => void): Promise<{ one: T; thrown: unknown }[]> {
  const waiting = [...all];
  const failed: { one: T; thrown: unknown }[] = [];
  async function work(): Promise<void> {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      try {
        await act(one);
      } catch (thrown) {
        failed.push({ one, thrown });
      }
      ondone();
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return failed;
}
