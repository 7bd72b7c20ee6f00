/** Every kind of check against the real thing: first all pass, then each is broken and named. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

/** @param {import('node:net').Server} server @returns {Promise<number>} */
async function listening(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

/** A name server that knows one address. */
async function nameServer() {
  const socket = createSocket('udp4');
  const state = { address: [10, 0, 0, 7] };
  socket.on('message', (query, from) => {
    const end = query.indexOf(0, 12) + 5;
    const header = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    const answer = Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...state.address]);
    socket.send(Buffer.concat([header, query.subarray(12, end), answer]), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { socket, state, port: socket.address().port };
}

/** @param {string} folder @param {number} days */
async function certificate(folder, days) {
  const [key, cert] = [join(folder, `${days}.key`), join(folder, `${days}.crt`)];
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost', '-days', String(days), '-keyout', key, '-out', cert,
  ], { stdio: 'pipe' });
  return { key: await readFile(key), cert: await readFile(cert) };
}

test('each kind of check passes, is broken, is named, and passes again', async (t) => {
  const scene = new Scene(t);
  const folder = await mkdtemp(join(tmpdir(), 'stead-checks-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const at = (/** @type {string} */ name) => join(folder, name);

  let status = 200;
  const web = http.createServer((_, answer) => answer.writeHead(status).end('welcome'));
  const webPort = await listening(web);
  const plain = createServer((socket) => socket.end());
  const plainPort = await listening(plain);
  const names = await nameServer();
  const secure = tls.createServer(await certificate(folder, 90), (socket) => socket.end());
  const securePort = await listening(secure);
  const brokerPort = 20_000 + (process.pid % 20_000);
  await writeFile(at('broker.conf'), `listener ${brokerPort} 127.0.0.1\nallow_anonymous true\n`);
  const startBroker = () => spawn('mosquitto', ['-c', at('broker.conf')], { stdio: 'ignore' });
  let broker = startBroker();
  const daemon = `st${process.pid}`;
  await copyFile('/bin/sleep', at(daemon));
  execFileSync('chmod', ['+x', at(daemon)]);
  const startDaemon = () => spawn(at(daemon), ['1000'], { stdio: 'ignore' });
  let sleeper = startDaemon();
  await writeFile(at('fresh'), 'x'.repeat(100));
  await writeFile(at('log'), 'all is well\n');
  const shop = await scene.container('shop');
  t.after(() => {
    for (const server of [web, plain, secure]) server.close();
    names.socket.close();
    broker.kill();
    sleeper.kill();
  });

  /** @param {string} name @param {string} check */
  const external = (name, check) => `  ${name}: { kind: external, patience: { failures: 1 }, checks: [ { ${check} } ] }\n`;
  const every = 'every: 1s, timeout: 1s';
  const fleet = await scene.fleet('piha', [
    external('http', `http: { url: "http://127.0.0.1:${webPort}/", status: 200, body: welcome, ${every} }`),
    external('tcp', `tcp: { host: 127.0.0.1, port: ${plainPort}, ${every} }`),
    external('dns', `dns: { name: nas.home, expect: 10.0.0.7, server: "127.0.0.1:${names.port}", ${every} }`),
    external('mqtt', `mqtt: { host: 127.0.0.1, port: ${brokerPort}, ${every} }`),
    external('tls', `tls: { host: 127.0.0.1, port: ${securePort}, days: 30, ${every} }`),
    external('icmp', `icmp: { host: 127.0.0.1, ${every} }`),
    external('file', `file: { path: "${at('fre*')}", max_age: 1h, min_size: 10, ${every} }`),
    external('command', `command: { run: [test, -e, "${at('fresh')}"], ${every} }`),
    external('process', `process: { process: ${daemon}, ${every} }`),
    external('container', `container: { container: ${shop.name}, ${every} }`),
    external('log', `log: { file: "${at('log')}", pattern: "panic", absent: true, within: 12s, ${every} }`),
  ].join(''));
  const stead = await scene.up(fleet);
  const kinds = ['http', 'tcp', 'dns', 'mqtt', 'tls', 'icmp', 'file', 'command', 'process', 'container', 'log'];

  /** @param {string} state @param {string[]} wanted */
  const allAre = (state, wanted) =>
    until(`${wanted} are ${state}`, async () => {
      const services = await stead.json('services');
      const other = services.filter((/** @type {any} */ one) => wanted.includes(one.name) && one.state !== state);
      if (other.length === 0 && services.length >= wanted.length) return true;
      throw new Error(other.map((/** @type {any} */ one) => `${one.name} ${one.state}: ${one.detail}`).join('; '));
    });
  await allAre('healthy', kinds);

  status = 503;
  plain.close();
  names.state.address = [10, 0, 0, 8];
  broker.kill();
  sleeper.kill();
  secure.setSecureContext(await certificate(folder, 5));
  await writeFile(at('log'), 'all is well\nkernel panic\n');
  await rm(at('fresh'));
  await shop.fallIll();
  const breakable = kinds.filter((kind) => kind !== 'icmp');
  await allAre('unhealthy', breakable);
  const http503 = (await stead.json('services')).find((/** @type {any} */ one) => one.name === 'http');
  assert.match(http503.detail, /503/);
  assert.deepEqual((await stead.actions()).map((one) => one.id), [], 'what runs elsewhere is never repaired');

  status = 200;
  plain.listen(plainPort, '127.0.0.1');
  names.state.address = [10, 0, 0, 7];
  broker = startBroker();
  sleeper = startDaemon();
  secure.setSecureContext(await certificate(folder, 91));
  await writeFile(at('log'), 'all is well\n');
  await writeFile(at('fresh'), 'x'.repeat(100));
  await shop.heal();
  await allAre('healthy', kinds);

  const silent = external('icmp', `icmp: { host: 10.213.57.250, ${every} }`);
  await fleet.put('hosts/piha/services.yaml', `services:\n${silent}`);
  await allAre('unhealthy', ['icmp']);
});

test('an MQTT broker that does not answer restarts its container', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('broker', { health: null });
  const closed = createServer();
  const port = await listening(closed);
  closed.close();
  const stead = await scene.up(await scene.fleet('piha',
    `  mosquitto: { kind: container, container: ${shop.name}, checks: [ { mqtt: { port: ${port}, every: 1s, failures: 1 } } ] }\n`));
  const action = await stead.actionIs('container-restart-piha-mosquitto', 'pending');
  assert.equal(action.trigger, 'mqtt_unreachable');
});

test('a process that is gone is unhealthy, said plainly, and not pretended to be repairable', async (t) => {
  const scene = new Scene(t);
  const stead = await scene.up(await scene.fleet('piha', '  ghost: { kind: process, process: no-such-thing, patience: { failures: 1 } }\n'));
  await stead.serviceIs('ghost', 'unhealthy');
  const [drift] = await stead.json('drift');
  assert.equal(drift.action, null);
  assert.ok(drift.why_not);
});
