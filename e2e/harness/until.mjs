/**
 * Waiting without sleeping: ask again until the answer is there, or say what never came.
 *
 * @template T
 * @param {string} why what is waited for, for the reader of a failure
 * @param {() => T | Promise<T>} predicate any truthy answer ends the wait; an error counts as "not yet"
 * @param {{ within?: number, every?: number }} [limits] milliseconds
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(why, predicate, { within = 30_000, every = 100 } = {}) {
  const deadline = performance.now() + within;
  /** @type {unknown} */
  let last;
  for (;;) {
    try {
      const answer = await predicate();
      if (answer) return /** @type {NonNullable<T>} */ (answer);
      last = answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadline) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`${why}: not within ${within} ms; last seen: ${seen}`);
    }
    await new Promise((wake) => setTimeout(wake, every));
  }
}

/**
 * The opposite: what must not come true while something else is going on.
 *
 * @param {string} why
 * @param {() => unknown} predicate
 * @param {number} during milliseconds
 */
export async function never(why, predicate, during) {
  const deadline = performance.now() + during;
  while (performance.now() < deadline) {
    if (await predicate()) throw new Error(`came true, and must not: ${why}`);
    await new Promise((wake) => setTimeout(wake, 100));
  }
}
