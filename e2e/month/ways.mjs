/** Where things lead, what each row holds besides, and tables that are long. */
import assert from 'node:assert/strict';
import { rows, says, soon, text } from '../harness/reading.mjs';
import { altered, REFUSAL } from './looking.mjs';

/** @typedef {import('./looking.mjs').Looking} Looking */

/** Page, name of a link on it, where it leads. @type {[string, string, string][]} */
const WAYS = [
  ['/containers', 'nas', '/nodes/nas'],
  ['/containers?tab=memory', 'jellyfin', '/containers/nas/jellyfin'],
  ['/containers/web-1/shop', 'web-1', '/nodes/web-1'],
  ['/containers/web-1/shop', 'shop', '/services/web-1/shop'],
  ['/containers/piha/zigbee2mqtt', 'Restart container #1', '/actions/container-restart-piha-zigbee?occurrence=1'],
  ['/nodes/web-2?tab=containers', 'matomo', '/containers/web-2/matomo'],
  ['/nodes/web-2?tab=units', 'certbot.timer', '/services/web-2/certificates'],
  ['/inventory?kind=container', 'nas', '/nodes/nas'],
  ['/models', 'Node', '/nodes/gpu'],
];

/** @param {Looking} looking */
export async function everythingLeadsSomewhere({ page, open }) {
  for (const [path, name, href] of WAYS) {
    await open(path);
    const link = page.getByRole('main').getByRole('link', { name, exact: true }).and(page.locator(`[href="${href}"]`));
    await link.first().waitFor();
  }
  await page.setViewportSize({ width: 360, height: 740 });
  await open('/containers');
  await page.getByRole('list', { name: 'Containers', exact: true }).getByRole('link', { name: 'jellyfin' }).and(page.locator('[href="/containers/nas/jellyfin"]')).waitFor();
  await page.setViewportSize({ width: 1600, height: 1000 });
}

/** @param {Looking} looking */
export async function whatCanBeDoneStandsThere({ page, open, region }) {
  await open('/containers/piha/mosquitto');
  await page.getByRole('button', { name: 'Restart container' }).or(page.getByRole('button', { name: 'Restart', exact: true })).first().waitFor();
  await open('/nodes/web-1');
  for (const name of ['Lock', 'Clean up disk']) await page.locator('[data-control]').getByRole('button', { name, exact: true }).first().waitFor();
  await open('/nodes/web-2?tab=units&unit=certbot.service');
  await says(region('Log'), 'this agent');
  assert((await page.locator('#units-of-node option').count()) >= 3, 'its units are offered');
  await open('/containers?tab=memory');
  await region('To change').getByRole('button', { name: 'Copy the lines' }).first().waitFor();
  await open('/nodes/web-2?tab=containers');
  await page.getByRole('group', { name: 'Which containers' }).getByRole('button', { name: /^No memory limit/ }).click();
  await says(page.getByRole('main'), 'No container is like that');
}

/** @param {Looking} looking */
export async function whatAContainerHasBesides(looking) {
  const { page, open } = looking;
  const besides = (/** @type {any} */ answer) => {
    const [one, two] = answer.containers;
    Object.assign(one, { ports: ['0.0.0.0:443->443/tcp'], restart_count: 7 });
    Object.assign(two, { net_rx_bytes: null, net_tx_bytes: null });
  };
  await altered(looking, /\/api\/v1\/containers(\?|$)/, besides, async () => {
    await open('/containers');
    const shown = await rows(page, 'Containers');
    assert(shown.some((row) => row.Ports === '0.0.0.0:443->443/tcp' && row.Restarts === '7'));
    assert(shown.some((row) => row.Network === '–'));
    assert(shown.some((row) => row.Ports === ''), 'nothing where nothing is');
    await page.setViewportSize({ width: 360, height: 740 });
    await says(page.getByRole('list', { name: 'Containers', exact: true }), '7 restarts');
    await page.setViewportSize({ width: 1600, height: 1000 });
  });
  const [event] = (await looking.month.get('/api/v1/events?limit=1')).events;
  await altered(looking, /\/api\/v1\/containers\/web-1\/shop(\?|$)/, (answer) => (answer.changed_before = [{ ...event, text: 'somebody changed something' }]), async () => {
    await open('/containers/web-1/shop');
    await says(looking.region('Health'), 'What changed just before', 'somebody changed something');
  });
  const node = (/** @type {any} */ answer) => Object.assign(answer, { read_only: true, reboots: [{ ...event, seq: 9, text: 'it rebooted' }] });
  await altered(looking, /\/api\/v1\/nodes\/web-1(\?|$)/, node, async () => {
    await open('/nodes/web-1?tab=events');
    await says(page.getByRole('main'), 'read only', 'Reboots 1', 'it rebooted');
    await open('/nodes/web-1');
    await says(looking.region('Maintenance'), 'Last reboot it rebooted');
  });
}

