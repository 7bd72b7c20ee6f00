/** The UI on a real fleet: every page, wide and narrow, light and dark, live, by keyboard, without barriers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Visitor } from '../harness/browser.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

const PAGES = ['/', '/nodes', '/nodes/piha', '/services', '/services/piha/shop', '/actions', '/events', '/about'];

/** @param {import('node:test').TestContext} t */
async function aFleet(t) {
  const scene = new Scene(t);
  return { scene, ...(await scene.shopAndBlog()) };
}

/** @param {import('playwright-core').Page} page */
const settled = (page) => page.locator('h1').first().waitFor();

test('no page has serious barriers or errors, wide and narrow, light and dark', async (t) => {
  const { scene, shop, stead } = await aFleet(t);
  await shop.fallIll();
  await stead.actionIs('container-restart-piha-shop', 'pending');
  for (const screen of [{ width: 1440, height: 900 }, { width: 360, height: 740, dark: true }]) {
    const visitor = scene.keep(await Visitor.open(screen));
    // A link works once: the second visitor gets one of its own.
    if (screen.dark) await signInAgain(visitor, stead);
    else await visitor.signIn(stead);
    for (const page of [...PAGES, '/actions/container-restart-piha-shop']) {
      await visitor.page.goto(stead.url + page);
      await settled(visitor.page);
      await visitor.look(`${screen.width}${page.replaceAll('/', '-')}`);
      assert.deepEqual(await visitor.barriers(), [], `${page} at ${screen.width}`);
      const overflow = await visitor.sideways();
      assert(overflow <= 0, `${page} scrolls sideways at ${screen.width}`);
    }
    assert.deepEqual(visitor.complaints, []);
  }
});

test('pages are live: trouble appears and goes without a reload', async (t) => {
  const { scene, shop, stead } = await aFleet(t);
  const visitor = scene.keep(await Visitor.open());
  await visitor.signIn(stead);
  await visitor.page.goto(`${stead.url}/services`);
  await settled(visitor.page);
  await shop.fallIll();
  await visitor.page.getByText(/unhealthy/i).first().waitFor();
  await shop.heal();
  await until('the trouble is gone', async () => (await visitor.page.getByRole('main').getByText('unhealthy', { exact: true }).count()) === 0);
});

test('when the server goes the header says so, and when it comes back the page catches up', async (t) => {
  const { scene, stead } = await aFleet(t);
  const visitor = scene.keep(await Visitor.open());
  await visitor.signIn(stead);
  await stead.server?.end('SIGKILL');
  await visitor.page.getByText(/reconnect|connection|offline|not connected|lost/i).first().waitFor({ timeout: 10_000 });
  await visitor.look('connection-lost');
  await stead.start();
  await until('the notice is gone', async () => {
    return (await visitor.page.getByText(/reconnect|connection lost|offline|not connected/i).count()) === 0;
  });
});

test('the palette opens by keyboard and leads to a service', async (t) => {
  const { scene, stead } = await aFleet(t);
  const visitor = scene.keep(await Visitor.open());
  await visitor.signIn(stead);
  await visitor.page.keyboard.press('Control+k');
  await visitor.page.keyboard.type('shop');
  await visitor.page.getByRole('option', { name: /shop/ }).first().waitFor();
  await visitor.look('palette');
  await visitor.page.keyboard.press('Enter');
  await until('the service opened', () => visitor.page.url().includes('/services/piha/shop'));
});

test('the login link works once, and nothing is shown without signing in', async (t) => {
  const { scene, stead } = await aFleet(t);
  const link = await stead.loginLink();
  const first = scene.keep(await Visitor.open());
  await first.signIn(stead);
  const second = scene.keep(await Visitor.open());
  await second.page.goto(link);
  await until('the second visitor is not let in', async () => (await second.page.getByRole('navigation').count()) === 0);
  assert.equal((await fetch(`${stead.url}/api/v1/services`)).status, 401);
  assert.equal((await fetch(`${stead.url}/summary`)).status, 200);
});

/** By a link made anew. @param {Visitor} visitor @param {import('../harness/stead.mjs').Stead} stead */
async function signInAgain(visitor, stead) {
  const { path } = await stead.json('login');
  await visitor.page.goto(stead.url + path);
  await visitor.page.getByRole('navigation').first().waitFor();
}
