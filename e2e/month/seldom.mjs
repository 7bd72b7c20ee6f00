/** What is seldom there, and on narrow screens: locks that hold, long lists, answers as they are now and then. */
import assert from 'node:assert/strict';
import { BYTES, bytes, PERCENT, says, soon } from '../harness/reading.mjs';
import { altered } from './looking.mjs';

/** @typedef {import('./looking.mjs').Looking} Looking */

const HOUR = 3_600_000;
const ago = (/** @type {number} */ ms) => new Date(Date.now() - ms).toISOString();

/** @param {Looking} looking */
export async function whatIsLockedSaysSo({ month, page, open, region }) {
  const locked = await month.cli('lock', 'node/nas', '--for', '2h', '--why', 'a new disk');
  assert.equal(locked.code, 0, locked.stderr);
  await open('/');
  await says(region('Locked'), 'Locked 1', 'nas', /ends in \d/, 'a new disk');
  assert.equal(await region('Locked').getByRole('link', { name: 'All locks' }).getAttribute('href'), '/autonomy?tab=locks');
  await open('/nodes/nas');
  await says(page.getByRole('main'), 'a new disk');
  assert.equal((await month.cli('unlock', 'node/nas')).code, 0);
  await open('/');
  await soon('it is gone', async () => (await region('Locked').count()) === 0);
}

/** @param {Looking} looking */
export async function aLongListIsCutAndSaysHowMuchThereIs(looking) {
  const { page, open, region } = looking;
  const many = (/** @type {any} */ answer) => {
    const [entry] = answer.did.entries;
    answer.did.entries = Array.from({ length: 20 }, (_, i) => ({ ...entry, seq: 10_000 + i, why: `reason ${i}` }));
    const [question] = answer.needs_you;
    answer.needs_you = Array.from({ length: 15 }, (_, i) => ({ ...question, id: `q-${i}`, occurrence: i + 2 }));
    answer.summary.actions.pending = 15;
    answer.needs = Array.from({ length: 8 }, (_, i) => ({ ...answer.needs[0], kind: 'reboot', text: `need ${i}` }));
    answer.needs_unlisted = 3;
    const [node] = answer.nodes;
    answer.nodes = Array.from({ length: 30 }, (_, i) => ({ ...node, name: `n${i}` }));
    answer.summary.nodes.total = 40;
    answer.notices = ['a notice of the server'];
    answer.recent = Array.from({ length: 12 }, (_, i) => ({ ...answer.recent[0], seq: 20_000 + i, text: `warning ${i}` }));
    answer.rollouts = [{ id: 'r1', kind: 'container_restart', selector: 'service/*/web-*', state: 'paused', why: 'three failed', batch: 2, max_failures: 3, by: 'anna', started_at: ago(HOUR), updated_at: ago(HOUR), counts: { total: 9, waiting: 2, working: 0, done: 4, failed: 3, skipped: 0 }, targets: [] }];
  };
  await altered(looking, /\/api\/v1\/overview/, many, async () => {
    await open('/?since=24h');
    const did = region('In the last 24 hours');
    await soon('it is cut', async () => (await did.locator('li').count()) === 12);
    await says(did, 'reason 0', 'reason 11', '8 more', 'All actions');
    await did.getByRole('button', { name: '8 more' }).click();
    await soon('all of it', async () => (await did.locator('li').count()) === 20);
    await did.getByRole('button', { name: 'Show fewer' }).click();
    await soon('cut again', async () => (await did.locator('li').count()) === 12);
    const needs = region('Needs you');
    await says(needs, 'Needs you 26', '3 more wait for a decision', '3 more: see services and nodes.', '#2');
    assert.equal(await needs.getByRole('button', { name: 'Approve' }).count(), 12);
    await says(region('Nodes'), 'Nodes 40', '18 more');
    assert.equal(await region('Nodes').locator('li').count(), 12);
    await says(region('Notices'), 'a notice of the server');
    await says(region('Rolling out'), 'Restart container', 'service/*/web-*', 'Paused', '4 of 9 done, 3 failed', '2 at once', 'by anna', 'three failed');
    assert.equal(await region('Warnings').locator('li').count(), 8);
    await open('/tv');
    const wall = page.getByRole('main');
    await says(wall, 'and 6 more', '16 more nodes');
    assert.equal(await page.getByRole('region', { name: 'Needs you' }).locator('li').count(), 5);
    assert.equal(await page.getByRole('region', { name: 'In the last 24 hours' }).locator('li').count(), 5);
    assert.equal(await page.getByRole('list', { name: 'Nodes' }).locator('li').count(), 25);
  });
}

