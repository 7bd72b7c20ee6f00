/** What Stead does without asking, on a real engine: by rule, within its limits, in order, and never against a person. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AUTOMATIC, service } from '../harness/fleet.mjs';
import { Scene } from '../harness/scene.mjs';
import { never, until } from '../harness/until.mjs';

const ID = 'container-restart-piha-shop';

test('by rule what falls ill is restarted, as often as the limit says, and then refused and shown', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('shop', { stubborn: 1 });
  const limit = (/** @type {number} */ n) => `${AUTOMATIC}  limits: { per_target_per_hour: ${n} }\n`;
  const fleet = await scene.fleet('piha', service('shop', shop.name), limit(2));
  const stead = await scene.up(fleet);
  await stead.serviceIs('shop', 'healthy');
  const from = Date.now() / 1000;
  for (const occurrence of [1, 2]) {
    await shop.fallIll();
    const done = await stead.actionIs(ID, 'completed');
    assert.equal(done.occurrence, occurrence);
    assert.equal(done.decided_by, 'policy');
    await stead.serviceIs('shop', 'healthy');
  }

  await shop.fallIll();
  const refused = await stead.verdictIs(ID, 'refused');
  assert.match(refused.verdict?.limit ?? '', /per_target_per_hour: 2 of 2/);
  assert.match(refused.verdict?.rule ?? '', /policy\.rules\[0\]/);
  const why = await stead.json('actions', 'why', ID);
  assert.match(JSON.stringify(why.links), /per_target_per_hour: 2 of 2/);
  await never('a third restart', async () => (await shop.starts()) > 0, 2_000);

  // A wider limit in the files lets it go on; then it has flapped too often for any limit.
  await fleet.put('stead.yaml', `fleet: lab\n${limit(3)}`);
  const third = await until('the third repair', async () => {
    const action = await stead.action(ID);
    return action?.state === 'completed' && action.occurrence === 3 ? action : undefined;
  });
  assert.equal(third.decided_by, 'policy');
  await stead.serviceIs('shop', 'healthy');
  await until('it is said to flap', async () => (await stead.events('service_flapping')).length === 1);
  await shop.fallIll();
  const flapping = await stead.verdictIs(ID, 'refused');
  assert.match(flapping.verdict?.limit ?? '', /flapping/);
  shop.since = from;
  assert.equal(await shop.starts(), 3, 'three repairs an hour and no more');

  // What a limit holds, a person may still approve.
  assert.equal((await stead.cli('actions', 'approve', ID)).code, 0);
  const fourth = await stead.actionIs(ID, 'completed');
  assert.equal(fourth.occurrence, 4);
});

test('what a person stopped is asked about and never started by itself', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('shop');
  const stead = await scene.up(await scene.fleet('piha', service('shop', shop.name), AUTOMATIC));
  await stead.serviceIs('shop', 'healthy');
  await shop.stop();
  const asked = await stead.verdictIs(ID, 'ask');
  assert.equal(asked.verdict?.rule, 'a person stopped it');
  await never('it is started', async () => (await shop.starts()) > 0, 3_000);
  assert.equal((await stead.cli('actions', 'approve', ID)).code, 0);
  await stead.actionIs(ID, 'completed');
  assert.equal(await shop.starts(), 1);
});

test('what is needed is mended before what needs it', async (t) => {
  const scene = new Scene(t);
  const [broker, app] = await Promise.all([scene.container('broker', { stubborn: 1 }), scene.container('app', { stubborn: 1 })]);
  const services = service('broker', broker.name) + service('app', app.name, ', needs: [broker]');
  const fleet = await scene.fleet('piha', services, 'policy:\n  limits: { concurrent_per_node: 2 }\n');
  const stead = await scene.up(fleet);
  for (const name of ['broker', 'app']) await stead.serviceIs(name, 'healthy');
  await Promise.all([broker.fallIll(), app.fallIll()]);
  for (const name of ['broker', 'app']) await stead.actionIs(`container-restart-piha-${name}`, 'pending');

  // The wrong one first, and room for both: it waits all the same.
  assert.equal((await stead.cli('actions', 'approve', 'container-restart-piha-app')).code, 0);
  const waits = await until('it waits for the broker', async () => {
    const action = await stead.action('container-restart-piha-app');
    return action?.state === 'approved' && action.waits_for?.includes('broker') ? action : undefined;
  });
  assert.match(waits.waits_for ?? '', /broker/);
  assert.equal(await app.starts(), 0);
  assert.equal((await stead.cli('actions', 'approve', 'container-restart-piha-broker')).code, 0);
  await stead.actionIs('container-restart-piha-app', 'completed');
  await stead.actionIs('container-restart-piha-broker', 'completed');
  const [first, second] = await Promise.all([broker.events('start'), app.events('start')]);
  assert.deepEqual([first.length, second.length], [1, 1]);
  assert(BigInt(first[0] ?? 0) < BigInt(second[0] ?? 0), 'the broker was started before what needs it');
});

test('F6: a frozen agent loses nothing: what it was at is done once, and nothing is done twice', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('shop', { stubborn: 3 });
  const stead = await scene.prepared(await scene.fleet('piha', service('shop', shop.name), AUTOMATIC));
  await stead.startServer();
  await stead.startAgent();
  await stead.serviceIs('shop', 'healthy');
  await shop.fallIll();
  await until('the restart has begun', async () => (await shop.events('kill')).length > 0);
  await stead.freeze(stead.agent);
  await until('its evidence is no longer fresh', async () => (await stead.json('status')).nodes.fresh === 0);
  const services = await stead.json('services');
  assert.notEqual(services[0].state, 'healthy', 'what nobody sees is not green');
  assert.equal((await stead.actions()).length, 1, 'and it is no new drift');
  await stead.thaw(stead.agent);
  await stead.actionIs(ID, 'completed', 90_000);
  assert.equal(await shop.starts(), 1, 'exactly one effective restart');
  assert.equal((await stead.actions()).length, 1);
});
