/** One node: its score, its numbers of now and of before, what happened to it, and what it is. */
import assert from 'node:assert/strict';
import { BYTES, bytes, large, PERCENT, rows, says, soon, text } from '../harness/reading.mjs';

/** @typedef {import('./looking.mjs').Looking} Looking */

/** @param {Looking} looking */
export async function whatItIs({ month, page, open, region }) {
  const node = await month.get('/api/v1/nodes/web-2');
  await open('/nodes/web-2');
  const main = page.getByRole('main');
  await says(main, 'Fresh', node.os, /up \d+ (d|h|min)/, node.access, ...Object.entries(node.labels).map(([key, value]) => `${key}: ${value}`));
  await says(region('Machine'), `Host name ${node.hostname}`, `System ${node.os}`, `Kernel ${node.kernel}`, `Hardware ${node.arch}, ${node.virtualization}`, `Processors ${node.cpus}`, `Memory ${bytes(node.memory_bytes)}`, `Swap ${bytes(node.swap_bytes)}`, /Processes \d+/, `Boot ID ${node.boot_id.slice(0, 8)}`, `Agent ${node.agent_version}`);
  for (const source of node.sources) await says(region('What the agent can see'), `${source.name} ${source.version} Up`);
  for (const fs of node.sample.filesystems) await says(region('File systems'), new RegExp(`${fs.mount} ${PERCENT} ${BYTES} of ${bytes(fs.total)} · ${fs.fs}`));
  const upkeep = (await month.get('/api/v1/nodes/web-2/score')).dimensions.find((/** @type {any} */ one) => one.kind === 'maintenance');
  await says(region('Maintenance'), `Cleanup ${upkeep.measured}`, /Running since .*(ago|days)/);
  await page.getByRole('button', { name: 'Clean up disk' }).first().waitFor();
  const events = page.locator('section').filter({ has: page.getByRole('heading', { name: 'Events', exact: true }) });
  await says(events, ...node.events.slice(0, 8).map((/** @type {any} */ event) => event.text));
  assert.equal(await events.getByRole('link', { name: 'All', exact: true }).getAttribute('href'), '/events?node=web-2');
}

/** @param {Looking} looking */
export async function everyLostPointNamesItsFix({ month, page, open, region }) {
  for (const name of ['web-2', 'gpu']) {
    const card = await month.get(`/api/v1/nodes/${name}/score`);
    await open(`/nodes/${name}`);
    const place = region('Score');
    await says(place, `${card.score} of 100`, card.partial ? `${card.points} of ${card.weight} points, scaled to 100` : `${card.points} of ${card.weight} points`);
    for (const one of card.dimensions) {
      const button = place.getByRole('button', { name: one.title });
      const spoken = one.points == null ? 'no data' : `${one.points} of ${one.weight} points`;
      await says(button, spoken, one.measured, ...(one.lost > 0 ? [`−${one.lost}`, `${one.points} / ${one.weight}`] : []));
      await button.click();
      const shown = page.locator(`#score-${one.kind}`);
      await says(shown, `Measured ${one.measured}`, ...(one.next ? [`${one.next.points} points want ${one.next.wants}`] : []));
      if (one.fix) {
        await says(shown, `${one.fix.what}.`, ...(one.fix.command ? [one.fix.command] : []));
        await shown.getByRole('link', { name: 'Where to look' }).waitFor();
      } else await says(shown, one.points == null ? 'It is left out of the total' : 'No point is lost here.', 'Its data');
      assert.match(page.url(), new RegExp(`score=${one.kind}`), 'it can be sent to somebody');
      await button.click();
      await soon('it closes', async () => !(await shown.isVisible()));
    }
    if (card.partial) await says(place, 'partial', 'No data: ', 'left out, neither gained nor lost');
  }
  await open('/nodes/web-2?score=memory');
  await page.locator('#score-memory').getByRole('link', { name: 'Where to look' }).click();
  await soon('the chart of it is in view', () => page.locator('#memory').evaluate((/** @type {any} */ at) => at.getBoundingClientRect().top < window.innerHeight));
}

