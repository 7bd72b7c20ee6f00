/** Containers of a real engine: listed, filtered, restarted, their logs followed and searched, and who writes too much named. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Visitor } from '../harness/browser.mjs';
import { service } from '../harness/fleet.mjs';
import { docker, need, unique } from '../harness/lab.mjs';
import { says, text } from '../harness/reading.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

const WICKED = '<img src=x onerror=window.wicked=1>';
/** Verdicts after a minute instead of a day. */
const SOON = 'insight: { writes: { bucket: 10s, past: 40s, floor: 64m, begin: 2, end: 2 }, memory: { least: 1m } }\n';

/** A container that runs `script`. @param {Scene} scene @param {string} stem @param {string} script @param {string[]} args */
async function running(scene, stem, script, ...args) {
  const name = unique(stem);
  scene.keep({ remove: () => docker('rm', '-f', '-v', name) });
  await docker('run', '-d', '--name', name, ...args, need('STEAD_LAB_IMAGE'), 'sh', '-c', script);
  return name;
}

/** @param {import('../harness/stead.mjs').Stead} stead @param {string} query @returns {Promise<any[]>} */
const listed = async (stead, query = '') => (await stead.get(`/api/v1/containers${query}`)).containers;

/** @param {import('../harness/stead.mjs').Stead} stead @param {string} name */
const known = (stead, name) => until(`${name} is known`, async () => (await listed(stead)).find((one) => one.name === name));

test('containers are listed with what they are and use, and the filters agree with the command line', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('shop', { labels: [`note=${WICKED}`, 'com.docker.compose.project=market'] });
  const free = await running(scene, 'free', 'sleep 600');
  const stead = await scene.up(await scene.fleet('piha', service('shop', shop.name)));
  await stead.serviceIs('shop', 'healthy');
  const one = await until('it was measured', async () => (await listed(stead)).find((c) => c.name === shop.name && c.memory_bytes > 0));
  assert.equal(one.memory_limit, 64 << 20);
  assert.equal(one.stack, 'market');
  assert.equal(one.labels.note, WICKED, 'text is text');
  assert.ok(Date.parse(one.image_created_at) > 0, one.image_created_at);
  assert.equal(one.restarts_as, 'service/piha/shop');
  assert.deepEqual((await listed(stead, '?stack=market')).map((c) => c.name), [shop.name]);
  const noLimit = (await stead.json('containers', '--no-limit')).containers.map((/** @type {any} */ c) => c.name);
  assert(noLimit.includes(free) && !noLimit.includes(shop.name), noLimit.join());
  await shop.fallIll();
  await until('it is unhealthy', async () => (await listed(stead, '?unhealthy=true')).some((c) => c.name === shop.name));
  const detail = await stead.json('containers', `piha/${shop.name}`);
  assert.ok(detail.health_detail.unhealthy_since);
  assert(detail.health_detail.outputs.length > 0);
  assert.deepEqual(detail.health_history.slice(-2).map((/** @type {any} */ span) => span.state), ['healthy', 'unhealthy']);
});

test('all unhealthy ones are restarted after they were listed, and nothing else', async (t) => {
  const scene = new Scene(t);
  // The engine is shared with other tests, whose containers fall ill on purpose: only these are meant.
  const stack = unique('stack');
  const labels = [`com.docker.compose.project=${stack}`];
  const shop = await scene.container('shop', { labels });
  const stray = await scene.container('stray', { labels });
  const well = await scene.container('well', { labels });
  const restart = ['containers', 'restart', '--unhealthy', '--stack', stack];
  const stead = await scene.up(await scene.fleet('piha', service('shop', shop.name)));
  await stead.serviceIs('shop', 'healthy');
  await known(stead, well.name);
  const nothing = await stead.cli(...restart, '--yes');
  assert.equal(nothing.code, 0, nothing.stderr);
  assert.match(nothing.stdout, /nothing would be done/);
  well.since = Date.now() / 1000;
  await shop.fallIll();
  await stray.fallIll();
  await until('both are unhealthy', async () => (await listed(stead, `?unhealthy=true&stack=${stack}`)).length === 2);
  const unsure = await stead.cli(...restart);
  assert.equal(unsure.code, 2, unsure.stdout);
  assert(unsure.stdout.includes(shop.name) && unsure.stdout.includes(stray.name), unsure.stdout);
  const done = await stead.cli(...restart, '--yes', '--wait', '--note', 'morning');
  assert.equal(done.code, 0, done.stdout + done.stderr);
  assert.equal(await shop.starts(), 1);
  assert.equal(await stray.starts(), 1);
  assert.equal(await well.starts(), 0);
  const restarts = (await stead.actions()).filter((action) => action.kind === 'container_restart');
  assert(restarts.every((action) => action.decided_by === 'admin' && action.state === 'completed'), JSON.stringify(restarts));
});

