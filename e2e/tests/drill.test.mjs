/** The drill on a real engine: Stead breaks the container it owns, and what follows is noticed, mended and shown in time. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { Fleet, NODE } from '../harness/fleet.mjs';
import { docker, need } from '../harness/lab.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

const CANARY = 'stead-canary';

/** Whoever is told: the bodies that arrived. */
async function receiver() {
  /** @type {any[]} */
  const told = [];
  const server = http.createServer(async (request, answer) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    told.push(JSON.parse(body));
    answer.writeHead(204).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return { told, url: `http://127.0.0.1:${port}/`, remove: async () => void server.close().closeAllConnections() };
}

/** A Stead with a canary that is well. @param {Scene} scene @param {string} [more] further lines of stead.yaml */
async function withCanary(scene, more = '') {
  // The engine is shared with other tests and the canary's name is not: whatever was left is cleared before and after.
  const clear = { remove: () => docker('rm', '-f', '-v', CANARY).catch(() => '') };
  await clear.remove();
  scene.keep(clear);
  const fleet = scene.keep(
    await Fleet.write({
      'stead.yaml':
        `fleet: lab\ndrill: { node: piha, image: "${need('STEAD_LAB_IMAGE')}", within: 60s, ` +
        `command: [sh, -c, "trap exit TERM; while :; do sleep 1 & wait; done"] }\n${more}`,
      'hosts/piha/node.yaml': NODE,
    }),
  );
  const stead = await scene.up(fleet);
  // It is made without asking: it is Stead's own.
  await stead.actionIs(`redeploy-piha-${CANARY}`, 'completed');
  await stead.serviceIs(CANARY, 'healthy');
  return stead;
}

/** @param {string} format */
const canary = (format) => docker('inspect', '-f', format, CANARY);

test('a drill breaks the canary, and proves that it is noticed and mended in time', async (t) => {
  const scene = new Scene(t);
  const stead = await withCanary(scene);
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

test('where a route takes it to a channel, the message must have arrived', async (t) => {
  const scene = new Scene(t);
  const ear = scene.keep(await receiver());
  const stead = await withCanary(
    scene,
    `channels: { ear: { webhook: { url: "${ear.url}", allow: [127.0.0.0/8] } } }\n` +
      `routes: [{ name: canary, match: { service: ${CANARY} }, to: [ear] }]\n`,
  );
  const run = await stead.cli('drill', 'run');
  assert.equal(run.code, 0, run.stdout + run.stderr);
  const [drill] = (await stead.json('drills')).drills;
  assert(drill.ok && drill.told_ms > 0, JSON.stringify(drill));
  t.diagnostic(`noticed, mended, told after ${drill.detected_ms}, ${drill.repaired_ms}, ${drill.told_ms} ms`);
  assert(ear.told.length > 0, 'somebody was told');
});

test('a drill under a lock is refused, and a container that only looks like a canary is left alone', async (t) => {
  const scene = new Scene(t);
  const stead = await withCanary(scene);
  const lock = await stead.cli('lock', 'node/piha', '--for', '1h', '--why', 'new disk');
  assert.equal(lock.code, 0, lock.stderr);
  const refused = await stead.cli('drill', 'run');
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /drill-refused/);
  assert.equal((await stead.cli('unlock', 'node/piha')).code, 0);
  assert.equal(await canary('{{.State.Running}}'), 'true');

  // Somebody puts a container of their own in its place, without the label.
  await stead.cli('lock', 'node/piha', '--for', '1h', '--why', 'hands off');
  await docker('rm', '-f', CANARY);
  await docker('run', '-d', '--name', CANARY, need('STEAD_LAB_IMAGE'), 'sleep', '1000');
  const own = await canary('{{.Id}}');
  await until('it is seen', async () => {
    const all = await stead.events('container_observed');
    return all.some((event) => JSON.stringify(event.data).includes(own));
  });
  assert.notEqual((await stead.cli('drill', 'run')).code, 0);
  assert.equal(await canary('{{.Id}} {{.State.Running}}'), `${own} true`);
});