/** @param {Looking} looking */
export async function howItIsNow({ page, open, region }) {
  await open('/nodes/web-1');
  const live = region('Last minutes');
  await says(
    live,
    'one sample a second',
    new RegExp(`CPU user ${PERCENT} system ${PERCENT} I/O wait ${PERCENT} steal ${PERCENT}`),
    new RegExp(`Memory used ${BYTES} swap used ${BYTES} swap cached ${BYTES}`),
    new RegExp(`Disk read ${BYTES}/s write ${BYTES}/s`),
    new RegExp(`Network received ${BYTES}/s sent ${BYTES}/s`),
    /Load 1 min [\d.]+ 5 min [\d.]+ 15 min [\d.]+/,
    new RegExp(`Pressure \\(time stalled\\) CPU ${PERCENT} memory ${PERCENT} I/O ${PERCENT}`),
  );
  const first = live.locator('figure').first();
  await first.getByText('As a table').click();
  const values = first.getByRole('region', { name: 'CPU, values' });
  await says(values, 'Time user system I/O wait steal');
  const newest = async () => text(values.locator('tbody tr').first());
  const before = await newest();
  assert.match(before, new RegExp(`\\d\\d:\\d\\d:\\d\\d ${PERCENT}`));
  await soon('it is live', async () => (await newest()) !== before);
  assert.equal(await live.locator('canvas').count(), 6);
}

/** @param {Looking} looking */
export async function howItWas({ month, page, open, region }) {
  await open('/nodes/web-1');
  const place = region('History');
  await says(place, new RegExp(`CPU by mode user ${PERCENT} system ${PERCENT} I/O wait ${PERCENT} steal ${PERCENT}`), new RegExp(`Memory used ${BYTES} swap used ${BYTES} swap cached ${BYTES}`), new RegExp(`Disk used / ${PERCENT}`), new RegExp(`Network received ${BYTES}/s sent ${BYTES}/s`), /A point is \d+ (s|min)/);
  const trends = await month.get('/api/v1/trends/disk?node=web-1&range=7d');
  const leads = place.getByRole('list', { name: 'Where the disks lead' });
  for (const trend of trends.trends) await says(leads, `${trend.name} ${trend.sentence}`, ...(trend.slope ? [/[+−][\d.]+ points to [+−][\d.]+ points a day, from [\d.]+ (days|hours)/] : []));
  const answer = await month.get(`/api/v1/history?match=${encodeURIComponent('stead_node_cpu_percent{node="web-1",mode="steal"}')}&from=24h`);
  assert(answer.series[0].points.length > 50);
  const cpu = place.locator('figure#cpu');
  await cpu.getByText('As a table').click();
  const values = cpu.getByRole('region', { name: 'CPU by mode, values' });
  await says(values, /^Time user/, /steal/);
  assert((await values.locator('tbody tr').count()) >= 50);
  const memory = place.locator('figure#memory');
  await memory.getByText('As a table').click();
  await says(memory.getByRole('region', { name: 'Memory, values' }), 'Time used highest swap used highest swap cached highest');
  for (const [range, point] of /** @type {[string, RegExp][]} */ ([['1 h', /A point is 10 s/], ['5 min', /A point is/], ['7 d', /A point is \d+ min/]])) {
    await place.getByRole('button', { name: range, exact: true }).click();
    await says(place, point);
    await soon('the choice is to be seen', async () => (await place.getByRole('button', { name: range, exact: true }).getAttribute('aria-pressed')) === 'true');
  }
  await says(place, 'The record begins');
  await place.getByRole('button', { name: 'Look nearer' }).click();
  await soon('the stretch stands in the address', () => page.url().includes('zoom='));
  const stretch = place.getByRole('toolbar');
  const nearer = await text(stretch);
  await place.getByRole('button', { name: 'Earlier' }).click();
  await soon('it moved', async () => (await text(stretch)) !== nearer);
  await place.getByRole('button', { name: 'Later' }).click();
  await place.getByRole('button', { name: 'Look farther' }).click();
  await place.getByRole('button', { name: 'Whole range' }).click();
  await soon('it is the range again', () => !page.url().includes('zoom='));
}

/** @param {Looking} looking */
export async function whatHappenedIsMarked({ month, open, region }) {
  await open('/nodes/nas');
  const place = region('History');
  const { trends } = await month.get('/api/v1/trends/disk?node=nas&range=7d');
  const day = Date.now() - 86_400_000;
  /** @type {any[]} */
  const all = trends[0].annotations;
  assert.deepEqual([...new Set(all.map((one) => one.kind))].sort(), ['cleanup', 'config', 'deploy']);
  const found = all.filter((one) => Date.parse(one.at) > day);
  assert.deepEqual(found.map((one) => one.kind), ['deploy']);
  const marks = place.locator('[data-mark]');
  await soon('each of four charts has its mark', async () => (await marks.count()) === 4);
  await marks.first().hover();
  await says(place.locator('figure#cpu'), /Deploy \d{4}-\d\d-\d\d \d\d:\d\d/, found[0].what);
  await place.getByRole('button', { name: '7 d', exact: true }).click();
  await soon('all of it is marked', async () => (await marks.count()) === 4 * all.length);
  await place.getByText('What happened meanwhile').click();
  const list = place.locator('details').filter({ hasText: 'What happened meanwhile' });
  await says(list, `What happened meanwhile ${all.length}`, ...all.map((one) => one.what), 'Deploy', 'Cleanup', 'Config');
  for (const one of all) assert.equal(await list.getByRole('link', { name: one.what }).getAttribute('href'), `/events/${one.event}`);
}

