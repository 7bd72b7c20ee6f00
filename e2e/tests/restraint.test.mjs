/** What keeps Stead from acting by itself, on a real engine: locks, the brake, and a policy that contradicts itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AUTOMATIC, service } from '../harness/fleet.mjs';
import { Scene } from '../harness/scene.mjs';
import { cli } from '../harness/stead.mjs';
import { never, until } from '../harness/until.mjs';

const ID = 'container-restart-piha-shop';

/** @param {import('node:test').TestContext} t */
async function shopUp(t) {
  const scene = new Scene(t);
  const shop = await scene.container('shop', { stubborn: 1 });
  const fleet = await scene.fleet('piha', service('shop', shop.name), AUTOMATIC);
  const stead = await scene.up(fleet);
  await stead.serviceIs('shop', 'healthy');
  return { scene, shop, fleet, stead };
}

test('under a lock nothing is repaired; it ends by command, and by itself', async (t) => {
  const { shop, stead } = await shopUp(t);
  const locked = await stead.cli('lock', 'service/piha/shop', '--for', '1h', '--why', 'moving its disks');
  assert.equal(locked.code, 0, locked.stderr);
  await shop.fallIll();
  const held = await stead.verdictIs(ID, 'refused');
  assert.match(held.verdict?.limit ?? '', /moving its disks/);
  assert.equal(held.held?.target, 'service/piha/shop');
  const [lock] = await stead.json('locks');
  assert.equal(lock.target, 'service/piha/shop');
  await never('it is restarted', async () => (await shop.starts()) > 0, 2_000);
  assert.equal((await stead.cli('unlock', 'service/piha/shop')).code, 0);
  await stead.actionIs(ID, 'completed');
  assert.equal(await shop.starts(), 1);
  await stead.serviceIs('shop', 'healthy');

  assert.equal((await stead.cli('lock', 'node/piha', '--for', '8s', '--why', 'rewiring')).code, 0);
  await shop.fallIll();
  assert.match((await stead.verdictIs(ID, 'refused')).verdict?.limit ?? '', /rewiring/);
  assert.equal(await shop.starts(), 0);
  const again = await until('it is repaired once the lock has ended', async () => {
    const action = await stead.action(ID);
    return action?.state === 'completed' && action.occurrence === 2 ? action : undefined;
  });
  assert.equal(again.decided_by, 'policy');
  assert.deepEqual(await stead.json('locks'), []);
  const reasons = (await stead.events('lock_released')).map((event) => event.data.reason).sort();
  assert.equal(reasons.length, 2);
  assert(reasons.includes('expired'), String(reasons));

  assert.equal((await stead.cli('lock', 'service/piha/nobody', '--for', '1h')).code, 4, 'there is no such target');
  assert.deepEqual(await stead.json('locks'), []);
});

test('F14: during a backup nothing is touched, whoever asks, until it is over', async (t) => {
  const { shop, stead } = await shopUp(t);
  const locked = await stead.cli('lock', 'service/piha/shop', '--for', '1h', '--kind', 'backup', '--why', 'nightly dump');
  assert.equal(locked.code, 0, locked.stderr);
  await shop.fallIll();
  assert.match((await stead.verdictIs(ID, 'refused')).verdict?.limit ?? '', /nightly dump/);
  // A person's word is taken, and waits like everybody's.
  assert.equal((await stead.cli('actions', 'approve', ID)).code, 0);
  await until('it waits for the backup', async () => {
    const action = await stead.action(ID);
    return action?.state === 'approved' && action.waits_for?.includes('nightly dump');
  });
  await never('it is restarted', async () => (await shop.starts()) > 0, 2_000);
  assert.equal((await stead.cli('unlock', 'service/piha/shop')).code, 0);
  await stead.actionIs(ID, 'completed');
  assert.equal(await shop.starts(), 1);
});

test('F12: when much falls ill at once nothing is restarted until a person says so, and it is one event', async (t) => {
  const scene = new Scene(t);
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const containers = await Promise.all(names.map((name) => scene.container(`mass-${name}`, { stubborn: 1 })));
  const services = containers.map((container, n) => service(`mass-${names[n]}`, container.name)).join('');
  const fleet = await scene.fleet('piha', services, `${AUTOMATIC}  limits: { concurrent: 6, concurrent_per_node: 6 }\n`);
  const stead = await scene.up(fleet);
  for (const name of names) await stead.serviceIs(`mass-${name}`, 'healthy');

  // Their engine asks each of them at its own second; the lock keeps the first from being mended before the last is ill.
  assert.equal((await stead.cli('lock', 'fleet', '--for', '1h', '--why', 'until all are ill')).code, 0);
  await Promise.all(containers.map((container) => container.fallIll()));
  await until('the brake is on', async () => (await stead.json('brake')).engaged);
  assert.equal((await stead.cli('unlock', 'fleet')).code, 0);
  const pending = () => stead.actions().then((all) => all.filter((action) => action.state === 'pending'));
  await until('all are held by it', async () => {
    const all = await pending();
    if (all.length > 0 && all.every((action) => action.verdict?.limit?.includes('mass-drift brake'))) return all;
    throw new Error(JSON.stringify(all.map((action) => action.verdict)));
  });
  const starts = async () => (await Promise.all(containers.map((one) => one.starts()))).reduce((a, b) => a + b, 0);
  await never('anything is restarted', async () => (await starts()) > 0, 2_000);
  assert.equal((await stead.events('brake_engaged')).length, 1, 'one event, not one each');
  const alerts = await stead.json('alerts');
  assert.deepEqual(alerts.map((/** @type {any} */ alert) => alert.kind), ['brake_engaged'], 'and one alert');

  assert.equal((await stead.cli('brake', 'release')).code, 0);
  for (const name of names) await stead.actionIs(`container-restart-piha-mass-${name}`, 'completed');
  assert.equal(await starts(), names.length);
  assert.equal((await stead.events('brake_engaged')).length, 1, 'what drifted before does not engage it again');
  assert.equal((await stead.json('brake')).engaged, false);
});

test('a policy that contradicts itself is refused, and the old one goes on deciding', async (t) => {
  const { shop, fleet, stead } = await shopUp(t);
  const contradiction =
    'policy:\n  rules:\n    - { match: { action: "*_restart" }, automatic: false }\n' +
    '    - { match: { action: container_restart, service: shop }, automatic: true }\n';
  await fleet.put('stead.yaml', `fleet: lab\n${contradiction}`);
  await until('an event says so', async () => {
    const found = (await stead.events()).find((event) => event.kind.startsWith('desired') && event.severity !== 'info');
    return found && JSON.stringify(found).includes('policy.rules[1] can never apply');
  });
  const checked = await cli(['check', fleet.dir]);
  assert.equal(checked.code, 1);
  assert.match(checked.stdout + checked.stderr, /policy\.rules\[1\] can never apply.*stead\.yaml:5:7/s);

  await shop.fallIll();
  const done = await stead.actionIs(ID, 'completed');
  assert.equal(done.decided_by, 'policy', 'neither weaker nor stronger than before');

  await fleet.put('stead.yaml', 'fleet: lab\npolicy:\n  rules:\n    - { match: { action: "*_restart" }, automatic: false }\n');
  await stead.serviceIs('shop', 'healthy');
  await until('the mended policy is in force', async () => {
    const policy = await stead.get('/api/v1/policy');
    return policy.rules.length === 1 && policy.rules[0].says === 'ask';
  });
  await shop.fallIll();
  assert.match((await stead.verdictIs(ID, 'ask')).verdict?.rule ?? '', /policy\.rules\[0\]/);
});
