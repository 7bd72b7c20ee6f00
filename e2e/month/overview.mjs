/** The first page and the wall: is all well, what needs somebody, what was done. */
import assert from 'node:assert/strict';
import { BYTES, large, PERCENT, says, soon, text } from '../harness/reading.mjs';

/** @typedef {import('./looking.mjs').Looking} Looking */

const WORDS = { repair: 'Repaired', chore: 'Chore', for_people: 'As asked', failure: 'Failed', resolved: 'Resolved', declined: 'Declined', left_alone: 'Left alone' };

/** @param {Looking} looking */
export async function isAllWell({ month, page, open }) {
  await open('/?since=24h');
  const { sentence, mood, summary } = await month.get('/api/v1/overview?since=24h');
  const head = page.getByRole('heading', { level: 1 });
  await says(head, sentence);
  assert.equal(await head.getAttribute('data-mood'), mood);
  const { services, nodes } = summary;
  assert(services.unhealthy > 0, 'this fleet has its troubles');
  await says(page.getByRole('banner').or(page.locator('main header')).filter({ has: head }), `${services.healthy} of ${services.total} services healthy`, `${services.unhealthy} unhealthy`, `${nodes.stale} node stale`, `${services.stale} stale`);
  await soon('the tab says how many things wait', async () => /^\(\d+\) Overview · Stead$/.test(await page.title()));
}

/** @param {Looking} looking */
export async function whatNeedsSomebody({ month, page, open, region }) {
  await open('/?since=24h');
  const { needs_you: questions, needs } = await month.get('/api/v1/overview?since=24h');
  assert(questions.length > 0 && needs.length > 0);
  const place = region('Needs you');
  for (const action of questions) {
    const row = place.locator('li').filter({ hasText: action.reason });
    await says(row, action.service, `on ${action.node}`, action.risk, `level ${action.level}`, /\d steps?/, /raised .* ago|raised now/, 'Approve', 'Reject');
    if (action.occurrence > 1) await says(row, `#${action.occurrence}`);
  }
  const told = new Set(['question', 'trouble', 'brake']);
  const others = needs.filter((/** @type {any} */ one) => !told.has(one.kind));
  assert(others.length > 0);
  for (const need of others) {
    const row = place.locator(`li[data-need=${need.kind}]`).filter({ hasText: need.text });
    await says(row, `To do: ${need.next}`, ...(need.command ? [need.command] : []), ...(need.since ? [/ ago|now/] : []));
    assert.equal(await row.getByRole('link', { name: need.text }).getAttribute('href'), need.page);
  }
  await says(place.getByRole('heading').first(), String(questions.length + others.length));
}

/** @param {Looking} looking */
export async function howTheNodesAre({ month, page, open, region }) {
  await open('/?since=24h');
  const { nodes } = await month.get('/api/v1/overview?since=24h');
  const place = region('Nodes');
  await says(place, `Nodes ${nodes.length}`);
  for (const node of nodes) {
    const ill = node.services.unhealthy + node.services.missing;
    const row = place.locator('li').filter({ has: page.getByRole('link', { name: node.name, exact: true }) });
    if (node.evidence !== 'fresh') {
      await says(row, /last seen \d+ h ago/);
      assert.equal(await row.getByRole('img').count(), 0, 'nothing of before is shown as of now');
      continue;
    }
    await says(row, ill > 0 ? `${ill} of ${node.services.total} ill` : `${node.services.total} well`, String(Math.round(node.score)));
    await says(row, new RegExp(`CPU ${PERCENT}`), new RegExp(`Mem ${PERCENT}`), new RegExp(`Disk ${PERCENT}`));
    const line = row.getByRole('img', { name: `CPU of ${node.name} in the last minutes` });
    await soon('its last minutes are a line', async () => ((await line.locator('path').last().getAttribute('d')) ?? '').split('L').length > 5);
    const fullest = Math.max(...node.sample.filesystems.map((/** @type {any} */ fs) => fs.used_percent));
    await says(row, new RegExp(`Disk ${Math.floor(fullest)}|Disk ${Math.ceil(fullest)}|Disk ${Math.round(fullest)}`));
  }
  const names = (await place.locator('li a').allInnerTexts()).slice(0, 2);
  assert.deepEqual(names, ['shed', 'web-1'], 'who is not heard comes first, then who is ill');
  assert.equal(await place.getByRole('link', { name: 'web-2', exact: true }).getAttribute('href'), '/nodes/web-2');

  const score = await month.get('/api/v1/score');
  const { worst } = score;
  await says(region('Score'), String(score.score), `mean of ${score.nodes} nodes, ${score.unscored} without a score`, `lowest: ${worst.node} ${worst.score}`, `${worst.most_lost.title}, ${worst.most_lost.lost} points lost: ${worst.most_lost.measured}`);
  await region('Score').getByRole('link').click();
  await page.getByRole('button', { name: worst.most_lost.title, expanded: true }).waitFor();
}

