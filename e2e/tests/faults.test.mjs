/** Bad input and broken neighbours: said clearly, and the rest keeps working. */
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Fleet, service } from '../harness/fleet.mjs';
import { docker, dockerHost, unique } from '../harness/lab.mjs';
import { Scene } from '../harness/scene.mjs';
import { cli } from '../harness/stead.mjs';
import { until } from '../harness/until.mjs';

test('a broken file keeps the last good tree and says where it is broken', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('shop');
  const fleet = await scene.fleet('piha', service('shop', shop.name));
  const stead = await scene.up(fleet);
  await stead.serviceIs('shop', 'healthy');
  await fleet.put('hosts/piha/services.yaml', 'services:\n  shop: { kind: container, contaner: x }\n');
  await until('an event says so', async () => {
    const event = (await stead.events()).find((one) => one.kind.startsWith('desired') && one.severity !== 'info');
    return event && JSON.stringify(event).includes('contaner');
  });
  await shop.fallIll();
  await stead.actionIs('container-restart-piha-shop', 'pending');
  await fleet.put('hosts/piha/services.yaml', `services:\n${service('shop', shop.name)}`);
  await stead.cli('actions', 'approve', 'container-restart-piha-shop');
  await stead.actionIs('container-restart-piha-shop', 'completed');
});

test('`stead check` names all problems at once, with file, line and the nearest valid key', async (t) => {
  const fleet = await Fleet.write({
    'stead.yaml': 'fleet: lab\npolcy: {}\n',
    'hosts/piha/node.yaml': 'acess: operator\n',
    'hosts/piha/services.yaml':
      'services:\n  a: { kind: container, container: "../etc" }\n  a: { kind: container, container: b }\n' +
      '  c: { kind: container, container: c, needs: [nobody] }\n',
  });
  t.after(() => fleet.remove());
  const { code, stdout, stderr } = await cli(['check', fleet.dir]);
  const said = stdout + stderr;
  assert.equal(code, 1);
  for (const hint of [/stead\.yaml:2/, /policy/, /node\.yaml:1/, /access/, /services\.yaml:2/, /services\.yaml:3/]) {
    assert.match(said, hint);
  }
});

test('a Docker socket that hangs is named, and the rest works', async (t) => {
  const scene = new Scene(t);
  const path = join(tmpdir(), `${unique('hang')}.sock`);
  const real = dockerHost().replace('unix://', '');
  let hanging = true;
  /** @type {Set<import('node:net').Socket>} */
  const open = new Set();
  const proxy = createServer((socket) => {
    open.add(socket.on('error', () => {}));
    if (hanging) return;
    const engine = connect(real).on('error', () => socket.destroy());
    socket.pipe(engine).pipe(socket);
    open.add(engine);
  }).listen(path);
  t.after(() => {
    for (const socket of open) socket.destroy();
    proxy.close();
  });
  const shop = await scene.container('shop');
  const fleet = await scene.fleet('piha', service('shop', shop.name));
  const stead = await scene.up(fleet, { env: { DOCKER_HOST: `unix://${path}` } });
  await stead.fresh();
  await until('Stead says that Docker does not answer', async () => {
    const nodes = JSON.stringify(await stead.json('nodes'));
    return /docker/i.test(nodes) && /not answer|no answer|time|hang|unreachable/i.test(nodes);
  });
  const before = await stead.json('services');
  assert.notEqual(before[0].state, 'healthy', 'what is not seen is not green');
  assert.deepEqual(await stead.actions(), [], 'and not drift either');
  hanging = false;
  for (const socket of open) socket.destroy();
  await stead.serviceIs('shop', 'healthy');
});

test('a server that is not there is exit code 5, wrong usage 2', async () => {
  assert.equal((await cli(['status'], { STEAD_URL: 'http://127.0.0.1:9', STEAD_TOKEN: 'x' })).code, 5);
  assert.equal((await cli(['frobnicate'])).code, 2);
});

test('without Docker Stead shows the machine and says what is missing', async (t) => {
  const scene = new Scene(t);
  const stead = await scene.up(await scene.fleet('piha', '  {}'), { env: { DOCKER_HOST: 'unix:///nowhere.sock' } });
  await stead.fresh();
  const [node] = await stead.json('nodes');
  assert.match(JSON.stringify(node), /docker/i);
});

test('a container that appears beside the fleet is shown as unmanaged and is no drift', async (t) => {
  const scene = new Scene(t);
  const stray = await scene.container('stray');
  const stead = await scene.up(await scene.fleet('piha', '  {}'));
  await stead.fresh();
  const shown = await until('it is listed', async () => {
    const answer = await stead.get('/api/v1/services?all=true');
    return JSON.stringify(answer).includes(stray.name);
  });
  assert(shown);
  assert.deepEqual(await stead.json('drift'), []);
  await docker('inspect', stray.name);
});
