/** What the other tests take for granted about the lab. Fails first when the lab itself is broken. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { docker } from '../harness/lab.mjs';
import { Scene } from '../harness/scene.mjs';
import { Visitor } from '../harness/browser.mjs';

test('a container falls ill, a restart makes it well, and the engine counts one start', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('shop');
  await shop.fallIll();
  assert.equal(await shop.starts(), 0);
  await docker('restart', '-t', '0', shop.name);
  await shop.becomes('healthy');
  assert.equal(await shop.starts(), 1);
});

test('a machine boots systemd, reaches a port of the host, and has a new boot id after a reboot', async (t) => {
  const scene = new Scene(t);
  const machine = await scene.machine('piha');
  const server = createServer((_, answer) => answer.end('here')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  assert(address && typeof address === 'object');
  await machine.reach(address.port);
  const ask = `exec 3<>/dev/tcp/127.0.0.1/${address.port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`;
  assert.match(await machine.exec('bash', '-c', ask), /here$/);
  const before = await machine.bootId();
  await machine.reboot();
  assert.notEqual(await machine.bootId(), before);
});

test('the browser opens a page and axe reads it', async (t) => {
  const scene = new Scene(t);
  const visitor = scene.keep(await Visitor.open());
  await visitor.page.setContent('<html lang="en"><title>x</title><main><h1>x</h1><img src="x"></main></html>');
  assert.match((await visitor.barriers()).join(), /image-alt/);
});
