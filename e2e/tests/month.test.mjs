/** A fleet with a past, looked at page by page: what stands there is what the server knows. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Month } from '../harness/month.mjs';
import * as cli from '../month/cli.mjs';
import * as containers from '../month/containers.mjs';
import { complaints, looking } from '../month/looking.mjs';
import * as node from '../month/node.mjs';
import * as overview from '../month/overview.mjs';
import * as seldom from '../month/seldom.mjs';
import * as tables from '../month/tables.mjs';
import * as troubles from '../month/troubles.mjs';
import * as ways from '../month/ways.mjs';

/** Two days are enough for each thing that a page can say. */
const DAYS = 2;
/** @type {Month} */
let month;
/** @type {import('../month/looking.mjs').Looking} */
let desk;

before(async () => {
  month = await Month.lived(DAYS);
  await month.over();
  desk = await looking(month);
});
after(async () => {
  await desk?.visitor.remove();
  await month?.remove();
});

for (const [page, questions] of Object.entries({ overview, containers, node, tables, seldom, ways, troubles, 'command line': cli })) {
  for (const [name, question] of Object.entries(questions)) {
    const words = name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    test(`${page}: ${words}`, () => question(desk));
  }
}

test('none of it complained', () => assert.deepEqual(complaints(desk.visitor), []));

const PAGES = ['/', '/tv', '/nodes', '/nodes/web-1', '/nodes/web-2?tab=units', '/nodes/nas?tab=containers', '/services', '/containers', '/containers?tab=memory', '/containers?tab=logs', '/containers/web-1/shop', '/inventory', '/inventory?tab=images', '/inventory?tab=costs', '/models', '/events', '/actions'];

for (const [kind, screen] of Object.entries({ wide: { width: 1600, height: 1000 }, 'on a telephone, in the dark': { width: 360, height: 740, dark: true } })) {
  test(`no page has serious barriers or scrolls sideways, ${kind}`, async (t) => {
    const eye = await looking(month, screen);
    t.after(() => eye.visitor.remove());
    for (const path of PAGES) {
      await eye.open(path);
      await eye.page.locator('[aria-busy=true]').waitFor({ state: 'detached' }).catch(() => {});
      assert.deepEqual(await eye.visitor.barriers(), [], path);
      assert((await eye.visitor.sideways()) <= 0, `${path} scrolls sideways`);
    }
    assert.deepEqual(complaints(eye.visitor), []);
  });
}
