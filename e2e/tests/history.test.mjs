/** What the agent measures is in the server's history, outlives a kill -9, and is answered by range, score and trend. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Visitor } from '../harness/browser.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

const NODE = encodeURIComponent('{node="piha"}');
const STEAL = encodeURIComponent('stead_node_cpu_percent{node="piha",mode="steal"}');
const MEMORY = encodeURIComponent('stead_node_memory_available_bytes{node="piha"}');

/** @typedef {[at: number, min: number, avg: number, max: number]} Point */

/** @param {import('../harness/stead.mjs').Stead} stead @param {string} match @returns {Promise<Point[]>} */
async function points(stead, match) {
  const answer = await stead.get(`/api/v1/history?match=${match}&from=10m&step=10s`);
  return answer.series[0]?.points ?? [];
}

/** @param {import('node:test').TestContext} t */
async function measured(t) {
  const scene = new Scene(t);
  const stead = await scene.up(await scene.fleet('piha', '  router: { kind: external, monitor: false }\n'));
  await stead.fresh();
  const some = await until('two steps are recorded', async () => {
    const found = await points(stead, MEMORY);
    return found.length >= 2 ? found : undefined;
  });
  return { stead, some };
}

test('samples are recorded, outlive a kill -9, and go on', async (t) => {
  const { stead, some } = await measured(t);
  for (const [at, min, avg, max] of some) {
    assert.equal(at % 10_000, 0);
    assert(min > 0 && min <= avg && avg <= max, `${min} ${avg} ${max}`);
  }
  await stead.server?.end('SIGKILL');
  await stead.start();
  const after = await until('the history is open', () => points(stead, MEMORY));
  for (const point of some) {
    assert(
      after.some((one) => one[0] === point[0]),
      `the step at ${point[0]} is lost`,
    );
  }
  const newest = Math.max(...some.map(([at]) => at));
  await until('new steps follow', async () => (await points(stead, MEMORY)).some(([at]) => at > newest));
  const steal = await points(stead, STEAL);
  assert(steal.length > 0 && steal.every(([, min, , max]) => min >= 0 && max <= 100));
  const { series } = await stead.get(`/api/v1/history/series?match=${NODE}`);
  const metrics = new Set(series.map((/** @type {any} */ one) => one.metric));
  for (const metric of ['stead_node_filesystem_used_percent', 'stead_node_load1', 'stead_node_unhealthy_services']) {
    assert(metrics.has(metric), metric);
  }
});

test('score and trend are told by the command line, with what is missing', async (t) => {
  const { stead } = await measured(t);
  const card = await stead.json('score', 'piha');
  assert(card.score >= 0 && card.score <= 100);
  for (const dimension of card.dimensions) {
    assert.equal(dimension.fix !== null, dimension.lost > 0, `${dimension.kind}: every lost point has a fix`);
  }
  assert.equal((await stead.json('status')).score, (await stead.json('score')).score);
  const told = await stead.cli('score', 'piha');
  assert.match(told.stdout, /Maintenance .* no cleanup was ever seen/);
  const trend = await stead.json('trend', 'memory', '--node', 'piha', '--range', '24h');
  assert.equal(trend.trends[0].slope, null);
  assert.equal(trend.trends[0].refusal.why, 'too_few', 'thin data is refused');
  const drawn = await stead.cli('trend', 'disk');
  assert.match(drawn.stdout, /Disk used, 7d[^]*% now; where it leads cannot be said: too few points/);
  const unknown = await stead.cli('trend', 'nonsense');
  assert.equal(unknown.code, 4);
  assert.match(unknown.stderr, /disk, memory, swap, steal, containers, io/);
});

test('looking nearer reaches the seconds that the node itself keeps, by buttons, keys and by dragging', async (t) => {
  const scene = new Scene(t);
  const stead = await scene.up(await scene.fleet('piha', '  router: { kind: external, monitor: false }\n'));
  await stead.fresh();
  const second = `/api/v1/history?match=${MEMORY}&from=1m&step=1s`;
  await until('the node answers with seconds', async () => {
    const answer = await stead.get(second);
    return answer.tiers[0].on_node && answer.series[0]?.points.length >= 20;
  });
  const visitor = scene.keep(await Visitor.open());
  const { page } = visitor;
  await visitor.signIn(stead);
  await page.goto(`${stead.url}/nodes/piha?range=1h`);
  const says = (/** @type {string} */ text) => page.getByText(`A point is ${text}`).waitFor();
  await says('10 s:');
  const nearer = page.getByRole('button', { name: 'Look nearer' });
  await nearer.click();
  await says('2 s, from the node itself');
  await nearer.press('+');
  await says('1 s, from the node itself');
  assert.match(page.url(), /zoom=/);
  await visitor.look('history-seconds');
  assert.deepEqual(await visitor.barriers(), []);
  await page.goBack();
  await says('2 s, from the node itself');
  const chart = page.locator('#history .u-over').first();
  await chart.scrollIntoViewIfNeeded();
  const box = await chart.boundingBox();
  assert(box);
  // Up to now: this node has no seconds but the last.
  await page.mouse.move(box.x + box.width * 0.75, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.99, box.y + 40, { steps: 5 });
  await page.mouse.up();
  await says('1 s, from the node itself');
  await page.getByRole('button', { name: 'Whole range' }).click();
  await says('10 s:');
  assert.deepEqual(visitor.complaints, []);
});