/** @param {Looking} looking */
export async function whatWasDone({ month, page, open, region }) {
  await open('/?since=24h');
  const day = await month.get('/api/v1/overview?since=24h');
  assert(day.did.entries.length > 0);
  const place = region('In the last 24 hours');
  await says(place, day.did.sentence);
  for (const entry of day.did.entries.slice(0, 12)) {
    const word = WORDS[/** @type {keyof WORDS} */ (entry.kind)];
    const row = place.locator('li').filter({ hasText: large(entry.text) }).first();
    await says(row, large(entry.text), ...(entry.why ? [entry.why] : []), /ago|now/);
    await soon('the word says what became of it', async () => (await place.locator('li').filter({ hasText: large(entry.text) }).filter({ hasText: word }).count()) > 0);
  }
  const done = day.did.entries.find((/** @type {any} */ one) => one.action);
  const link = place.getByRole('link', { name: large(done.text) }).first();
  assert.match((await link.getAttribute('href')) ?? '', /^\/actions\/.*occurrence=\d+$/);

  await place.getByRole('button', { name: '7 days' }).click();
  const week = await month.get('/api/v1/overview?since=7d');
  const longer = region('In the last 7 days');
  await says(longer, week.did.sentence);
  assert(week.did.entries.length > day.did.entries.length);
  await soon('all of it is there', async () => (await longer.locator('li').count()) === Math.min(12, week.did.entries.length));
  await longer.getByRole('button', { name: 'Last night' }).click();
  await says(page.getByRole('main'), /Last night, 22:00 to 07:00|Since last night, 22:00/);

  const warnings = region('Warnings');
  for (const event of day.recent.slice(0, 8)) await says(warnings, event.text);
  assert.equal(await warnings.getByRole('link', { name: 'All events' }).getAttribute('href'), '/events?severity=warning');
}

/** @param {Looking} looking */
export async function whoWritesTooMuch({ month, page, open, region }) {
  const found = (await month.get('/api/v1/containers')).write_anomalies;
  assert.equal(found.length, 1, 'one container writes far above its past');
  const [one] = found;
  for (const [where, onNode] of /** @type {[string, boolean][]} */ ([['/', true], ['/containers', true], [`/nodes/${one.node}`, false], [`/containers/${one.node}/${one.container}`, false]])) {
    await open(where);
    const place = region('Writes far above its own past');
    await says(place, one.container, new RegExp(`${BYTES} an hour`), new RegExp(`${Math.floor(one.factor)}|${Math.round(one.factor)}`), new RegExp(`times its usual ${BYTES}, since \\d+ (h|d)\\.`), `disk full in ${Math.floor(one.full_in_ms / 86_400_000)} days`);
    await says(place, new RegExp(`Before it: ${large(one.before.kind)} `));
    assert.equal((await text(place)).includes(`on ${one.node}`), onNode, where);
    assert.equal(await place.getByRole('link', { name: one.container, exact: true }).getAttribute('href'), `/containers/${one.node}/${one.container}`);
    assert.match((await place.locator('p a').first().getAttribute('href')) ?? '', /^\/events\/\d+$/);
  }
}

/** @param {Looking} looking */
export async function theWall({ month, page, open }) {
  await open('/tv');
  const data = await month.get('/api/v1/overview?since=24h');
  await says(page.getByRole('heading', { level: 1 }), data.sentence);
  const { services, nodes, actions, score } = data.summary;
  const main = page.getByRole('main');
  await says(main, 'home', `services well ${services.healthy}/${services.total}`, `nodes heard ${nodes.fresh}/${nodes.total}`, `${actions.pending === 1 ? 'waits' : 'wait'} for you ${actions.pending}`, `score ${Math.round(score)}`, /\d\d:\d\d/);
  assert((await text(main)).indexOf('Needs you') < (await text(main)).indexOf(data.did.sentence));
  const needs = page.getByRole('region', { name: 'Needs you' });
  for (const need of data.needs.slice(0, 5)) await says(needs, new RegExp(need.severity, 'i'), need.text);
  const all = data.needs.length + data.needs_unlisted;
  if (all > 5) await says(needs, `and ${all - 5} more`);
  const did = page.getByRole('region', { name: 'In the last 24 hours' });
  await says(did, data.did.sentence);
  for (const entry of data.did.entries.slice(0, 5)) await says(did, WORDS[/** @type {keyof WORDS} */ (entry.kind)], large(entry.text), /ago|now/);
  assert.equal(await did.locator('li').count(), Math.min(5, data.did.entries.length));
  const list = page.getByRole('list', { name: 'Nodes' });
  for (const node of data.nodes) {
    const ill = node.services.unhealthy + node.services.missing;
    await says(list.locator('li').filter({ hasText: node.name }), node.evidence !== 'fresh' ? 'silent' : ill > 0 ? `${ill} ill` : String(node.services.healthy));
  }
  assert.match(await text(list.locator('li').nth(0)), /shed silent/, 'who is not heard comes first');
  assert.match(await text(list.locator('li').nth(1)), /ill/, 'then who is ill');
  await says(page.getByRole('status'), /^Live|now/i);
  await soon('it says that it is of now', async () => (await main.getAttribute('data-old')) === 'false');
  assert.equal(await page.title(), 'home · Stead');
  await page.keyboard.press('Escape');
  await soon('Escape leads back', () => new URL(page.url()).pathname === '/');
}
