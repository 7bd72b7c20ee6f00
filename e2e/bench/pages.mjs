/**
 * How soon a page with a thousand services is of use, and how soon it answers a click, on a processor four times slower than
 * this one. Prints one line of JSON per figure; `cargo xtask bench pages` puts up the server and the fleet for it.
 *
 *   node bench/pages.mjs LOGIN-LINK [--rounds N] [--services N] [--node NAME] [--trace FILE]
 *
 * Slower by Chromium's own brake (`Emulation.setCPUThrottlingRate`), as its developers' tools do it. A visit is a fresh
 * browser context that is signed in: nothing cached, nothing compiled. Of use: the first frame in which rows can be read.
 * A click: Event Timing from the input to the next paint, as *Interaction to Next Paint* counts it.
 */
import { writeFile } from 'node:fs/promises';
import { Visitor } from '../harness/browser.mjs';

const [link = '', ...rest] = process.argv.slice(2);
/** @param {string} name @param {string} otherwise */
const argument = (name, otherwise) => (rest.includes(name) ? (rest[rest.indexOf(name) + 1] ?? otherwise) : otherwise);
const ROUNDS = Number(argument('--rounds', '7'));
const SERVICES = Number(argument('--services', '1000'));
const NODE = argument('--node', '');
const TRACE = argument('--trace', '');
const SLOWER = 4;
const BASE = new URL(link).origin;

/** @param {string} bench @param {number} value @param {string} unit */
const say = (bench, value, unit) => console.log(JSON.stringify({ bench, unit, value: Math.round(value * 10) / 10 }));
/** @param {number[]} values @param {number} part */
const quantile = (values, part) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? NaN;

/** Runs in the page from its first moment: when it could be read, what clicks and frames took. */
function watcher() {
  /** @type {any} */
  const seen = { rows: null, clicks: [], long: [] };
  Object.assign(globalThis, { seen });
  const look = () => {
    const rows = document.querySelectorAll('[data-row]').length;
    const state = document.querySelector('[data-row] [data-state]');
    if (rows >= 10 && state) {
      // The frame after is the one in which they are on the screen.
      requestAnimationFrame(() => (seen.rows ??= performance.now()));
    } else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { interactionId, duration, name, processingStart, processingEnd, startTime } = /** @type {any} */ (entry);
      if (interactionId) seen.clicks.push({ name, duration, wait: processingStart - startTime, work: processingEnd - processingStart });
    }
  }).observe(/** @type {any} */ ({ type: 'event', durationThreshold: 16, buffered: true }));
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) seen.long.push({ at: entry.startTime, duration: entry.duration });
  }).observe({ type: 'longtask', buffered: true });
}

const first = await Visitor.open();
await first.page.goto(link);
await first.page.getByRole('navigation').first().waitFor();
const cookies = await first.page.context().cookies();
await first.remove();

/** A visit of somebody who is signed in, with nothing cached. */
async function visit() {
  const visitor = await Visitor.open();
  const { page } = visitor;
  await page.context().addCookies(cookies);
  await page.addInitScript(watcher);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
  return { visitor, page };
}

/** @param {import('playwright-core').Page} page */
const seen = (page) => page.evaluate(() => /** @type {any} */ (globalThis).seen);

/** @param {import('playwright-core').Page} page */
async function useful(page) {
  await page.goto(`${BASE}/services`, { waitUntil: 'commit' });
  await page.waitForFunction(() => /** @type {any} */ (globalThis).seen?.rows, undefined, { timeout: 60_000 });
  return (await seen(page)).rows;
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
/** @type {Map<string, number[]>} */
const clicks = new Map();
let rows = 0;
for (let round = 0; round < ROUNDS; round += 1) {
  const { visitor, page } = await visit();
  if (TRACE && round === 0) await visitor.browser.startTracing(page, { categories: ['devtools.timeline', 'disabled-by-default-v8.cpu_profiler', 'v8.execute', 'blink.user_timing', 'loading'] });
  cold.push(await useful(page));
  if (TRACE && round === 0) await writeFile(TRACE, await visitor.browser.stopTracing());
  await page.getByText(/\d rows$/).waitFor();
  rows = Number(((await page.getByText(/\d rows$/).textContent()) ?? '').replaceAll(/[^\d]/g, ''));
  for (const [name, act] of CLICKS) {
    // Let the page come to rest first: what is measured is this click, not what loading left to do.
    await page.waitForTimeout(700);
    const before = (await seen(page)).clicks.length;
    await act(page);
    await page.waitForTimeout(700);
    const all = (await seen(page)).clicks.slice(before);
    const took = Math.max(0, ...all.map((/** @type {any} */ one) => one.duration));
    clicks.set(name, [...(clicks.get(name) ?? []), took]);
  }
  warm.push(await useful(page));
  await visitor.remove();
}
if (rows < SERVICES) throw new Error(`the page has ${rows} rows, not ${SERVICES}`);
say('pages_rows', rows, 'rows');
say('pages_useful_cold', quantile(cold, 0.5), 'ms');
say('pages_useful_cold_worst', Math.max(...cold), 'ms');
say('pages_useful_warm', quantile(warm, 0.5), 'ms');
for (const [name, took] of clicks) {
  say(`pages_click_${name}`, quantile(took, 0.5), 'ms');
  say(`pages_click_${name}_worst`, Math.max(...took), 'ms');
}
if (NODE) await (await import('./chart.mjs')).measure({ visit, base: BASE, node: NODE, say });
