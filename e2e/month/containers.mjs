/** Containers of all nodes: as a table, one by one, their memory, and all that are unhealthy at once. */
import assert from 'node:assert/strict';
import { BYTES, bytes, PERCENT, rows, says, soon } from '../harness/reading.mjs';

/** @typedef {import('./looking.mjs').Looking} Looking */

/** @param {Looking} looking @returns {Promise<any[]>} */
const all = async ({ month }) => (await month.get('/api/v1/containers')).containers;
const share = new RegExp(`^${PERCENT}$`);
const quantity = new RegExp(`^${BYTES}$`);
const rate = new RegExp(`^${BYTES}/s$`);
const age = /^(\d+ (d|h|min|s)|now)$/;

/** @param {Looking} looking */
export async function eachHasItsRow(looking) {
  const { page, open } = looking;
  const containers = await all(looking);
  await open('/containers');
  const nodes = new Set(containers.map((one) => one.node));
  await says(page.getByRole('main'), `${containers.length} containers on ${nodes.size} nodes`, `${containers.length} rows`, '1 of nodes that are not heard now');
  const shown = await rows(page, 'Containers');
  assert.equal(shown.length, containers.length);
  assert.match(shown[0]?.State ?? '', /Unhealthy/, 'who is ill comes first');
  for (const one of containers) {
    const row = shown.find((cells) => cells.Container === one.name && cells.Node === one.node) ?? {};
    assert.equal(row.State, one.evidence !== 'fresh' ? `healthy, ${one.evidence}` : one.unhealthy ? 'Unhealthy' : 'Healthy', one.name);
    assert.equal(row.Stack, one.stack, one.name);
    assert.equal(row.Image, one.image);
    assert.match(row['Image made'] ?? '', age, one.name);
    assert.match(row.Up ?? '', age, one.name);
    assert.equal(row.Restarts, String(one.restart_count));
    if (one.evidence !== 'fresh') continue;
    assert.match(row.CPU ?? '', share, one.name);
    assert.match(row.Memory ?? '', quantity, one.name);
    assert.match(row['Of limit'] ?? '', one.memory_limit > 0 ? share : /^no limit$/, one.name);
    assert.match(row.Network ?? '', rate, one.name);
    assert.match(row['Block writes'] ?? '', rate, one.name);
    assert.match(row.Labels ?? '', new RegExp(`product=${one.labels.product}`));
  }
  const link = page.getByRole('table', { name: 'Containers' }).getByRole('link', { name: 'shop', exact: true });
  assert.equal(await link.getAttribute('href'), '/containers/web-1/shop');
}

/** @param {Looking} looking */
export async function aChoiceLeavesWhatItSays(looking) {
  const { page, open } = looking;
  const containers = await all(looking);
  await open('/containers');
  await rows(page, 'Containers');
  const names = async () => (await rows(page, 'Containers')).map((cells) => cells.Container).sort();
  const agreed = (/** @type {string} */ why, /** @type {(one: any) => boolean} */ is) =>
    soon(why, async () => {
      assert.deepEqual(await names(), containers.filter(is).map((one) => one.name).sort());
      return true;
    });
  const unhealthy = containers.filter((one) => one.unhealthy).length;
  const unlimited = containers.filter((one) => one.memory_limit === 0).length;
  assert(unhealthy > 0 && unlimited > 0);
  const chip = (/** @type {string} */ name) => page.getByRole('group', { name: 'Which containers' }).getByRole('button', { name });
  await chip(`Unhealthy ${unhealthy}`).click();
  await agreed('only who is ill', (one) => one.unhealthy);
  await chip(`No memory limit ${unlimited}`).click();
  await agreed('only who has no limit', (one) => one.memory_limit === 0);
  await chip('Not running 0').click();
  await says(page.getByRole('main'), 'No container is like that');
  await chip(`All ${containers.length}`).click();
  await page.getByRole('combobox', { name: 'Stack' }).selectOption('photos');
  await agreed('only this stack', (one) => one.stack === 'photos');
  await says(page.getByRole('combobox', { name: 'Stack' }), 'photos (3)', /shop \(1 of 2 unhealthy\)/);
  await page.getByRole('combobox', { name: 'Stack' }).selectOption('');
  await page.getByRole('searchbox', { name: 'Filter' }).fill('immich');
  await agreed('only what holds the words', (one) => /immich/.test(JSON.stringify([one.name, one.image])));
  await says(page.getByRole('main'), `3 of ${containers.length} rows`);
  await page.getByRole('searchbox', { name: 'Filter' }).fill('nothing at all');
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  await agreed('all of it', () => true);
}

