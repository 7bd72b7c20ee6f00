/** F6 and F8 on real processes: a server that was stopped longer than its lease lasts, and then continued. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { service } from '../harness/fleet.mjs';
import { Scene } from '../harness/scene.mjs';
import { Stead, cli, freePort } from '../harness/stead.mjs';
import { until } from '../harness/until.mjs';

const ID = 'container-restart-piha-shop';
/** The lease lasts 15 s, see crates/ports/src/log/lead.rs. */
const LEASE = 15_000;

/** SIGSTOP, for as long as it takes that the lease is over. @param {Stead} stead */
async function stopPastItsLease(stead) {
  stead.server?.child.kill('SIGSTOP');
  const over = Date.now() + LEASE + 1_000;
  await until('the lease is over', async () => Date.now() > over, { within: LEASE + 10_000, every: 200 });
}

/** @param {Stead} stead @param {string} n */
function remark(stead, n) {
  return stead.post('/api/v1/events', { node: 'piha', kind: 'remark', data: { n } });
}

/** @param {Stead} stead */
async function remarks(stead) {
  return (await stead.events('remark')).map((event) => event.data.n);
}

/** @param {import('node:test').TestContext} t */
async function ill(t) {
  const scene = new Scene(t);
  const shop = await scene.container('shop');
  const stead = await scene.prepared(await scene.fleet('piha', service('shop', shop.name)));
  await stead.startServer();
  await stead.startAgent();
  await stead.serviceIs('shop', 'healthy');
  await shop.fallIll();
  await stead.actionIs(ID, 'pending');
  return { scene, stead, shop };
}

test('f06: a server that was stopped past its lease goes on when nobody took over', async (t) => {
  const { stead, shop } = await ill(t);
  const before = await stead.events('leader_elected');
  await stopPastItsLease(stead);
  stead.server?.child.kill('SIGCONT');
  await remark(stead, 'after');
  assert.equal((await stead.cli('actions', 'approve', ID)).code, 0);
  await stead.actionIs(ID, 'completed');
  assert.equal(await shop.starts(), 1);
  assert.deepEqual(await stead.events('leader_elected'), before, 'it is the same leader');
});

test('f06, f08: a server that was stopped past its lease is refused when another one leads', async (t) => {
  const { scene, stead: old, shop } = await ill(t);
  await remark(old, 'old');
  await stopPastItsLease(old);

  // Somebody removed the lock file, as one does who believes that the server is dead.
  await rm(join(old.data, 'log/lock'));
  const other = scene.keep(new Stead(old.fleet, old.data, await freePort(), {}));
  await other.startServer();
  await old.agent?.end('SIGKILL');
  await other.startAgent();
  await other.fresh();
  await remark(other, 'new');
  assert.equal((await other.cli('actions', 'approve', ID)).code, 0);
  await other.actionIs(ID, 'completed');

  old.server?.child.kill('SIGCONT');
  await assert.rejects(remark(old, 'refused'), 'what it cannot write it does not acknowledge');
  assert.notEqual(await old.server?.gone, 0, 'it ends by itself');
  assert.match(old.server?.printed ?? '', /log-fenced/);

  await remark(other, 'last');
  assert.deepEqual(await remarks(other), ['old', 'new', 'last']);
  assert.equal((await other.events('leader_elected')).length, 2);
  assert.equal(await shop.starts(), 1, 'exactly one effective restart');
  await other.stop();
  const { code, stderr } = await cli(['rebuild', '--check', '--data', other.data]);
  assert.equal(code, 0, stderr);
});
