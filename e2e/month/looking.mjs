/** Somebody who is signed in and looks at the month. */
import { Visitor } from '../harness/browser.mjs';

/** The text of a month of an invented fleet comes from no engine: an agent of it says that it has none to ask. */
const NO_ENGINE = /Failed to load resource: .* 502/;

/**
 * @typedef {object} Looking
 * @property {import('../harness/month.mjs').Month} month
 * @property {Visitor} visitor
 * @property {import('playwright-core').Page} page
 * @property {(path: string) => Promise<unknown>} open
 * @property {(name: string) => import('playwright-core').Locator} region
 */

/** @param {import('../harness/month.mjs').Month} month @param {{ width?: number, height?: number, dark?: boolean }} [screen] @returns {Promise<Looking>} */
export async function looking(month, screen = { width: 1600, height: 1000 }) {
  const visitor = await Visitor.open(screen);
  const { page } = visitor;
  page.setDefaultTimeout(10_000);
  await page.goto(month.url + (await month.json('login')).path);
  await page.getByRole('navigation').first().waitFor();
  return {
    month,
    visitor,
    page,
    open: async (path) => {
      await page.goto(month.url + path);
      await page.getByRole('heading', { level: 1 }).first().waitFor();
    },
    region: (name) => page.getByRole('region', { name, exact: true }),
  };
}

/** What a browser complained about and should not have. @param {Visitor} visitor */
export const complaints = (visitor) => visitor.complaints.filter((one) => !NO_ENGINE.test(one));
