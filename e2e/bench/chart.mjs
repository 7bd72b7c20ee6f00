/**
 * Whether a node's history draws thirty days without a stutter, on a processor four times slower than this one. Prints one line
 * of JSON per figure.
 *
 *   node bench/chart.mjs LOGIN-LINK --node NAME [--rounds N] [--clicks]
 *
 * The node needs a history of thirty days. The pointer is led over the chart, which moves a cursor in all of them, and the span is
 * changed. Measured is the longest task of the page's thread, since a frame cannot be shorter: its processor time without a brake,
 * four times. `--clicks`, for a machine that does nothing else: each click, with the brake, from the input to the next paint.
 */
import { answered, quantile, say, signedIn, SLOWER, tasks, visit } from './browser.mjs';

const [link = '', ...rest] = process.argv.slice(2);
/** @param {string} name @param {string} otherwise */
const argument = (name, otherwise) => (rest.includes(name) ? (rest[rest.indexOf(name) + 1] ?? otherwise) : otherwise);
const NODE = argument('--node', '');
const ROUNDS = Number(argument('--rounds', '3'));
const STEPS = 90;

const cookies = await signedIn(link);
/** @type {Record<string, number[]>} */
const found = {};
/** @param {string} name @param {number[]} values */
const keep = (name, ...values) => (found[name] = [...(found[name] ?? []), ...values]);
let points = 0;
/** The node's page with its charts drawn and at rest. @param {import('playwright-core').Page} page */
async function drawn(page) {
  const answer = page.waitForResponse((one) => one.url().includes('/api/v1/history?') && one.url().includes('cpu_percent'));
  await page.goto(`${new URL(link).origin}/nodes/${NODE}?range=30d`, { waitUntil: 'commit' });
  points = (await (await answer).json()).series[0]?.points.length ?? 0;
  const chart = page.locator('#history .u-over').first();
  await chart.waitFor();
  await chart.scrollIntoViewIfNeeded();
  await page.waitForTimeout(2500);
  const box = await chart.boundingBox();
  if (!box) throw new Error('the chart has no place');
  return box;
}

const SPANS = /** @type {[string, string][]} */ ([['day', '24 h'], ['month', '30 d'], ['year', '1 y'], ['month', '30 d']]);
/** @param {import('playwright-core').Page} page @param {string} text */
const span = (page, text) => page.locator('#history').getByRole('button', { name: text, exact: true }).click();

for (let round = 0; round < ROUNDS; round += 1) {
  const { visitor, page } = await visit(cookies, 1);
  const box = await drawn(page);
  const led = await tasks(visitor, async () => {
    for (let step = 0; step <= STEPS; step += 1) await page.mouse.move(box.x + (box.width * step) / STEPS, box.y + box.height / 2);
  });
  keep('pointer', (led[0] ?? NaN) * SLOWER);
  for (const [name, text] of SPANS) {
    const all = await tasks(visitor, async () => {
      await span(page, text);
      await page.waitForTimeout(1500);
    });
    keep(`draw_${name}`, (all[0] ?? NaN) * SLOWER);
  }
  await visitor.remove();

  if (!rest.includes('--clicks')) continue;
  const slow = await visit(cookies);
  await drawn(slow.page);
  for (const [name, text] of SPANS) keep(`click_${name}`, await answered(slow.page, () => span(slow.page, text)));
  await slow.visitor.remove();
}
say('chart_points', points, 'points');
for (const [name, values] of Object.entries(found)) {
  say(`chart_${name}`, quantile(values, 0.5), 'ms');
  say(`chart_${name}_least`, Math.min(...values), 'ms');
}
