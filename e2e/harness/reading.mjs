/** A page as a person reads it: words in a line, tables by their heads. */
import { until } from './until.mjs';

/** @typedef {import('playwright-core').Locator} Locator */
/** @typedef {string | RegExp} Words */

const SPACES = /[\s\u00a0\u202f]+/g;
const WITHIN = 20_000;

/** @param {string} said */
export const plain = (said) => said.replaceAll(SPACES, ' ').trim();

/** As a sentence begins. @param {string} said */
export const large = (said) => said.charAt(0).toUpperCase() + said.slice(1);

/** What is to be seen there. @param {Locator} place */
export const text = async (place) => plain(await place.innerText());

/** Waits until all of it is to be read there; pages are live. @param {Locator} place @param {Words[]} expected */
export function says(place, ...expected) {
  const is = (/** @type {string} */ said, /** @type {Words} */ one) => (typeof one === 'string' ? said.includes(plain(one)) : one.test(said));
  return until(
    'it says what it should',
    async () => {
      const said = await text(place);
      const lacks = expected.filter((one) => !is(said, one));
      if (lacks.length > 0) throw new Error(`it lacks "${lacks.join('" and "')}": ${said.slice(0, 3000)}`);
      return true;
    },
    { within: WITHIN },
  );
}

/**
 * It holds by now or soon.
 *
 * @template T
 * @param {string} why @param {() => T | Promise<T>} predicate
 */
export const soon = (why, predicate) => until(why, predicate, { within: WITHIN });

/**
 * The rows of a table, each as its cells by the heads of their columns.
 *
 * @param {import('playwright-core').Page} page @param {string} name
 * @returns {Promise<Record<string, string>[]>}
 */
export async function rows(page, name) {
  const table = page.getByRole('table', { name, exact: true });
  await table.locator('tbody tr[data-row]').first().waitFor();
  const heads = (await table.locator('thead th').allInnerTexts()).map(plain);
  const found = await table.locator('tbody tr[data-row]').all();
  return Promise.all(found.map(async (row) => Object.fromEntries((await row.locator('td').allInnerTexts()).map((cell, i) => [heads[i] ?? '', plain(cell)]))));
}

/**
 * Bytes in the unit in which there are fewer than `most` of them.
 *
 * @param {number} value @param {number} most @returns {[number, string]}
 */
export function scaled(value, most) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [n, unit] = [value, 0];
  for (; n >= most; unit += 1) n /= 1024;
  return [n, units[unit] ?? ''];
}

/** `310 MiB`, computed by the reader, so that a page is not compared with itself. @param {number} value */
export function bytes(value) {
  const [n, unit] = scaled(value, 1023.95);
  return `${n.toFixed(unit === 'B' || n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2)} ${unit}`;
}

export const BYTES = String.raw`\d[\d.]* (?:B|KiB|MiB|GiB|TiB)`;
export const PERCENT = String.raw`\d[\d.]* %`;
