/** Somebody who is signed in and looks at the month. */
import { Visitor } from '../harness/browser.mjs';

/** Answers that are not there on purpose: an invented machine has no engine to ask, some names are nobody's, some answers are refused. */
const MEANT = /Failed to load resource: .* (404|502|503)/;

/** What a server says that cannot answer now. */
export const REFUSAL = {
  status: 503,
  contentType: 'application/problem+json',
  body: JSON.stringify({ type: '/errors/busy', title: 'The server has too much to do', status: 503, code: 'busy', detail: 'too many questions at once', remedy: 'ask again in a moment' }),
};

/**
 * @typedef {object} Looking
 * @property {import('../harness/stead.mjs').Stead} month
 * @property {Visitor} visitor
 * @property {import('playwright-core').Page} page
 * @property {(path: string) => Promise<unknown>} open
 * @property {(name: string) => import('playwright-core').Locator} region
 */

/** @param {import('../harness/stead.mjs').Stead} month @param {{ width?: number, height?: number, dark?: boolean }} [screen] @returns {Promise<Looking>} */
export async function looking(month, screen = { width: 1600, height: 1000 }) {
  const visitor = await Visitor.open(screen);
  const { page } = visitor;
  page.setDefaultTimeout(20_000);
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
export const complaints = (visitor) => visitor.complaints.filter((one) => !MEANT.test(one));

/**
 * The server's own answer, changed on its way to the page.
 *
 * @param {Looking} looking @param {RegExp} question @param {(answer: any) => void} change @param {() => Promise<void>} look
 */
export async function altered({ page }, question, change, look) {
  await page.route(question, async (route) => {
    const response = await route.fetch();
    const answer = await response.json();
    change(answer);
    await route.fulfill({ response, json: answer });
  });
  await look();
  await page.unrouteAll({ behavior: 'ignoreErrors' });
}