test('logs are followed and searched where they lie; a line of 10 MB is cut and says so', async (t) => {
  const scene = new Scene(t);
  const long = await running(scene, 'long', `head -c 10485760 /dev/zero | tr '\\0' x; echo; echo needle '${WICKED}'; sleep 600`);
  const talks = await running(scene, 'talks', 'n=0; while sleep 0.2; do n=$((n+1)); echo tick $n; done');
  const stead = await scene.up(await scene.fleet('piha', '  router: { kind: external, monitor: false }\n'));
  await stead.fresh();
  await known(stead, long);
  const logs = await stead.cli('logs', '-n', '2000', `piha/${long}`);
  const lines = logs.stdout.trim().split('\n');
  assert.equal(lines.length, 2, lines.map((line) => line.length).join());
  assert.match(lines[0] ?? '', /\(cut: the line has 10485\d+ bytes or more\)$/);
  assert((lines[0]?.length ?? 0) <= 8192);
  const found = await until('it is found', async () => {
    const answer = await stead.json('logs', '--search', 'NEEDLE', '--since', '10m');
    return answer.lines.length > 0 ? answer : undefined;
  });
  assert.equal(found.lines[0].container, long);
  assert.equal(found.lines[0].text, `needle ${WICKED}`);
  assert.equal(found.nodes[0].problem, null);
  const stop = new AbortController();
  const response = await stead.fetch(`/api/v1/containers/piha/${talks}/logs/follow?tail=1`, { signal: stop.signal });
  assert.equal(response.status, 200);
  let text = '';
  for await (const chunk of /** @type {any} */ (response.body)) {
    text += Buffer.from(chunk).toString();
    if ((text.match(/tick \d+/g) ?? []).length >= 5) break;
  }
  stop.abort();
  const ticks = (text.match(/tick (\d+)/g) ?? []).map((tick) => Number(tick.slice(5)));
  assert.deepEqual(ticks, ticks.map((_, i) => (ticks[0] ?? 0) + i), 'as it comes, nothing twice, nothing left out');
});

test('a container that begins to write is named with what came before it, and its end is told', async (t) => {
  const scene = new Scene(t);
  const stead = await scene.up(await scene.fleet('piha', '  router: { kind: external, monitor: false }\n', SOON));
  await stead.fresh();
  const script = 'while :; do if test -e /tmp/write; then dd if=/dev/zero of=/data bs=1M count=8 oflag=direct 2>/dev/null || dd if=/dev/zero of=/data bs=1M count=8 conv=fsync 2>/dev/null; fi; sleep 1; done';
  const folder = await mkdtemp(join(tmpdir(), 'stead-compose-'));
  scene.keep({ remove: () => rm(folder, { recursive: true }) });
  const file = join(folder, 'docker-compose.yml');
  await writeFile(file, 'services:\n  db:\n    image: db:1 # ours\n    environment: { DB_PASSWORD: hunter2 }\n    restart: always\n');
  const compose = { project: 'market', service: 'db', 'project.config_files': file };
  const labels = Object.entries(compose).flatMap(([key, value]) => ['--label', `com.docker.compose.${key}=${value}`]);
  const name = await running(scene, 'writer', script, ...labels);
  await known(stead, name);
  await until('a past is recorded', async () => {
    const match = encodeURIComponent(`stead_container_block_write_bytes_per_second{container="${name}"}`);
    const answer = await stead.get(`/api/v1/history?match=${match}&from=10m&step=10s`);
    return (answer.series[0]?.points ?? []).length >= 6;
  }, { within: 120_000, every: 1000 });
  await docker('restart', '-t', '0', name);
  await docker('exec', name, 'touch', '/tmp/write');
  const anomaly = await until('it is found', async () => {
    const all = (await stead.get('/api/v1/containers')).write_anomalies;
    return all.find((/** @type {any} */ one) => one.container === name);
  }, { within: 120_000, every: 1000 });
  assert(anomaly.rate > 64 << 20, String(anomaly.rate));
  assert.equal(anomaly.before?.kind, 'restart', anomaly.text);
  assert(anomaly.full_in_ms > 0, anomaly.text);
  const [event] = await stead.events('writes_anomalous');
  assert.equal(event?.subject, `container/piha/${name}`);
  assert.equal(event?.severity, 'warning');
  const cause = await stead.get(`/api/v1/events/${event?.cause}`);
  assert.equal((cause.event ?? cause).subject, `container/piha/${name}`, 'linked to what began it');
  assert((await stead.get('/api/v1/overview')).write_anomalies.length === 1);
  assert((await stead.get('/api/v1/nodes/piha')).write_anomalies.length === 1);
  await docker('exec', name, 'rm', '/tmp/write');
  await until('its end is told', async () => (await stead.events('writes_usual')).length === 1, { within: 120_000, every: 1000 });
  assert.deepEqual((await stead.get('/api/v1/containers')).write_anomalies, []);
  assert.equal((await stead.events('writes_anomalous')).length, 1, 'said once');
  const advice = await stead.json('advise', 'memory');
  const own = advice.containers.find((/** @type {any} */ one) => one.container === name);
  assert.equal(own.advice, 'change', JSON.stringify(own));
  assert(own.limit >= 32 << 20 && own.lines.startsWith('mem_limit:'), own.lines);
  const patch = await stead.cli('advise', 'memory', `piha/${name}`);
  assert.equal(patch.code, 0, patch.stderr);
  assert.match(patch.stdout, /^\+ {4}mem_limit: \d+m$/m);
  assert(!patch.stdout.includes('hunter2'), 'no secret leaves the node');
  const visitor = scene.keep(await Visitor.open());
  await visitor.signIn(stead);
  await visitor.page.goto(`${stead.url}/containers?tab=memory`);
  await visitor.page.locator('li').filter({ hasText: name }).getByRole('button', { name: 'Patch' }).click();
  const dialog = visitor.page.getByRole('dialog', { name: `Memory limit of ${name}` });
  await says(dialog, file, /\+ mem_limit: \d+m/, 'docker-compose up -d db');
  assert(!(await text(dialog)).includes('hunter2'));
});