/** @param {Looking} looking */
export async function itIsSortedAndColumnsAreChosen({ page, open }) {
  await open('/containers');
  await rows(page, 'Containers');
  const heading = (/** @type {string} */ name) => page.getByRole('columnheader', { name });
  const column = async (/** @type {string} */ name) => (await rows(page, 'Containers')).map((cells) => cells[name] ?? '');
  await heading('Container').getByRole('button').click();
  await soon('by name', async () => {
    const names = await column('Container');
    assert.deepEqual(names, [...names].sort());
    return (await heading('Container').getAttribute('aria-sort')) === 'ascending';
  });
  await heading('Container').getByRole('button').click();
  await soon('by name, the last first', async () => {
    const names = await column('Container');
    assert.deepEqual(names, [...names].sort().reverse());
    return (await heading('Container').getAttribute('aria-sort')) === 'descending';
  });
  await page.getByRole('button', { name: 'Choose columns' }).click();
  const dialog = page.getByRole('dialog', { name: 'Choose columns' });
  await dialog.getByRole('checkbox', { name: 'Image', exact: true }).uncheck();
  await soon('the column is gone', async () => !('Image' in ((await rows(page, 'Containers'))[0] ?? {})));
  assert.equal(await dialog.getByRole('checkbox', { name: 'Container' }).isEnabled(), false, 'a name stays');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await page.reload();
  assert(!('Image' in ((await rows(page, 'Containers'))[0] ?? {})), 'it is remembered');
  await page.evaluate('localStorage.clear()');
}

/** @param {Looking} looking */
export async function oneSaysHowItIs(looking) {
  const { month, page, open, region } = looking;
  const ill = (await all(looking)).find((one) => one.unhealthy);
  const one = await month.get(`/api/v1/containers/${ill.node}/${ill.name}`);
  await open(`/containers/${ill.node}/${ill.name}`);
  await soon('the tab names it', async () => (await page.title()).endsWith(`${ill.name} on ${ill.node} · Stead`));
  await says(page.getByRole('main'), /Unhealthy \d+ min/, `on ${ill.node}`, `of ${one.service}`, /up \d+/);
  const health = region('Health');
  const { failing_streak: streak, outputs } = one.health_detail;
  assert(streak > 0 && outputs.length > 0);
  await says(health, /Unhealthy since \d+ min ago/, /Failing streak \d+/, `Restarts ${one.restart_count}`, 'Last OOM kill never', outputs[0].output, `exit code ${outputs[0].exit_code}`, 'What changed just before');
  await says(health, ...one.changed_before.map((/** @type {any} */ event) => event.text));
  await says(region('Open action'), one.actions.find((/** @type {any} */ action) => action.state === 'pending').reason, 'Approve');
  const facts = region('As it is');
  const limit = bytes(one.memory_limit);
  await says(facts, `Image ${one.image}`, `ID ${one.id.slice(0, 12)}`, `Stack ${one.stack}`, new RegExp(`CPU ${PERCENT}`), new RegExp(`Memory ${BYTES} of ${limit.replaceAll('.', '\\.')}`), new RegExp(`Network ${BYTES}/s in, ${BYTES}/s out`), new RegExp(`Block writes ${BYTES}/s`), `Restart policy ${one.restart_policy}`, /Its image was made .* ago/);
  await facts.getByText(`${Object.keys(one.labels).length} labels`).click();
  for (const [key, value] of Object.entries(one.labels)) await says(facts, `${key} ${value}`);
  const strip = region('Health history');
  await says(strip, new RegExp(`Well ${PERCENT} of the time that is known, \\d+ troubles?\\.`), /(ago|h) now/);
  assert.equal(await strip.locator('[title*=" to "]').count(), one.health_history.length);
  await strip.getByText('As a list').click();
  await says(strip, /Unhealthy since .* ago/, /Healthy since .* ago/);
  await strip.getByRole('button', { name: '7 d', exact: true }).click();
  const week = await month.get(`/api/v1/containers/${ill.node}/${ill.name}?range=7d`);
  await soon('the strip is of a week', async () => (await strip.locator('[title*=" to "]').count()) === week.health_history.length);
  await says(region('Events'), ...one.events.slice(0, 12).map((/** @type {any} */ event) => event.text));
  assert.equal(await region('Events').getByRole('link', { name: 'All', exact: true }).getAttribute('href'), `/events?subject=${encodeURIComponent(`container/${ill.node}/${ill.name}`)}`);
  await says(region('Log'), 'this agent has no container engine to ask');
}

