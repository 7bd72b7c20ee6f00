/** Messages leave for real: a webhook is called with a signature that holds, and each alert has one end. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { service } from '../harness/fleet.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

const SECRET = 'a secret of this test';

/** @typedef {{ headers: import('node:http').IncomingHttpHeaders, raw: string, body: any }} Call */

/** Somebody's own receiver on this machine, on a free port. */
class Hook {
  constructor() {
    /** @type {Call[]} */
    this.calls = [];
    /** Answered before the first 204. */
    this.refusals = 0;
    this.server = createServer((request, answer) => {
      let raw = '';
      request.on('data', (chunk) => (raw += String(chunk)));
      request.on('end', () => {
        this.calls.push({ headers: request.headers, raw, body: JSON.parse(raw) });
        answer.writeHead(this.refusals-- > 0 ? 503 : 204).end();
      });
    });
  }

  /** @param {Scene} scene */
  static async open(scene) {
    const hook = scene.keep(new Hook());
    await new Promise((ready) => hook.server.listen(0, '127.0.0.1', () => ready(undefined)));
    return hook;
  }

  get url() {
    const address = this.server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/stead`;
  }

  /** @param {string} sort */
  of(sort) {
    return this.calls.filter((call) => call.body.sort === sort);
  }

  remove() {
    this.server.closeAllConnections();
    return new Promise((gone) => this.server.close(gone));
  }
}

/** As docs/messages.md tells receivers to do it. @param {Call | undefined} call */
function signed(call) {
  const parts = new Map(String(call?.headers['stead-signature']).split(',').map((part) => /** @type {[string, string]} */ (part.split('=', 2))));
  const at = Number(parts.get('t'));
  assert(Math.abs(Date.now() / 1000 - at) < 300, 'it is not an old one');
  assert.equal(parts.get('v1'), createHmac('sha256', SECRET).update(`${at}.${call?.raw}`).digest('hex'));
}

/** @param {string} url @param {string} [allow] */
const lines = (url, allow = ', allow: [127.0.0.0/8]') =>
  `channels:\n  hook: { webhook: { url: "${url}", secret: "secret:hook"${allow} } }\n` +
  'routes:\n  - { name: shop, match: { severity: warning, service: shop }, to: [hook] }\n';

test('a test message arrives, signed, and its secret is nowhere', async (t) => {
  const scene = new Scene(t);
  const hook = await Hook.open(scene);
  const stead = await scene.up(await scene.fleet('piha', '  {}', lines(hook.url)), { env: { STEAD_SECRET_HOOK: SECRET } });
  await stead.fresh();
  const said = await stead.cli('notify', 'test', 'hook');
  assert.equal(said.code, 0, said.stdout + said.stderr);
  assert.equal(hook.calls.length, 1);
  hook.calls.forEach(signed);
  assert.equal(hook.calls[0]?.body.sort, 'test');
  const [message] = await stead.json('messages');
  assert.equal(message.state, 'delivered');
  assert.equal((await stead.cli('notify', 'test', 'nobody')).code, 4);
  assert(!JSON.stringify(await stead.events()).includes(SECRET), 'the secret is nowhere in the log');
});

test('trouble is told once, and its end is paired with it', async (t) => {
  const scene = new Scene(t);
  const [hook, shop] = await Promise.all([Hook.open(scene), scene.container('shop')]);
  const fleet = await scene.fleet('piha', service('shop', shop.name), lines(hook.url));
  const stead = await scene.up(fleet, { env: { STEAD_SECRET_HOOK: SECRET } });
  await stead.serviceIs('shop', 'healthy');
  await shop.fallIll();
  hook.refusals = 1;
  const [refused, opened] = await until('it is told', () => hook.of('opened')[1] && hook.of('opened'), { within: 60_000 });
  signed(opened);
  const id = 'stead-message-id';
  assert.equal(opened?.headers[id], refused?.headers[id], 'a receiver knows the second try by its ID');
  assert.equal(opened?.body.subject, 'service/piha/shop');
  assert.equal(opened?.body.severity, 'warning');
  assert.equal(hook.calls.length, 2, 'one message, although the repair that asks is told of as well');
  const open = async () =>
    (await stead.json('alerts')).filter((/** @type {any} */ alert) => alert.subject === 'service/piha/shop').length;
  assert.equal(await open(), 1);

  await shop.heal();
  const closed = await until('its end is told', () => hook.of('closed')[0], { within: 90_000 });
  signed(closed);
  assert.equal(closed.body.thread, opened?.body.thread, 'one thread');
  assert.equal(hook.calls.length, 3, 'the beginning, refused once, and the end');
  assert.equal(await open(), 0);
  const of = async (/** @type {string} */ kind) =>
    (await stead.events(kind)).filter((event) => event.subject === 'service/piha/shop').length;
  assert.equal(await of('alert_opened'), 1);
  assert.equal(await of('alert_closed'), 1);
});

test('a private address that the files do not allow is never called', async (t) => {
  const scene = new Scene(t);
  const hook = await Hook.open(scene);
  const stead = await scene.up(await scene.fleet('piha', '  {}', lines(hook.url, '')), { env: { STEAD_SECRET_HOOK: SECRET } });
  await stead.fresh();
  await stead.cli('notify', 'test', 'hook', '--no-wait');
  await until('the message says why', async () => {
    const events = JSON.stringify(await stead.events());
    const messages = JSON.stringify(await stead.json('messages'));
    return /private|loopback|allow/i.test(events + messages);
  });
  assert.deepEqual(hook.calls, []);
});