/** @param {Looking} looking */
export async function workUnderWayAndServicesNotYetThere(looking) {
  const { open, region, page } = looking;
  const busy = (/** @type {any} */ answer) => {
    Object.assign(answer.summary.services, { missing: 2, starting: 1, unknown: 4 });
    Object.assign(answer.summary.nodes, { unknown: 2 });
    answer.summary.actions.running = 1;
  };
  await page.route(/\/api\/v1\/actions(\?|$)/, async (route) => {
    const response = await route.fetch();
    const all = await response.json();
    all[0] = { ...all[0], state: 'running', phase: null, waits_for: 'another one on web-1' };
    await route.fulfill({ response, json: all });
  });
  await altered(looking, /\/api\/v1\/overview/, busy, async () => {
    await open('/');
    await says(page.getByRole('main'), '2 missing', '1 starting', '4 unknown', '2 nodes not heard yet', '1 action under way', /you last looked|Since/);
    await says(region('Under way'), 'Under way 1', /step 1 of \d/, 'Waits for another one on web-1');
  });
}

/** @param {Looking} looking */
export async function aScoreWithGapsSaysWhatIsMissing(looking) {
  const { open, region } = looking;
  const gaps = (/** @type {any} */ card) => {
    card.partial = true;
    for (const one of card.dimensions.filter((/** @type {any} */ d) => ['cpu', 'disk'].includes(d.kind))) Object.assign(one, { points: null, lost: 0, fix: null, next: null });
  };
  await altered(looking, /\/nodes\/web-1\/score/, gaps, async () => {
    await open('/nodes/web-1?score=cpu');
    await says(region('Score'), 'partial', 'scaled to 100', 'no data', 'It is left out of the total until there is a reading.', 'No data: CPU efficiency, Disk. They are left out, neither gained nor lost.');
  });
  await altered(looking, /\/api\/v1\/score$/, (answer) => Object.assign(answer, { score: null }), async () => {
    await open('/');
    await says(region('Score'), 'No node has fresh readings, and what is unknown is not scored.');
  });
  await altered(looking, /\/api\/v1\/score$/, (answer) => Object.assign(answer.worst, { most_lost: null }), async () => {
    await open('/');
    await says(region('Score'), /lowest: [\w-]+ \d+$/);
  });
}

/** @param {Looking} looking */
export async function aLimitThatIsWatchedAndACostThatIsPartlyKnown(looking) {
  const { open, page, region } = looking;
  const watched = (/** @type {any} */ answer) => (answer.containers[0].watch = { verdict: 'killed', since: ago(5 * HOUR), at: ago(HOUR), limit: 256 << 20, kills: 2, text: 'killed twice: the limit is too low' });
  await altered(looking, /\/advice\/memory/, watched, async () => {
    await open('/containers?tab=memory');
    await says(page.getByRole('main'), 'killed limit of 256 MiB since 5 h: killed twice: the limit is too low');
  });
  const unmeasured = (/** @type {any} */ answer) => {
    answer.costs[0].measured = 0;
    answer.sources = [{ name: 'portainer:main', state: 'down', detail: 'it does not accept the key', read_at: ago(HOUR) }];
    answer.images[0] = { ...answer.images[0], age_days: null, created_at: null, stale: false };
  };
  await altered(looking, /\/api\/v1\/inventory/, unmeasured, async () => {
    await open('/inventory?tab=costs');
    await says(page.getByRole('main'), '(0 measured)', 'portainer:main Down what it lists is from 1 h ago it does not accept the key');
    await open('/inventory?tab=images');
    await says(page.getByRole('main'), 'not known', 'Not known');
  });
  const first = (/** @type {any} */ answer) => Object.assign(answer.write_anomalies[0], { factor: null, full_in_ms: 90 * 60_000, before: null });
  await altered(looking, /\/api\/v1\/containers(\?|$)/, first, async () => {
    await open('/containers');
    await says(region('Writes far above its own past'), 'an hour, where it usually writes nothing, since', 'disk full in 1 h');
  });
}

