/** A rollout on real containers, by the command line. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { service } from '../harness/fleet.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

test('a rollout restarts what its selector names, one after the other', async (t) => {
  const scene = new Scene(t);
  const shops = [];
  for (const name of ['web-1', 'web-2', 'db']) shops.push({ name, container: await scene.container(name) });
  const fleet = await scene.fleet('piha', shops.map((shop) => service(shop.name, shop.container.name)).join(''));
  const stead = await scene.up(fleet);
  for (const shop of shops) await stead.serviceIs(shop.name, 'healthy');

  const nothing = await stead.cli('roll', 'container_restart', '--select', 'service/*/wbe-*', '--yes');
  assert.notEqual(nothing.code, 0);
  assert.match(nothing.stderr, /no-targets/);
  const started = await stead.cli('roll', 'container_restart', '--select', 'service/*/web-*', '--yes');
  assert.equal(started.code, 0, started.stderr);
  const ended = await until('it is completed', async () => {
    const rollout = await stead.json('roll', 'show', 'roll-1');
    if (rollout.state === 'completed') return rollout;
    throw new Error(JSON.stringify(rollout));
  });
  assert.deepEqual(ended.targets.map((/** @type {any} */ one) => [one.subject, one.state]), [
    ['service/piha/web-1', 'done'],
    ['service/piha/web-2', 'done'],
  ]);
  const starts = [];
  for (const shop of shops) starts.push(await shop.container.starts());
  assert.deepEqual(starts, [1, 1, 0], 'what was not named is left alone');
  const order = (await stead.events()).filter((event) => ['action_started', 'action_completed'].includes(event.kind));
  assert.deepEqual(
    order.map((event) => event.kind),
    ['action_started', 'action_completed', 'action_started', 'action_completed'],
  );
});
