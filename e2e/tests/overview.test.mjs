/** The first page, the wall and the page for everybody, on a real engine and in a real browser. */
import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Visitor } from '../harness/browser.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

/** @param {import('node:test').TestContext} t */
async function aFleet(t) {
  const scene = new Scene(t);
  return { scene, ...(await scene.shopAndBlog()) };
}

test('the overview says what needs somebody and what was done meanwhile', async (t) => {
  const { scene, shop, stead } = await aFleet(t);
  const calm = await stead.json('overview');
  assert.deepEqual(calm.needs, []);
  await shop.fallIll();
  await stead.actionIs('container-restart-piha-shop', 'pending');
  const ill = await stead.json('overview');
  assert.equal(ill.needs[0].kind, 'question');
  assert.match(ill.needs[0].command, /stead actions show/);

  const visitor = scene.keep(await Visitor.open());
  await visitor.signIn(stead);
  await visitor.page.getByRole('region', { name: 'Needs you' }).getByText('Restart container shop').waitFor();
  await stead.cli('actions', 'approve', 'container-restart-piha-shop');
  await stead.actionIs('container-restart-piha-shop', 'completed');
  const done = await stead.json('overview', '--since', '1h');
  assert.equal(done.did.done_for_people, 1, JSON.stringify(done.did));
  await visitor.page.goto(`${stead.url}/?since=24h`);
  await visitor.page.getByRole('link', { name: /Restarted shop on piha/ }).waitFor();
  assert.deepEqual(await visitor.barriers(), []);
  assert.deepEqual(visitor.complaints, []);
});

test('the wall is live and says when what it shows is old', async (t) => {
  const { scene, shop, stead } = await aFleet(t);
  const visitor = scene.keep(await Visitor.open({ width: 3840, height: 2160, dark: true }));
  await visitor.signIn(stead);
  await visitor.page.goto(`${stead.url}/tv`);
  await visitor.page.getByRole('heading', { level: 1, name: 'All 2 services on 1 node are well' }).waitFor();
  assert.equal(await visitor.page.getByRole('button').count(), 0, 'it has no controls');
  await shop.fallIll();
  await visitor.page.getByRole('heading', { level: 1, name: '1 thing needs you' }).waitFor();
  await visitor.look('tv-4k');
  assert.deepEqual(await visitor.barriers(), []);
  await stead.server?.end('SIGKILL');
  await visitor.page.getByText(/No connection. This is .* old/).waitFor();
  await visitor.look('tv-old');
  await stead.start();
  await until('it is of now again', async () => (await visitor.page.locator('main[data-old=false]').count()) === 1);
});

test('the page for everybody is off, then shows what it names, without a script', async (t) => {
  const { scene, fleet, shop, stead } = await aFleet(t);
  assert.equal((await fetch(`${stead.url}/status`)).status, 404);
  await appendFile(join(fleet.dir, 'stead.yaml'), '\nstatus_page: { enabled: true, title: Shops, services: "service/*/shop" }\n');
  const page = await until('the page is there', async () => {
    const answer = await fetch(`${stead.url}/status.json`);
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  });
  assert.equal(page.sentence, 'The service is up.');
  assert.deepEqual(page.services.map((/** @type {any} */ one) => one.name), ['shop']);
  const html = await (await fetch(`${stead.url}/status`)).text();
  for (const secret of ['piha', 'blog', shop.name, '127.0.0.1', '<script']) {
    assert(!html.replaceAll('Shops', '').includes(secret), `${secret} leaks`);
  }
  const visitor = scene.keep(await Visitor.open({ width: 360, height: 740 }));
  await visitor.page.goto(`${stead.url}/status`);
  await visitor.page.getByText('The service is up.').waitFor();
  await visitor.look('status-360');
  assert.deepEqual(await visitor.barriers(), []);
  assert.deepEqual(visitor.complaints, []);
});
