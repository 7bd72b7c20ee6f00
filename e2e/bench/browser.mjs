/** What the measurements in a browser share: a visitor on a slower processor, and a page that takes notes of itself. */
import { Visitor } from '../harness/browser.mjs';

/** How much slower than this machine: by Chromium's own brake, as its developers' tools do it. */
export const SLOWER = 4;

/** @param {string} bench @param {number} value @param {string} unit */
export const say = (bench, value, unit) => console.log(JSON.stringify({ bench, unit, value: Math.round(value * 10) / 10 }));

/** @param {number[]} values @param {number} part */
export const quantile = (values, part) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? NaN;

/** Signs in once; the link is spent after that. @param {string} link */
export async function signedIn(link) {
  const first = await Visitor.open();
  await first.page.goto(link);
  await first.page.getByRole('navigation').first().waitFor();
  const cookies = await first.page.context().cookies();
  await first.remove();
  return cookies;
}

/** Runs in the page from its first moment: when rows could be read, what clicks and frames took. */
function watcher() {
  /** @type {any} */
  const seen = { rows: null, clicks: [], frames: [] };
  Object.assign(globalThis, { seen });
  const look = () => {
    const rows = document.querySelectorAll('[data-row]').length;
    const state = document.querySelector('[data-row] [data-state]');
    if (rows >= 10 && state) {
      // The frame after is the one in which they are on the screen.
      requestAnimationFrame(() => (seen.rows ??= performance.now()));
    } else if (location.pathname === '/services') requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { interactionId, duration, name } = /** @type {any} */ (entry);
      if (interactionId) seen.clicks.push({ name, duration });
    }
  }).observe(/** @type {any} */ ({ type: 'event', durationThreshold: 16, buffered: true }));
}

/** A visit of somebody who is signed in, with nothing cached. @param {any[]} cookies */
export async function visit(cookies, slower = SLOWER) {
  const visitor = await Visitor.open();
  const { page } = visitor;
  await page.context().addCookies(cookies);
  await page.addInitScript(watcher);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: slower });
  return { visitor, page, cdp };
}

/** @param {import('playwright-core').Page} page */
export const seen = (page) => page.evaluate(() => /** @type {any} */ (globalThis).seen);

/** What an act took from its input to the next paint: its longest event. @param {import('playwright-core').Page} page @param {() => Promise<unknown>} act */
export async function answered(page, act) {
  // Let the page come to rest first: what is measured is this, not what loading left to do.
  await page.waitForTimeout(700);
  const before = (await seen(page)).clicks.length;
  await act();
  await page.waitForTimeout(700);
  const all = (await seen(page)).clicks.slice(before);
  return Math.max(0, ...all.map((/** @type {any} */ one) => one.duration));
}

/**
 * The tasks of the page's thread while `act` goes on, as milliseconds of its processor time, longest first: unlike the length of
 * a frame, the same on a machine that does other things beside. @param {Visitor} visitor @param {() => Promise<unknown>} act
 */
export async function tasks({ browser, page }, act) {
  await browser.startTracing(page, { categories: ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline'] });
  await act();
  /** @type {{ traceEvents: any[] }} */
  const { traceEvents } = JSON.parse(String(await browser.stopTracing()));
  const named = traceEvents.filter((one) => one.name === 'thread_name' && one.args.name === 'CrRendererMain');
  const main = new Set(named.map((one) => `${one.pid}/${one.tid}`));
  const own = traceEvents.filter((one) => one.ph === 'X' && /RunTask$/.test(one.name) && main.has(`${one.pid}/${one.tid}`));
  return own.map((one) => (one.tdur ?? 0) / 1000).sort((a, b) => b - a);
}
