/** The files directory works in both directions, and what is wrong in it harms nothing. */
import assert from 'node:assert/strict';
import { mkdir, readFile, rename, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { service } from '../harness/fleet.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

const ID = 'container-restart-piha-shop';

/** @param {import('../harness/stead.mjs').Stead} stead @param {string} name @param {string} text */
async function drop(stead, name, text) {
  const inbox = join(stead.files, 'inbox');
  await mkdir(inbox, { recursive: true });
  await writeFile(join(inbox, `.${name}.part`), text);
  await rename(join(inbox, `.${name}.part`), join(inbox, name));
}

/** @param {import('../harness/stead.mjs').Stead} stead @param {string} name */
async function refusal(stead, name) {
  const why = join(stead.files, 'inbox/refused', `${name}.why`);
  return until(`${name} is refused`, () => readFile(why, 'utf8'));
}

test('moving the file from pending to approved approves', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('shop');
  const stead = await scene.up(await scene.fleet('piha', service('shop', shop.name)));
  await stead.serviceIs('shop', 'healthy');
  await shop.fallIll();
  const pending = join(stead.files, 'actions/pending', `${ID}.json`);
  await until('the file is there', () => readFile(pending));
  await rename(pending, join(stead.files, 'actions/approved', `${ID}.json`));
  const done = await stead.actionIs(ID, 'completed');
  assert.equal(done.decided_by, 'files');
  assert.equal(await shop.starts(), 1);
});

test('moving the file from pending to rejected rejects', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('shop');
  const stead = await scene.up(await scene.fleet('piha', service('shop', shop.name)));
  await stead.serviceIs('shop', 'healthy');
  await shop.fallIll();
  const pending = join(stead.files, 'actions/pending', `${ID}.json`);
  await until('the file is there', () => readFile(pending));
  await rename(pending, join(stead.files, 'actions/rejected', `${ID}.json`));
  assert.equal((await stead.actionIs(ID, 'rejected')).decided_by, 'files');
});

test('an event for an alias lands on the node it means, once', async (t) => {
  const scene = new Scene(t);
  const fleet = await scene.fleet('piha', '  {}', 'aliases: { node-2: chelsty-infra }\n');
  await fleet.put('hosts/chelsty-infra/node.yaml', 'access: operator\n');
  const stead = await scene.up(fleet);
  const event = JSON.stringify({ node: 'node-2', kind: 'cache_warmed', data: { entries: 7 } });
  await drop(stead, 'one.json', event);
  const found = await until('the event is recorded', async () => (await stead.events('cache_warmed'))[0]);
  assert.equal(found.node, 'chelsty-infra');
  assert.equal(found.data.entries, 7);
  await drop(stead, 'same.json', event);
  await drop(stead, 'other.json', JSON.stringify({ node: 'node-2', kind: 'cache_emptied' }));
  await until('the later event is recorded', async () => (await stead.events('cache_emptied')).length === 1);
  assert.equal((await stead.events('cache_warmed')).length, 1);
});

test('aliases come from the environment too', async (t) => {
  const scene = new Scene(t);
  const fleet = await scene.fleet('piha', '  {}');
  const stead = await scene.up(fleet, { env: { NODE_ALIAS_MAP: '{"old-pi":"piha"}' } });
  await drop(stead, 'one.json', JSON.stringify({ node: 'old-pi', kind: 'cache_warmed' }));
  const found = await until('the event is recorded', async () => (await stead.events('cache_warmed'))[0]);
  assert.equal(found.node, 'piha');
});

test('malformed, huge and linked inbox files are refused with the reason, and the next one is read', async (t) => {
  const scene = new Scene(t);
  const stead = await scene.up(await scene.fleet('piha', '  {}'));
  await drop(stead, 'broken.json', '{ "node": "piha", "kind": ');
  assert.match(await refusal(stead, 'broken.json'), /json|expected|EOF/i);
  await drop(stead, 'nameless.json', '{ "kind": "x" }');
  assert.match(await refusal(stead, 'nameless.json'), /node/);

  const inbox = join(stead.files, 'inbox');
  const huge = join(inbox, '.huge.part');
  await writeFile(huge, '{');
  await truncate(huge, 100 << 20);
  await rename(huge, join(inbox, 'huge.json'));
  assert.match(await refusal(stead, 'huge.json'), /large|big|MiB|MB|bytes/i);

  await writeFile(join(stead.data, 'outside.json'), JSON.stringify({ node: 'piha', kind: 'smuggled' }));
  await symlink(join(stead.data, 'outside.json'), join(inbox, 'link.json'));
  await drop(stead, 'good.json', JSON.stringify({ node: 'piha', kind: 'cache_warmed' }));
  await until('the good one is recorded', async () => (await stead.events('cache_warmed')).length === 1);
  assert.deepEqual(await stead.events('smuggled'), []);
});
