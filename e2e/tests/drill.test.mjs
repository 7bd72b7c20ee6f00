/** The drill on a real engine: Stead breaks the container it owns, and what follows is noticed, mended and shown in time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fleet } from '../harness/fleet.mjs';
import { docker, need } from '../harness/lab.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

const CANARY = 'stead-canary';

test('a drill breaks the canary, and proves that it is noticed and mended in time', async (t) => {
  const scene = new Scene(t);
  // The engine is shared with other tests and the canary's name is not: whatever was left is cleared before and after.
  const clear = { remove: () => docker('rm', '-f', '-v', CANARY).catch(() => '') };
  await clear.remove();
  scene.keep(clear);
  const fleet = scene.keep(
    await Fleet.write({
      'stead.yaml':
        `fleet: lab\ndrill: { node: piha, image: "${need('STEAD_LAB_IMAGE')}", within: 60s, ` +
        'command: [sh, -c, "trap exit TERM; while :; do sleep 1 & wait; done"] }\n',
      'hosts/piha/node.yaml': 'access: operator\n',
    }),
  );
  const stead = await scene.up(fleet);
  // It is made without asking: it is Stead's own.
  await stead.actionIs(`redeploy-piha-${CANARY}`, 'completed');
  await stead.serviceIs(CANARY, 'healthy');
  const before = await docker('inspect', '-f', '{{.Id}} {{.State.StartedAt}}', CANARY);

  const run = await stead.cli('drill', 'run');
  assert.equal(run.code, 0, run.stdout + run.stderr);
  const [drill] = await until('the drill is told', async () => (await stead.json('drills')).drills);
  assert.equal(drill.ok, true, drill.detail);
  assert.equal(drill.within_ms, 60_000);
  for (const time of [drill.detected_ms, drill.repaired_ms]) {
    assert(time > 0 && time <= 60_000, JSON.stringify(drill));
  }
  assert(drill.detected_ms <= drill.repaired_ms);
  assert.notEqual(await docker('inspect', '-f', '{{.Id}} {{.State.StartedAt}}', CANARY), before, 'it was broken for real');
  await stead.serviceIs(CANARY, 'healthy');
  assert.equal((await stead.events('drill_ended')).length, 1);
});
