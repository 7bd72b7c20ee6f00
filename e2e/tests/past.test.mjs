/** Back in time on a real container: it fell ill and was mended; then everything is asked for as it was. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Visitor } from '../harness/browser.mjs';
import { Fleet, service } from '../harness/fleet.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

const ID = 'container-restart-piha-shop';
const BOLD = 'policy:\n  rules:\n    - match: { action: container_restart }\n      automatic: true\n';

/** @param {import('node:test').TestContext} t */
async function mendedShop(t) {
  const scene = new Scene(t);
  const shop = await scene.container('shop');
  const fleet = await scene.fleet('piha', service('shop', shop.name));
  const stead = await scene.up(fleet);
  await stead.serviceIs('shop', 'healthy');
  const well = new Date().toISOString();
  await shop.fallIll();
  await stead.actionIs(ID, 'pending');
  const ill = new Date().toISOString();
  assert.equal((await stead.cli('actions', 'approve', ID)).code, 0);
  await stead.actionIs(ID, 'completed');
  await stead.serviceIs('shop', 'healthy');
  return { scene, stead, well, ill };
}

test('what was is shown as it was, in the command line, the API and the pages', async (t) => {
  const { scene, stead, well, ill } = await mendedShop(t);

  const stateAt = async (/** @type {string} */ at) =>
    (await stead.json('services', '--at', at)).find((/** @type {any} */ one) => one.name === 'shop')?.state;
  assert.equal(await stateAt(well), 'healthy');
  assert.equal(await stateAt(ill), 'unhealthy');
  assert.deepEqual((await stead.json('actions', '--state', 'pending', '--at', well)).length, 0);
  assert.equal((await stead.json('actions', '--state', 'pending', '--at', ill))[0]?.id, ID);
  assert.equal((await stead.json('drift', '--at', ill))[0]?.service, 'shop');
  const status = await stead.cli('status', '--at', ill);
  assert.match(status.stdout, /as it was at/);
  assert.match(status.stdout, /1 thing needs you/);
  const before = await stead.cli('status', '--at', '3d');
  assert.equal(before.code, 1);
  assert.match(before.stderr, /past-compacted/);

  const visitor = scene.keep(await Visitor.open());
  await visitor.signIn(stead);
  await visitor.page.goto(`${stead.url}/actions?at=${encodeURIComponent(ill)}`);
  await visitor.page.getByText('You are looking at').waitFor();
  assert.equal(await visitor.page.getByRole('button', { name: /^approve/i }).first().isDisabled(), true);
  assert.deepEqual(await visitor.barriers(), []);
  await visitor.look('past-actions');
  // The instant goes along from page to page.
  await visitor.page.goto(`${stead.url}/services/piha/shop?at=${encodeURIComponent(ill)}`);
  await visitor.page.getByRole('main').getByText(/unhealthy/i).first().waitFor();
  await visitor.page.getByRole('link', { name: 'Nodes' }).first().click();
  await until('the address keeps the instant', async () => visitor.page.url().includes('at='));
  // By keyboard: the slider steps, and Escape leads back to now.
  await visitor.page.getByRole('slider', { name: 'Instant' }).focus();
  const held = visitor.page.url();
  await visitor.page.keyboard.press('ArrowLeft');
  await until('the instant moved', async () => visitor.page.url() !== held);
  await visitor.page.keyboard.press('Escape');
  await until('it is now again', async () => !visitor.page.url().includes('at='));
  await visitor.page.getByText('Live', { exact: true }).waitFor();
});

test('another policy is tried on what was recorded, on the server and without one', async (t) => {
  const { scene, stead, well } = await mendedShop(t);
  const bold = scene.keep(await Fleet.write({ 'stead.yaml': `fleet: lab\n${BOLD}`, 'empty.yaml': '' }));

  const tested = await stead.json('policy', 'test', bold.dir, '--since', well);
  assert.equal(tested.would.by_kind.container_restart, 1);
  assert.equal(tested.was.asked, 1);
  const shown = await stead.cli('policy', 'test', join(bold.dir, 'stead.yaml'), '--since', well);
  assert.match(shown.stdout, /would have restarted 1, asked 0/);
  const refused = await stead.cli('policy', 'test', join(bold.dir, 'empty.yaml'), '--since', well);
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /policy-broken/);
  const verdict = await stead.json('policy', 'show', 'service/piha/shop', 'container_restart');
  assert.equal(verdict.answer, 'ask');

  await stead.stop();
  const offline = await stead.json('policy', 'test', bold.dir, '--since', well, '--data', stead.data);
  assert.deepEqual(offline.would, tested.would);
});