/** @param {Looking} looking */
export async function aLongTableIsDrawnWhereItIsLookedAt(looking) {
  const { page, open } = looking;
  const many = (/** @type {any} */ answer) => {
    const [one] = answer.containers;
    answer.containers = Array.from({ length: 500 }, (_, i) => ({ ...one, name: `c-${String(i).padStart(3, '0')}`, unhealthy: false }));
  };
  await altered(looking, /\/api\/v1\/containers(\?|$)/, many, async () => {
    await open('/containers?sort=name');
    const first = await rows(page, 'Containers');
    assert(first.length < 100, `${first.length} rows are drawn`);
    assert.equal(first[0]?.Container, 'c-000');
    await says(page.getByRole('main'), '500 rows');
    const drawn = page.locator('tr[data-row]');
    await soon('the last one comes into view', async () => {
      await drawn.last().scrollIntoViewIfNeeded();
      return /c-499/.test(await drawn.last().innerText());
    });
    await soon('and the first again', async () => {
      await drawn.first().scrollIntoViewIfNeeded();
      return /c-000/.test(await drawn.first().innerText());
    });
  });
}

/** @param {Looking} looking */
export async function aTableIsTakenAlongAsText({ page, open }) {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await open('/containers?stack=photos&sort=name');
  await rows(page, 'Containers');
  await page.getByRole('button', { name: 'Copy as CSV' }).click();
  const lines = await soon('it is copied', async () => {
    const copied = String(await page.evaluate('navigator.clipboard.readText()'));
    return copied.includes('immich') ? copied.trim().split('\n') : undefined;
  });
  assert.equal(lines.length, 4);
  assert.match(lines[0] ?? '', /^Container,State,Node,Stack,Image/);
  assert.match(lines[1] ?? '', /^immich-machine-learning,healthy,nas,photos/);
}

/** @param {Looking} looking */
export async function aRestartOfAllSaysWhatItLeavesOut(looking) {
  const { page, open } = looking;
  const left = (/** @type {any} */ answer) => (answer.targets = answer.targets.map((/** @type {any} */ one) => ({ ...one, left_out: 'a person holds it' })));
  await altered(looking, /\/containers\/restart/, left, async () => {
    await open('/containers');
    await page.getByRole('button', { name: 'Restart all unhealthy…' }).click();
    await says(page.getByRole('dialog'), 'Left out', 'a person holds it');
    assert.equal(await page.getByRole('dialog').getByRole('button', { name: /^Restart \d/ }).count(), 0, 'nothing is left to restart');
    await page.keyboard.press('Escape');
  });
  await page.route(/\/containers\/restart/, (route) => route.fulfill(REFUSAL));
  await page.getByRole('button', { name: 'Restart all unhealthy…' }).click();
  await says(page.getByRole('dialog'), 'The server has too much to do', 'too many questions at once', 'ask again in a moment', 'Try again');
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await page.keyboard.press('Escape');
  assert(!(await text(page.getByRole('main'))).includes('too much to do'));
}
