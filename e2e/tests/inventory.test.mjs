/** Everything there is in one table: what agents see beside what a Portainer manages, as page, file and command. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Visitor } from '../harness/browser.mjs';
import { Fleet, NODE } from '../harness/fleet.mjs';
import { Portainer } from '../harness/portainer.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

test('the inventory holds what agents see and what a Portainer manages, and names what does not answer', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('shop');
  const has = { key: 'ptr_e2e', environment: 'attic', stack: 'media', container: 'jellyfin', image: 'jellyfin:10.9' };
  const portainer = scene.keep(await Portainer.start(has));
  const fleet = await Fleet.write({
    'stead.yaml': `fleet: lab\ninventory: { image_max_age: 1d }\nportainer:\n  main: { url: "${portainer.url}", key: "secret:portainer" }\n`,
    'hosts/piha/node.yaml': `${NODE}labels: { product: shopping }\n`,
  });
  const stead = await scene.prepared(scene.keep(fleet));
  await mkdir(join(stead.data, 'secrets'), { recursive: true });
  await writeFile(join(stead.data, 'secrets', 'portainer'), 'ptr_e2e\n', { mode: 0o600 });
  await stead.start();

  /** @param {any} inventory @param {string} name */
  const item = (inventory, name) => inventory.items.find((/** @type {any} */ one) => one.name === name);
  const inventory = await until('the container is seen', async () => {
    const now = await stead.json('inventory');
    return item(now, shop.name) ? now : undefined;
  });
  assert.equal(item(inventory, shop.name).product, 'shopping', 'the label of its node');
  assert.equal(item(inventory, 'jellyfin').source, 'portainer:main');
  assert.equal(item(inventory, 'jellyfin').version, '10.9');
  assert.equal(item(inventory, 'media').kind, 'stack');
  assert(portainer.methods.every((method) => method === 'GET'), 'it is only read');
  const image = inventory.images.find((/** @type {any} */ one) => one.age_days !== null);
  assert(image, 'the engine says how old an image is');
  if (image.stale) {
    const aged = await until('an old image is an event', async () => {
      const { events } = await stead.get('/api/v1/events?kind=image_aged');
      return events.length > 0 ? events : undefined;
    });
    assert.equal(new Set(aged.map((/** @type {any} */ event) => event.data.image_id)).size, aged.length, 'once of each image');
  }

  const file = await stead.cli('inventory', '--format', 'csv');
  assert.match(file.stdout, /^kind,node,name,/);
  assert.match(file.stdout, /container,attic,jellyfin,running,10\.9,media,/);

  const visitor = scene.keep(await Visitor.open());
  await visitor.signIn(stead);
  await visitor.page.goto(`${stead.url}/inventory`);
  await visitor.page.getByRole('button', { name: /^Containers/ }).click();
  await visitor.page.getByText('jellyfin').first().waitFor();
  const [download] = await Promise.all([visitor.page.waitForEvent('download'), visitor.page.getByRole('link', { name: 'CSV' }).click()]);
  assert.equal(download.suggestedFilename(), 'inventory.csv');
  assert.deepEqual(await visitor.barriers(), []);
  assert.deepEqual(visitor.complaints, []);

  portainer.has = { ...has, key: 'another' };
  const down = await until(
    'the key is said to be refused, and what it told stays',
    async () => {
      const now = await stead.json('inventory');
      return now.sources[0].state === 'down' ? now : undefined;
    },
    { within: 90_000 },
  );
  assert.match(down.sources[0].detail, /does not accept the key/);
  assert(item(down, 'jellyfin'));
  assert.match((await stead.cli('inventory')).stdout, /down: .*does not accept the key/);
});
