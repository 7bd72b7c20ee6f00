/** What pages say while an answer is on its way, when none comes, and how they go on. The answers are held or refused on their way. */
import assert from 'node:assert/strict';
import { says, soon, text } from '../harness/reading.mjs';
import { REFUSAL } from './looking.mjs';

/** @typedef {import('./looking.mjs').Looking} Looking */

/** Page, the question it cannot do without, and what is there once it is answered. @type {[string, RegExp, string][]} */
const PAGES = [
  ['/', /\/api\/v1\/overview/, 'Needs you'],
  ['/nodes/web-1', /\/api\/v1\/nodes\/web-1(\?|$)/, 'Machine'],
  ['/containers', /\/api\/v1\/containers(\?|$)/, 'containers on 6 nodes'],
  ['/containers/web-1/shop', /\/api\/v1\/containers\/web-1\/shop(\?|$)/, 'As it is'],
  ['/containers?tab=memory', /\/api\/v1\/advice\/memory/, 'To change'],
  ['/inventory', /\/api\/v1\/inventory/, 'things on 6 machines'],
  ['/models', /\/api\/v1\/models/, 'Graphics processor'],
];
/** Parts of a page that fail by themselves: page, question, where it is said, what it says. @type {[string, RegExp, string, string[]][]} */
const PARTS = [
  ['/', /\/api\/v1\/score/, 'Score', ['The score could not be loaded.', 'too many questions at once', 'It is asked for again by itself.']],
  ['/nodes/web-1', /\/api\/v1\/nodes\/web-1\/score/, 'Score', ['The server has too much to do', 'ask again in a moment', 'Try again']],
  ['/nodes/web-1', /\/api\/v1\/history/, 'History', ['The server has too much to do', 'ask again in a moment', 'Try again']],
  ['/nodes/web-1', /\/api\/v1\/trends/, 'History', ['Where the disks lead could not be loaded.']],
];

/** @param {Looking} looking */
export async function whereNoAnswerComesThePageSaysWhatToDo({ page, open }) {
  for (const [path, question, after] of PAGES) {
    await page.route(question, (route) => route.fulfill(REFUSAL));
    await open(path);
    const main = page.getByRole('main');
    await says(main, 'The server has too much to do', 'too many questions at once', 'ask again in a moment', 'Try again');
    await page.unroute(question);
    await main.getByRole('button', { name: 'Try again' }).first().click();
    await says(main, after);
    await soon('the trouble is gone', async () => !(await text(main)).includes('too much to do'));
  }
  for (const [path, question, region, words] of PARTS) {
    await page.route(question, (route) => route.fulfill(REFUSAL));
    await open(path);
    const place = page.getByRole('region', { name: region, exact: true });
    await says(place, ...words);
    await page.unroute(question);
    if (words.includes('Try again')) {
      await place.getByRole('button', { name: 'Try again' }).click();
      await soon('it is there', async () => !(await text(place)).includes('too much to do'));
    }
  }
}

/** @param {Looking} looking */
export async function theWallSaysThatItHasNoAnswer({ page, open }) {
  await page.route(/\/api\/v1\/overview/, (route) => route.fulfill(REFUSAL));
  await open('/tv').catch(() => {});
  await says(page.getByRole('alert'), 'The server has too much to do', 'ask again in a moment', 'It is asked for again each minute.');
  await page.unroute(/\/api\/v1\/overview/);
}

/** @param {Looking} looking */
export async function whileAnAnswerIsOnItsWayNothingJumps({ page, open }) {
  for (const [path, question, after] of PAGES) {
    /** @type {() => void} */
    let release = () => {};
    const held = new Promise((done) => (release = () => done(undefined)));
    await page.route(question, async (route) => {
      await held;
      await route.continue().catch(() => {});
    });
    await page.goto('about:blank');
    await open(path);
    const main = page.getByRole('main');
    await soon(`${path}: something stands for it`, async () => (await main.locator('.skeleton').count()) > 0);
    const heading = page.getByRole('heading', { level: 1 });
    const before = await heading.boundingBox();
    assert((await main.locator('[aria-busy=true]').count()) > 0, `${path}: it says that it waits`);
    release();
    await says(main, after);
    await soon('nothing waits any more', async () => (await main.locator('.skeleton').count()) === 0);
    const now = await heading.boundingBox();
    if (path !== '/') assert.equal(now?.y, before?.y, `${path}: the heading stays where it is`);
    await page.unroute(question);
  }
}
