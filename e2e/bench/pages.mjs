/**
 * How soon a page with a thousand services is of use, and how soon it answers a click, on a processor four times slower than
 * this one. Prints one line of JSON per figure; `cargo xtask bench pages` puts up the server and the fleet for it.
 *
 *   node bench/pages.mjs LOGIN-LINK [--rounds N] [--services N] [--trace FILE]
 *
 * Slower by Chromium's own brake (`Emulation.setCPUThrottlingRate`), as its developers' tools do it. A visit is a fresh
 * browser context that is signed in: nothing cached, nothing compiled. Of use: the first frame in which rows can be read.
 * A click: Event Timing from the input to the next paint, as *Interaction to Next Paint* counts it. The page's own work is
 * measured without the brake, as processor time of its thread: that is the same on a busy machine, times do not mean much there.
 */
import { writeFile } from 'node:fs/promises';
import { answered, quantile, say, seen, signedIn, visit } from './browser.mjs';

const [link = '', ...rest] = process.argv.slice(2);
/** @param {string} name @param {string} otherwise */
const argument = (name, otherwise) => (rest.includes(name) ? (rest[rest.indexOf(name) + 1] ?? otherwise) : otherwise);
const ROUNDS = Number(argument('--rounds', '7'));
const SERVICES = Number(argument('--services', '1000'));
const TRACE = argument('--trace', '');
const BASE = new URL(link).origin;

const cookies = await signedIn(link);

/** @param {import('playwright-core').Page} page */
async function useful(page) {
  await page.goto(`${BASE}/services`, { waitUntil: 'commit' });
  await page.waitForFunction(() => /** @type {any} */ (globalThis).seen?.rows, undefined, { timeout: 60_000 });
  return (await seen(page)).rows;
}

/** Processor time of the page's thread until it is of use, in milliseconds. */
async function work() {
  const { visitor, page, cdp } = await visit(cookies, 1);
  // The same process, with nothing in it yet.
  await page.goto(`${BASE}/favicon.svg`);
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
  const spent = async () => (await cdp.send('Performance.getMetrics')).metrics.find((one) => one.name === 'TaskDuration')?.value ?? NaN;
  const before = await spent();
  await useful(page);
  const after = await spent();
  await visitor.remove();
  return (after - before) * 1000;
}

/** What a person clicks on that page. @type {[string, (page: import('playwright-core').Page) => Promise<unknown>][]} */
const CLICKS = [
  ['chip', (page) => page.getByRole('group', { name: 'Which services' }).getByRole('button', { name: /Drift/ }).click()],
  ['chip_all', (page) => page.getByRole('group', { name: 'Which services' }).getByRole('button', { name: /All/ }).click()],
  ['sort', (page) => page.getByRole('columnheader', { name: 'Service' }).getByRole('button').click()],
  ['sort_back', (page) => page.getByRole('columnheader', { name: 'Service' }).getByRole('button').click()],
  ['filter', (page) => page.getByRole('searchbox').first().press('4')],
  ['filter_more', (page) => page.getByRole('searchbox').first().press('2')],
  ['columns', (page) => page.getByRole('button', { name: 'Choose columns' }).click()],
  ['columns_close', (page) => page.keyboard.press('Escape')],
  ['open', (page) => page.locator('[data-row] a[data-open]').first().click()],
];

/** @type {number[]} */
const cold = [];
/** @type {number[]} */
const warm = [];
/** @type {number[]} */
const worked = [];
/** @type {Map<string, number[]>} */
const clicks = new Map();
let rows = 0;
for (let round = 0; round < ROUNDS; round += 1) {
  const { visitor, page } = await visit(cookies);
  if (TRACE && round === 0) await visitor.browser.startTracing(page, { categories: ['devtools.timeline', 'disabled-by-default-v8.cpu_profiler', 'v8.execute', 'blink.user_timing', 'loading'] });
  cold.push(await useful(page));
  if (TRACE && round === 0) await writeFile(TRACE, await visitor.browser.stopTracing());
  await page.getByText(/\d rows$/).waitFor();
  rows = Number(((await page.getByText(/\d rows$/).textContent()) ?? '').replaceAll(/[^\d]/g, ''));
  for (const [name, act] of CLICKS) {
    const took = await answered(page, () => act(page));
    clicks.set(name, [...(clicks.get(name) ?? []), took]);
  }
  warm.push(await useful(page));
  await visitor.remove();
  worked.push(await work());
}
if (rows < SERVICES) throw new Error(`the page has ${rows} rows, not ${SERVICES}`);
say('pages_rows', rows, 'rows');
say('pages_useful_cold', quantile(cold, 0.5), 'ms');
say('pages_useful_cold_worst', Math.max(...cold), 'ms');
say('pages_useful_work', Math.min(...worked), 'ms');
say('pages_useful_warm', quantile(warm, 0.5), 'ms');
for (const [name, took] of clicks) {
  say(`pages_click_${name}`, quantile(took, 0.5), 'ms');
  say(`pages_click_${name}_worst`, Math.max(...took), 'ms');
}
