/** Lines of a node that is away, found in a Loki: by command, on the page of the search, and as a gone container's last lines. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Visitor } from '../harness/browser.mjs';
import { Fleet, NODE } from '../harness/fleet.mjs';
import { Loki } from '../harness/loki.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

const WICKED = '<img src=x onerror=alert(1)> needle';

test('a line of a node that is away is found in Loki and said to be from there', async (t) => {
  const scene = new Scene(t);
  const at = Date.now() - 60_000;
  const has = { tenant: 'home', stream: { hostname: 'attic', container: 'cellar', level: 'error' }, lines: [{ at, text: WICKED }, { at: at - 1000, text: 'quiet' }] };
  const loki = scene.keep(await Loki.start(has));
  const fleet = await Fleet.write({
    'stead.yaml': `fleet: lab\nloki: { url: "${loki.url}", tenant: home }\n`,
    'hosts/piha/node.yaml': NODE,
    'hosts/attic/node.yaml': 'labels: { site: roof }\n',
  });
  const stead = await scene.up(scene.keep(fleet));
  await until('piha is fresh, attic never was', async () => (await stead.get('/summary')).nodes.fresh === 1);
  const found = await until('Loki is asked', async () => {
    const answer = await stead.json('logs', '--search', 'NEEDLE', '--since', '10m');
    return answer.lines.length > 0 ? answer : undefined;
  });
  assert.deepEqual(
    found.lines.map((/** @type {any} */ line) => [line.node, line.container, line.from, line.error, line.text]),
    [['attic', 'cellar', 'loki', true, WICKED]],
  );
  const away = found.nodes.find((/** @type {any} */ node) => node.node === 'attic');
  assert.match(away.problem, /no agent of attic/);
  assert.equal(found.loki.problem, null);
  const said = await stead.cli('logs', '--search', 'needle', '--since', '10m');
  assert.match(said.stdout, /attic\/cellar from Loki {2}<img/);
  const last = await stead.cli('logs', 'attic/cellar');
  assert.equal(last.stdout.trim().split('\n').length, 2, last.stdout + last.stderr);

  const visitor = scene.keep(await Visitor.open());
  await visitor.signIn(stead);
  await visitor.page.goto(`${stead.url}/containers?tab=logs&text=needle&since=10m`);
  await visitor.page.getByText('from Loki', { exact: true }).waitFor();
  await visitor.look('logs-from-loki');
  assert.deepEqual(await visitor.barriers(), []);
  await visitor.page.getByRole('link', { name: 'attic/cellar' }).click();
  await visitor.page.getByText('From Loki: attic does not tell them now.').waitFor();
  await visitor.look('gone-container-from-loki');
  assert(await visitor.page.getByText(WICKED).first().isVisible(), 'as text');

  loki.refuses = 429;
  const refused = await stead.json('logs', '--search', 'needle', '--since', '10m');
  assert.match(refused.loki.problem, /429/);
  assert.deepEqual(visitor.complaints.filter((text) => !text.includes('404')), []);
});