/** @param {Looking} looking */
export async function whatRunsThere({ month, page, open }) {
  const node = await month.get('/api/v1/nodes/web-2');
  await open('/nodes/web-2');
  const tab = (/** @type {string} */ name) => page.getByRole('group', { name: 'Parts of the node' }).getByRole('button', { name });
  await tab(`Services ${node.services_list.length}`).click();
  const services = await rows(page, 'Services');
  assert.deepEqual(services.map((one) => (one.Service ?? '').replace(/ unmanaged$/, '')).sort(), node.services_list.map((/** @type {any} */ one) => one.name).sort());
  await tab(`Containers ${node.containers_list.length}`).click();
  const containers = await rows(page, 'Containers');
  for (const one of node.containers_list) {
    const row = containers.find((cells) => cells.Container === one.name) ?? {};
    assert.deepEqual([row.State, row.Service, row.Image, row.Stack ?? one.stack, row.Limit, row.Restarts], ['Healthy', one.service ?? 'unmanaged', one.image, one.stack, bytes(one.memory_limit), String(one.restart_count)], one.name);
    assert.match(`${row.CPU} ${row.Memory}`, new RegExp(`^${PERCENT} ${BYTES}$`));
  }
  const failed = node.units_list.filter((/** @type {any} */ one) => one.active === 'failed');
  assert(failed.length > 0);
  await tab(`Units, ${failed.length} failed ${node.units_list.length}`).click();
  const units = await rows(page, 'Units');
  assert.match(units[0]?.State ?? '', /Failed/, 'what failed comes first');
  for (const one of node.units_list) {
    const row = units.find((cells) => cells.Unit === one.name) ?? {};
    assert.deepEqual([row['Sub-state'], row.Description, row.Service, row.Result, row.Enabled, row.Restarts], [one.sub, one.description, one.service ?? '–', one.result, one.enabled, String(one.restarts)], one.name);
  }
  const journal = page.getByRole('combobox', { name: 'Journal of' }).or(page.getByLabel('Journal of'));
  await soon('what failed is shown first', async () => (await journal.inputValue()) === failed[0].name);
  await journal.fill('nginx');
  await journal.press('Enter');
  await soon('a bare name is a service', () => page.url().includes('unit=nginx.service'));
  await tab('Events').click();
  for (const event of node.events.slice(0, 8)) await says(page.getByRole('main'), event.text);
}

/** @param {Looking} looking */
export async function whatWentOverItsBounds({ month, open, region }) {
  const { nodes } = await month.get('/api/v1/nodes').then((/** @type {any} */ found) => ({ nodes: found.nodes ?? found }));
  const crossed = nodes.filter((/** @type {any} */ node) => node.levels.some((/** @type {any} */ level) => level.level !== 'ok'));
  assert(crossed.length > 0);
  for (const node of crossed) {
    await open(`/nodes/${node.name}`);
    const place = region('Thresholds crossed');
    for (const level of node.levels.filter((/** @type {any} */ one) => one.level !== 'ok')) {
      const [kind = '', what = ''] = level.metric.split(':');
      await says(place, `${large(kind)} ${what}`.trim(), level.what, new RegExp(PERCENT), ...(level.since ? [/when crossed, .*ago/] : []), new RegExp(level.level, 'i'));
    }
  }
}

/** @param {Looking} looking */
export async function whatIsKnownOfOneThatIsOutOfReach({ month, page, open, region }) {
  const node = await month.get('/api/v1/nodes/shed');
  assert.notEqual(node.evidence, 'fresh');
  await open('/nodes/shed');
  const main = page.getByRole('main');
  await says(main, /(Stale|Offline) last seen \d+ h ago/, node.os, 'No score now', 'Nothing fresh is known of shed', 'systemctl status stead-agent');
  await says(region('File systems, when last seen'), new RegExp(`/ ${PERCENT} ${BYTES} of ${BYTES} · ext4`));
  assert.equal(await page.getByRole('button', { name: 'Clean up disk' }).count(), 0, 'nothing can be done there now');
  await says(region('History'), /CPU by mode user/);
  const { levels } = node;
  assert(Array.isArray(levels));
  await open('/containers/shed/weewx');
  await says(main, /^Containers weewx (Stale|Offline) on shed of weather up/);
  await open('/inventory?kind=machine');
  const shown = await rows(page, 'Inventory');
  assert.equal(shown.find((row) => row.Name === 'shed')?.State, node.evidence);
}
