/** What the command line says: why nothing happens, what rolls where, and how a command ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { service } from '../harness/fleet.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

const ID = 'container-restart-piha-shop';

test('why nothing happens is one thing at a time, and ends with what was done', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('shop');
  const fleet = await scene.fleet('piha', service('shop', shop.name));
  const stead = await scene.up(fleet);
  await stead.serviceIs('shop', 'healthy');
  /** What stands in the way now: the first thing that does not pass. */
  const reason = async () => {
    const why = await stead.json('why', 'service/piha/shop');
    return why.considered.find((/** @type {any} */ row) => !row.passes)?.what;
  };
  assert.equal(await reason(), 'drift', 'it is well');
  await shop.fallIll();
  await stead.actionIs(ID, 'pending');
  assert.equal(await reason(), 'policy');
  const said = await stead.cli('why', 'shop');
  assert.match(said.stdout, /asks a person: level 2 is above policy.automatic.max_level 1/);
  assert.match(said.stdout, new RegExp(`next: decide: stead actions approve ${ID}`));

  assert.equal((await stead.cli('lock', 'node/piha', '--for', '1h', '--kind', 'restore', '--why', 'old dump')).code, 0);
  assert.equal((await stead.cli('actions', 'approve', ID)).code, 0);
  await stead.actionIs(ID, 'approved');
  assert.equal(await reason(), 'lock', 'a restore keeps off people too');
  assert.equal(await shop.starts(), 0);
  const status = await stead.cli('status');
  assert.match(status.stdout, /restore lock on node\/piha .*old dump/);
  assert.equal((await stead.cli('unlock', 'node/piha')).code, 0);
  await stead.actionIs(ID, 'completed');
  await stead.serviceIs('shop', 'healthy');
  assert.equal(await reason(), 'drift');

  const chain = await stead.json('why', ID);
  const stages = chain.links.map((/** @type {any} */ link) => link.stage);
  const order = ['event', 'drift', 'policy', 'approval', 'step', 'outcome', 'message'];
  const places = order.map((stage) => stages.indexOf(stage));
  assert.deepEqual(places, [...places].sort((a, b) => a - b), `out of order: ${stages}`);
  assert(!places.includes(-1), `something is missing: ${stages}`);
});

test('rolling work lists what it touches, asks, and does one after the other', async (t) => {
  const scene = new Scene(t);
  const names = ['web-1', 'web-2', 'other'];
  const containers = await Promise.all(names.map((name) => scene.container(name)));
  const services = containers.map((container, i) => service(names[i] ?? '', container.name)).join('');
  const stead = await scene.up(await scene.fleet('piha', services));
  for (const name of names) await stead.serviceIs(name, 'healthy');
  const roll = ['roll', 'container_restart', '--select', 'service/*/web-*'];

  const plan = await stead.json(...roll, '--dry-run');
  const targets = plan.targets.map((/** @type {any} */ target) => target.subject);
  assert.deepEqual(targets, ['service/piha/web-1', 'service/piha/web-2']);
  const unasked = await stead.cli(...roll);
  assert.equal(unasked.code, 2, 'nobody is there to confirm');
  assert.match(unasked.stderr, /not-confirmed/);
  assert.deepEqual(await stead.json('rolls'), []);

  const done = await stead.cli(...roll, '--yes', '--wait');
  assert.equal(done.code, 0, done.stderr);
  const [rollout] = await stead.json('rolls');
  assert.equal(rollout.state, 'completed');
  assert.deepEqual(rollout.counts, { total: 2, waiting: 0, working: 0, done: 2, failed: 0, skipped: 0 });
  const actions = (await stead.actions()).filter((action) => action.kind === 'container_restart');
  assert.deepEqual(actions.map((action) => action.service).sort(), ['web-1', 'web-2'], 'and nothing else');
  const events = await stead.events();
  const at = (/** @type {string} */ kind, /** @type {string} */ name) =>
    events.find((event) => event.kind === kind && event.subject === `service/piha/${name}`)?.seq ?? 0;
  assert(at('action_completed', 'web-1') < at('action_started', 'web-2'), 'one after the other');

  const nothing = await stead.cli('roll', 'container_restart', '--select', 'service/*/wob-*', '--yes');
  assert.equal(nothing.code, 3, 'empty means none');
  assert.match(nothing.stderr, /no-targets/);
  assert.equal((await stead.cli('roll', 'pause', 'roll-7')).code, 4);
});

test('a command that cannot do what it was asked says so by its exit code, and what to do', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('shop');
  const stead = await scene.up(await scene.fleet('piha', service('shop', shop.name)));
  await stead.serviceIs('shop', 'healthy');
  /** @type {[number, string, RegExp][]} */
  const asked = [
    [4, 'lock service/piha/shup --for 1h', /did you mean service\/piha\/shop/],
    [2, 'lock service/piha/shop', /--for/],
    [2, 'lock service/piha/shop --until 2020-01-01T00:00:00Z', /bad-lock-time/],
    [4, 'unlock service/piha/shop', /no-lock/],
    [3, 'brake release', /no-brake/],
    [4, 'why service/piha/shup', /did you mean/],
    [4, 'notify test nowhere', /unknown-channel/],
    [4, 'drill run', /no-drill/],
  ];
  for (const [code, line, says] of asked) {
    const { code: was, stderr } = await stead.cli(...line.split(' '));
    assert.equal(was, code, `stead ${line}: ${stderr}`);
    assert.match(stderr, says, `stead ${line}`);
  }
  const routes = await stead.json('notify', 'where', 'service_unhealthy', 'service/piha/shop');
  assert.deepEqual(routes, []);
  assert.equal((await stead.json('brake')).engaged, false);
  assert.deepEqual(await stead.json('messages'), []);
  await until('the mirror has them', async () => (await stead.mirrored('world')).includes('locks.json'));
});