test('pages of containers show foreign text as text, and have no serious barriers', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('shop', { labels: [`note=${WICKED}`] });
  const loud = await running(scene, 'loud', `echo 'said ${WICKED}'; sleep 600`, '--label', `a=${WICKED}`);
  const stead = await scene.up(await scene.fleet('piha', service('shop', shop.name)));
  await stead.serviceIs('shop', 'healthy');
  await known(stead, loud);
  await shop.fallIll();
  for (const screen of [{ width: 1440, height: 900 }, { width: 360, height: 740, dark: true }]) {
    const visitor = scene.keep(await Visitor.open(screen));
    if (screen.dark) await visitor.page.goto(stead.url + (await stead.json('login')).path);
    else await visitor.signIn(stead);
    await visitor.page.getByRole('navigation').first().waitFor();
    for (const [page, text] of [
      ['/containers', shop.name],
      ['/containers?show=unhealthy', shop.name],
      ['/containers?tab=logs&text=said&since=1h', WICKED],
      ['/containers?tab=memory', 'Nothing to say'],
      [`/containers/piha/${loud}`, WICKED],
    ]) {
      await visitor.page.goto(stead.url + page);
      await visitor.page.getByText(text ?? '').first().waitFor({ state: 'attached' });
      await visitor.look(`${screen.width}${page?.replaceAll(/[/?&=]/g, '-')}`);
      assert.deepEqual(await visitor.barriers(), [], `${page} at ${screen.width}`);
      const overflow = await visitor.sideways();
      assert(overflow <= 0, `${page} scrolls sideways at ${screen.width}`);
    }
    await visitor.page.goto(`${stead.url}/containers?tab=logs`);
    await visitor.page.getByRole('search').getByRole('textbox').first().fill('said');
    await visitor.page.getByRole('button', { name: 'Search', exact: true }).click();
    await says(visitor.page.getByRole('main'), /\d+ lines? found; \d+ lines \(.*\) looked at on 1 node/, /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}/);
    const found = visitor.page.getByRole('list', { name: 'Found lines' }).getByRole('link', { name: `piha/${loud}` }).first();
    assert.equal(await found.getAttribute('href'), `/containers/piha/${loud}`);
    await visitor.page.goto(`${stead.url}/containers?tab=logs&text=nobody-says-this&since=10m`);
    await says(visitor.page.getByRole('main'), '0 lines found', 'No line says that', 'stead logs --search TEXT --since 24h');
    assert.equal(await visitor.page.evaluate('window.wicked'), undefined, 'a label is no script');
    assert.deepEqual(visitor.complaints, []);
  }
});