/** @param {Looking} looking */
export async function oneThatWasRepairedSaysSo(looking) {
  const { month, open, region, page } = looking;
  const one = await month.get('/api/v1/containers/piha/zigbee2mqtt');
  const [done] = one.actions;
  assert.equal(done.state, 'completed');
  await open('/containers/piha/zigbee2mqtt');
  await says(region('Earlier actions'), 'Completed', `Restart container #${done.occurrence}`, done.outcome);
  assert.equal(await region('Open action').count(), 0);
  await says(page.getByRole('main'), 'Restart', /Healthy/);
  await says(region('Health'), 'Unhealthy since not now');
}

/** @param {Looking} looking */
export async function itsMemoryIsAdvisedUpon({ month, page, open, region }) {
  const found = await month.get('/api/v1/advice/memory');
  await open('/containers?tab=memory');
  await says(page.getByRole('main'), `the highest use and ${found.headroom} % above it`, 'From at least', found.exclude[0]);
  for (const [title, advice] of Object.entries({ 'To change': 'change', Fits: 'fits', 'Nothing to say': 'refused' })) {
    const list = found.containers.filter((/** @type {any} */ one) => one.advice === advice);
    if (list.length === 0) continue;
    const place = region(title);
    await says(place, `${title} ${list.length}`);
    for (const one of list) {
      const row = place.locator('li').filter({ has: page.getByRole('link', { name: one.container, exact: true }) }).first();
      const was = one.was_limit > 0 ? bytes(one.was_limit) : 'none';
      await says(row, `on ${one.node}`, ...one.why, ...(advice === 'change' ? [`limit ${was} → ${bytes(one.limit)}, reservation ${bytes(one.reservation)}`] : advice === 'fits' ? [`limit ${was}`] : []));
    }
  }
  assert(found.containers.some((/** @type {any} */ one) => one.advice === 'change'), 'some limit can be better');
}

/** @param {Looking} looking */
export async function allThatAreIllAreListedBeforeTheyAreRestarted({ month, page, open }) {
  const plan = await month.post('/api/v1/containers/restart', { dry_run: true });
  await open('/containers');
  await page.getByRole('button', { name: 'Restart all unhealthy…' }).click();
  const dialog = page.getByRole('dialog');
  const touched = plan.targets.filter((/** @type {any} */ one) => !one.left_out);
  const left = plan.targets.filter((/** @type {any} */ one) => one.left_out);
  assert(plan.targets.length > 0);
  const containers = touched.flatMap((/** @type {any} */ one) => one.containers);
  if (touched.length > 0) await says(dialog, `It touches ${containers.length} container`, 'Note (optional)', `Restart ${containers.length} container`);
  for (const target of touched) for (const one of target.containers) await says(dialog, `${target.node} / ${one.name}`, one.id.slice(0, 12), target.why);
  for (const one of left) await says(dialog, `${one.subject}: ${one.left_out}`);
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await dialog.waitFor({ state: 'detached' });
  await open('/containers?stack=photos');
  await soon('none of this stack is ill', () => page.getByRole('button', { name: 'Restart all unhealthy…' }).isDisabled());
}

/** @param {Looking} looking */
export async function onATelephoneEachIsACard({ month, page, open }) {
  const { containers } = await month.get('/api/v1/containers');
  await page.setViewportSize({ width: 360, height: 740 });
  await open('/containers');
  const list = page.getByRole('list', { name: 'Containers', exact: true });
  await soon('they are all there', async () => (await list.locator('li').count()) === containers.length);
  for (const one of containers) {
    const card = list.locator('li').filter({ hasText: `${one.node} · ${one.stack} · ${one.image}` }).filter({ has: page.getByRole('link', { name: one.name, exact: true }) });
    await says(card, one.evidence !== 'fresh' ? `healthy, ${one.evidence}` : one.unhealthy ? 'Unhealthy' : 'Healthy', new RegExp(`CPU ${PERCENT} ${BYTES}${one.memory_limit > 0 ? ` of ${BYTES}` : ''}`), ...(one.restart_count > 0 ? [`${one.restart_count} restarts`] : []));
  }
  await page.setViewportSize({ width: 1600, height: 1000 });
}