/** @param {Looking} looking */
export async function modelsInEveryState(looking) {
  const { open, page, region } = looking;
  const states = (/** @type {any} */ answer) => {
    const [node] = answer.nodes;
    const [one, two, three] = node.models;
    one.loaded = { ...(one.loaded ?? {}), size: 5 * 2 ** 30, ram: 2 ** 30, memory_share: 12.4, cpu_percent: 40, expires_at: new Date(Date.now() + HOUR).toISOString() };
    two.loaded = null;
    two.fit = { ...two.fit, verdict: 'too_large', text: 'it will not fit', better: { node: 'nas', why: 'leaves 20 GiB free' } };
    Object.assign(three, { loaded: null, action: 'model-load-gpu-x#3' });
    node.live_problem = 'Ollama answers slowly';
  };
  await altered(looking, /\/api\/v1\/models/, states, async () => {
    await open('/models');
    const place = region('gpu');
    await says(place, 'Ollama answers slowly', `In memory ${bytes(5 * 2 ** 30)} (12 % of memory) 40 % CPU leaves in`, 'if loaded: it will not fit · fits better on nas', 'Under way');
    assert.equal(await place.getByRole('link', { name: 'Under way' }).getAttribute('href'), '/actions/model-load-gpu-x');
    await place.getByRole('button', { name: /^Load / }).first().click();
    await says(page.getByRole('dialog'), 'it will not fit · fits better on nas (leaves 20 GiB free)', 'Load all the same');
    await page.keyboard.press('Escape');
  });
  const down = (/** @type {any} */ answer) => Object.assign(answer.nodes[0], { state: 'down', detail: 'it does not answer', url: '', memory_total: null });
  await altered(looking, /\/api\/v1\/models/, down, async () => {
    await open('/models');
    await says(region('gpu'), 'Down', 'it does not answer', 'Memory, not measured lately', 'As it was before Ollama stopped answering.', 'No file names this Ollama any more.');
    assert(await region('gpu').getByRole('button', { name: /^Unload / }).first().isDisabled());
  });
  const bare = (/** @type {any} */ answer) => Object.assign(answer.nodes[0], { models: [], state: 'up' });
  await altered(looking, /\/api\/v1\/models/, bare, async () => {
    await open('/models');
    await says(region('gpu'), 'No model on disk', 'ollama pull', 'Bring one to gpu');
  });
}

/** @param {Looking} looking */
export async function onATelephoneEveryTableIsCards({ month, page, open }) {
  const { items, images, costs } = await month.get('/api/v1/inventory');
  const node = await month.get('/api/v1/nodes/web-2');
  await page.setViewportSize({ width: 360, height: 740 });
  const cards = async (/** @type {string} */ path, /** @type {string} */ name, /** @type {number} */ count, /** @type {(string | RegExp)[][]} */ each) => {
    await open(path);
    const list = page.getByRole('main').getByRole('list', { name, exact: true });
    await soon('they are all there', async () => (await list.locator('> li').count()) === count);
    for (const [first, ...words] of each) await says(list.locator('> li').filter({ hasText: first ?? '' }).first(), ...words);
  };
  await cards('/inventory?kind=container', 'Inventory', items.filter((/** @type {any} */ one) => one.kind === 'container').length, items.filter((/** @type {any} */ one) => one.kind === 'container').map((/** @type {any} */ one) => [one.name, one.state, `container · ${one.node} · ${one.version}`]));
  await cards('/inventory?tab=images', 'Images', images.length, images.map((/** @type {any} */ one) => [one.image, one.stale ? 'Stale' : 'Fresh', /\d+ d/, `${one.containers} container`]));
  await cards('/inventory?tab=costs', 'Cost', costs.length, costs.map((/** @type {any} */ one) => [one.value || 'no label', new RegExp(`${BYTES} CPU ${PERCENT} ${one.containers} container`)]));
  await cards('/nodes/web-2?tab=containers', 'Containers', node.containers_list.length, node.containers_list.map((/** @type {any} */ one) => [one.name, 'Healthy', one.image, new RegExp(`CPU ${PERCENT} ${BYTES}`)]));
  await cards('/nodes/web-2?tab=units', 'Units', node.units_list.length, node.units_list.map((/** @type {any} */ one) => [one.name, one.active === 'failed' ? 'Failed' : 'Active', one.description]));
  await page.setViewportSize({ width: 1600, height: 1000 });
}
