/** The whole loop on a real container: broken, noticed, proposed, approved by a person, repaired, verified. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Visitor } from '../harness/browser.mjs';
import { service } from '../harness/fleet.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

const ID = 'container-restart-piha-shop';

/** @param {import('node:test').TestContext} t */
async function illShop(t) {
  const scene = new Scene(t);
  const shop = await scene.container('shop');
  const fleet = await scene.fleet('piha', service('shop', shop.name));
  const stead = await scene.up(fleet);
  await stead.serviceIs('shop', 'healthy');
  await shop.fallIll();
  await stead.actionIs(ID, 'pending');
  return { scene, shop, fleet, stead };
}

test('a container falls ill and is mended by one click in the browser', async (t) => {
  const { scene, shop, stead } = await illShop(t);

  const drift = await stead.json('drift');
  const found = drift.find((/** @type {any} */ one) => one.service === 'shop');
  assert.equal(found?.kind, 'unhealthy_service');
  assert.equal(found?.action, ID);
  assert.equal((await stead.events('service_unhealthy')).filter((event) => event.subject === 'service/piha/shop').length, 1);
  await until('the action is a file', async () => (await stead.mirrored('actions/pending')).includes(`${ID}.json`));
  const file = JSON.parse(await readFile(join(stead.files, 'actions/pending', `${ID}.json`), 'utf8'));
  for (const key of ['id', 'kind', 'node', 'service', 'state', 'risk', 'level', 'reason', 'created_at', 'updated_at']) {
    assert(key in file, `${key} is missing in the file`);
  }

  const visitor = scene.keep(await Visitor.open());
  await visitor.signIn(stead);
  await visitor.look('overview-needs-you');
  await visitor.page.goto(`${stead.url}/actions/${ID}`);
  await visitor.look('action-pending');
  await visitor.page.getByRole('button', { name: /^approve/i }).first().click();
  await confirmIfAsked(visitor.page);

  const done = await stead.actionIs(ID, 'completed');
  assert.equal(done.occurrence, 1);
  assert.equal(await shop.starts(), 1);
  await shop.becomes('healthy');
  await stead.serviceIs('shop', 'healthy');
  await visitor.page.getByText(/completed/i).first().waitFor();
  await visitor.look('action-completed');
  assert.deepEqual(visitor.complaints, []);

  const why = await stead.json('actions', 'why', ID);
  const stages = why.links.map((/** @type {any} */ link) => link.stage);
  for (const stage of ['event', 'drift', 'policy', 'approval', 'step', 'outcome']) {
    assert(stages.includes(stage), `the chain says nothing about ${stage}: ${stages}`);
  }
  await until('the file moved on', async () => (await stead.mirrored('actions/pending')).length === 0);
  await until('it is among the completed', async () =>
    (await stead.mirrored('actions/completed')).some((name) => name.startsWith(ID)),
  );
});

test('what heals by itself is cancelled, and the container is left alone', async (t) => {
  const { shop, stead } = await illShop(t);
  await shop.heal();
  const ended = await stead.actionIs(ID, 'cancelled');
  assert.equal(ended.outcome, 'drift_resolved_auto');
  assert.equal(await shop.starts(), 0);
});

test('a service that is no longer monitored takes its pending action with it', async (t) => {
  const { shop, fleet, stead } = await illShop(t);
  await fleet.put('hosts/piha/services.yaml', `services:\n${service('shop', shop.name, ', monitor: false')}`);
  const ended = await stead.actionIs(ID, 'cancelled');
  assert.equal(ended.outcome, 'service_removed_from_desired_state');
  assert.equal(await shop.starts(), 0);
});

test('a rejection holds until the trouble clears', async (t) => {
  const { shop, stead } = await illShop(t);
  const { code } = await stead.cli('actions', 'reject', ID);
  assert.equal(code, 0);
  await stead.actionIs(ID, 'rejected');
  const open = (await stead.actions()).filter((action) => action.id === ID && action.state === 'pending');
  assert.deepEqual(open, []);
  await shop.heal();
  await stead.serviceIs('shop', 'healthy');
  await shop.fallIll();
  const again = await stead.actionIs(ID, 'pending');
  assert.equal(again.occurrence, 2);
});

test('approving what is not there is exit code 4, and a repeated approval changes nothing', async (t) => {
  const { shop, stead } = await illShop(t);
  assert.equal((await stead.cli('actions', 'approve', 'container-restart-piha-nobody')).code, 4);
  assert.equal((await stead.cli('actions', 'approve', ID)).code, 0);
  await stead.actionIs(ID, 'completed');
  await stead.cli('actions', 'approve', ID);
  assert.equal(await shop.starts(), 1);
});

test('a stopped container is restarted as one that is not running', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('shop');
  const stead = await scene.up(await scene.fleet('piha', service('shop', shop.name)));
  await stead.serviceIs('shop', 'healthy');
  await shop.stop();
  const action = await stead.actionIs(ID, 'pending');
  assert.equal(action.trigger, 'containers_not_running');
  await stead.cli('actions', 'approve', ID);
  await stead.actionIs(ID, 'completed');
  assert.equal(await shop.starts(), 1);
});

/** Guarded actions ask once more. @param {import('playwright-core').Page} page */
async function confirmIfAsked(page) {
  const dialog = page.getByRole('dialog').or(page.getByRole('alertdialog'));
  if (await dialog.count()) await dialog.getByRole('button', { name: /approve/i }).click();
}
