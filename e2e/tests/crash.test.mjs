/** kill -9 in the middle of a repair: one effective restart, and the action finishes. Nothing else is forgotten either. */
import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { service } from '../harness/fleet.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

const ID = 'container-restart-piha-shop';

/** A repair that takes some seconds, seen from its middle. @param {import('node:test').TestContext} t */
async function midRepair(t) {
  const scene = new Scene(t);
  const shop = await scene.container('shop', { stubborn: 5 });
  const stead = await scene.prepared(await scene.fleet('piha', service('shop', shop.name)));
  await stead.startServer();
  await stead.startAgent();
  await stead.serviceIs('shop', 'healthy');
  await shop.fallIll();
  await stead.actionIs(ID, 'pending');
  assert.equal((await stead.cli('actions', 'approve', ID)).code, 0);
  // The engine asked the container to leave; it will not for five seconds.
  await until('the restart has begun', async () => (await shop.events('kill')).length > 0);
  assert.equal(await shop.starts(), 0);
  return { stead, shop };
}

/** @param {import('../harness/stead.mjs').Stead} stead @param {import('../harness/lab.mjs').Container} shop */
async function finishedOnce(stead, shop) {
  const done = await stead.actionIs(ID, 'completed', 90_000);
  assert.equal(done.occurrence, 1);
  assert.equal(await shop.starts(), 1, 'exactly one effective restart');
  await shop.becomes('healthy');
  assert.equal((await stead.actions()).filter((action) => action.id === ID).length, 1);
}

test('the server is killed in the middle of a repair', async (t) => {
  const { stead, shop } = await midRepair(t);
  await stead.server?.end('SIGKILL');
  await stead.startServer();
  await finishedOnce(stead, shop);
});

test('the agent is killed in the middle of a repair', async (t) => {
  const { stead, shop } = await midRepair(t);
  await stead.agent?.end('SIGKILL');
  await stead.startAgent();
  await finishedOnce(stead, shop);
});

test('both are killed in the middle of a repair', async (t) => {
  const { stead, shop } = await midRepair(t);
  await Promise.all([stead.agent?.end('SIGKILL'), stead.server?.end('SIGKILL')]);
  await stead.startServer();
  await stead.startAgent();
  await finishedOnce(stead, shop);
});

/** What must be the same afterwards: everything but times of observation. @param {import('../harness/stead.mjs').Stead} stead */
async function essence(stead) {
  const services = await stead.json('services');
  const actions = await stead.actions();
  return {
    services: services.map((/** @type {any} */ one) => `${one.node}/${one.name} ${one.state}`).sort(),
    actions: actions.map((one) => `${one.id}#${one.occurrence} ${one.state} ${one.digest}`).sort(),
  };
}

/** @param {import('node:test').TestContext} t */
async function livedIn(t) {
  const scene = new Scene(t);
  const { shop, blog, stead } = await scene.shopAndBlog();
  await blog.fallIll();
  await stead.actionIs('container-restart-piha-blog', 'pending');
  await stead.cli('actions', 'approve', 'container-restart-piha-blog');
  await stead.actionIs('container-restart-piha-blog', 'completed');
  await shop.fallIll();
  await stead.actionIs(ID, 'pending');
  await stead.serviceIs('blog', 'healthy');
  return { stead, shop };
}

test('after a restart the world and the action IDs are the same', async (t) => {
  const { stead } = await livedIn(t);
  const before = await essence(stead);
  const events = await stead.events();
  await stead.server?.end();
  await stead.start();
  await stead.fresh();
  await until('the same world', async () => JSON.stringify(await essence(stead)) === JSON.stringify(before));
  const after = await stead.events();
  assert.deepEqual(after.filter((event) => event.seq <= events.length).length, events.length);
  assert.equal((await stead.events('node_rebooted')).length, 0, 'a restart of Stead is no reboot of the node');
});

test('without its checkpoint Stead replays the log to the same world', async (t) => {
  const { stead } = await livedIn(t);
  const before = await essence(stead);
  await stead.server?.end();
  const checkpoint = join(stead.files, 'state/observer_checkpoint.json');
  await readFile(checkpoint);
  await rm(checkpoint);
  await stead.start();
  await stead.fresh();
  await until('the same world', async () => JSON.stringify(await essence(stead)) === JSON.stringify(before));
  await until('the checkpoint is written again', () => readFile(checkpoint));
});
