/** Each kind of service, and the actions that are not a plain restart. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Fleet, service } from '../harness/fleet.mjs';
import { docker, dockerHost, need, unique } from '../harness/lab.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

/** @param {string} name */
const exists = (name) => docker('inspect', '-f', '{{.State.Running}}', name).then((state) => state === 'true', () => false);

test('a container with a definition is created when it is missing, and recreated when the definition changes', async (t) => {
  const scene = new Scene(t);
  const name = unique('whoami');
  scene.keep({ remove: () => docker('rm', '-f', name) });
  /** @param {string} limit */
  const defined = (limit) =>
    `  whoami: { kind: container, container: ${name}, image: "${need('STEAD_LAB_IMAGE')}", mem_limit: ${limit}, ` +
    'environment: { TOKEN: hush }, patience: { failures: 1 } }\n';
  const fleet = await scene.fleet('piha', defined('64m'));
  const stead = await scene.up(fleet);

  const action = await stead.actionIs('redeploy-piha-whoami', 'pending');
  assert.equal(action.drift, 'missing_service');
  assert.equal(action.risk, 'guarded');
  await stead.cli('actions', 'approve', action.id);
  await stead.actionIs(action.id, 'completed');
  assert(await exists(name));
  assert.equal(await docker('inspect', '-f', '{{.HostConfig.Memory}}', name), String(64 << 20));

  await fleet.put('hosts/piha/services.yaml', `services:\n${defined('32m')}`);
  const again = await stead.actionIs(action.id, 'pending');
  assert.equal(again.drift, 'changed_service');
  assert.equal(again.occurrence, 2);
  await stead.cli('actions', 'approve', action.id);
  await stead.actionIs(action.id, 'completed');
  assert.equal(await docker('inspect', '-f', '{{.HostConfig.Memory}}', name), String(32 << 20));
  const everything = JSON.stringify([await stead.actions(), await stead.events()]);
  assert(!everything.includes('hush'), 'environments are never told');
});

test('a missing container that nothing describes is shown with what to add, and no action pretends', async (t) => {
  const scene = new Scene(t);
  const stead = await scene.up(await scene.fleet('piha', service('shop', unique('nobody'))));
  await stead.serviceIs('shop', 'missing');
  const [drift] = await stead.json('drift');
  assert.equal(drift.kind, 'missing_service');
  assert.equal(drift.action, null);
  assert.match(drift.remedy, /image/);
  assert.deepEqual(await stead.actions(), []);
});

test('a compose service is restarted, and brought up again when it was removed', async (t) => {
  const scene = new Scene(t);
  const project = unique('stack').toLowerCase();
  const folder = join(await mkdtemp(join(tmpdir(), 'stead-compose-')), project);
  await mkdir(folder);
  /** @param {string} label */
  const file = (label) => `version: "2.4"
services:
  web:
    image: ${need('STEAD_LAB_IMAGE')}
    network_mode: none
    labels: { stage: "${label}" }
    command: ["sh", "-c", "rm -f /tmp/ill; trap exit TERM; while :; do sleep 1 & wait $$!; done"]
    healthcheck: { test: "test ! -e /tmp/ill", interval: 1s, retries: 1 }
`;
  const path = join(folder, 'docker-compose.yml');
  await writeFile(path, file('one'));
  const compose = (/** @type {string[]} */ ...args) =>
    execFileSync('docker-compose', args, { cwd: folder, env: { ...process.env, DOCKER_HOST: dockerHost() }, stdio: 'pipe' });
  scene.keep({
    remove: async () => {
      compose('down', '-t', '0');
      await rm(folder, { recursive: true });
    },
  });
  compose('up', '-d');
  const container = (await docker('ps', '-q', '--filter', `label=com.docker.compose.project=${project}`)).trim();

  const fleet = await scene.fleet('piha', `  web: { kind: compose, path: ${folder}, patience: { failures: 1 } }\n`);
  const stead = await scene.up(fleet);
  await stead.serviceIs('web', 'healthy');
  await docker('exec', container, 'touch', '/tmp/ill');
  await stead.actionIs('container-restart-piha-web', 'pending');
  await stead.cli('actions', 'approve', 'container-restart-piha-web');
  await stead.actionIs('container-restart-piha-web', 'completed');
  await stead.serviceIs('web', 'healthy');

  await writeFile(path, file('two'));
  const changed = await stead.actionIs('redeploy-piha-web', 'pending', 90_000);
  assert.equal(changed.drift, 'changed_service');
  await stead.cli('actions', 'approve', 'redeploy-piha-web');
  await stead.actionIs('redeploy-piha-web', 'completed', 90_000);

  compose('rm', '-f', '-s');
  await stead.serviceIs('web', 'missing');
  await stead.actionIs('redeploy-piha-web', 'pending');
  await stead.cli('actions', 'approve', 'redeploy-piha-web');
  await stead.actionIs('redeploy-piha-web', 'completed', 90_000);
  await stead.serviceIs('web', 'healthy');
});

test('a cleanup that a person starts says what it would free before and what it freed after', async (t) => {
  const scene = new Scene(t);
  const stead = await scene.up(await scene.fleet('piha', '  {}'));
  await stead.fresh();
  // Dangling: an image that lost its name to a newer one.
  const folder = await mkdtemp(join(tmpdir(), 'stead-image-'));
  scene.keep({ remove: () => rm(folder, { recursive: true }) });
  const tag = `${unique('junk').toLowerCase()}:1`;
  scene.keep({ remove: () => docker('rmi', '-f', tag) });
  for (const text of ['first', 'second']) {
    await writeFile(join(folder, 'file'), text.repeat(1 << 18));
    execFileSync('tar', ['-C', folder, '-cf', `${folder}/image.tar`, 'file']);
    await docker('import', `${folder}/image.tar`, tag);
  }
  assert.notEqual(await docker('images', '-q', '--filter', 'dangling=true'), '');
  const accepted = await stead.post('/api/v1/actions', { kind: 'disk_cleanup', subject: 'node/piha' });
  assert.equal(accepted.id, 'disk-cleanup-piha');
  const done = await stead.actionIs('disk-cleanup-piha', 'completed', 60_000);
  assert(done.freed !== null && done.freed > 1 << 20, `freed ${done.freed}`);
  assert.equal(await docker('images', '-q', '--filter', 'dangling=true'), '');
});

test('disk pressure proposes a cleanup that waits for a person', async (t) => {
  const scene = new Scene(t);
  const fleet = await scene.fleet('piha', '  {}');
  await fleet.put('hosts/piha/node.yaml', 'access: operator\nthresholds: { disk: { note: 1%, warn: 2%, critical: 100% } }\n');
  const stead = await scene.up(fleet);
  const action = await stead.actionIs('disk-cleanup-piha', 'pending');
  assert.equal(action.risk, 'guarded');
  assert.equal((await stead.events('disk_pressure')).filter((event) => event.node === 'piha').length > 0, true);
  await fleet.put('hosts/piha/node.yaml', 'access: operator\nthresholds: { disk: { warn: 98%, critical: 99% } }\n');
  assert.equal((await stead.actionIs('disk-cleanup-piha', 'cancelled')).outcome, 'drift_resolved_auto');
});

test('desired state from a git checkout: the commit is shown, and a new commit is read', async (t) => {
  const scene = new Scene(t);
  const shop = await scene.container('shop');
  const fleet = await scene.fleet('piha', service('shop', shop.name));
  const git = (/** @type {string[]} */ ...args) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], { cwd: fleet.dir, encoding: 'utf8' }).trim();
  git('init', '-q');
  git('add', '-A');
  git('commit', '-qm', 'one');
  const stead = await scene.up(new Fleet(fleet.dir));
  await stead.serviceIs('shop', 'healthy');
  const shown = await until('the commit is shown', async () => {
    const info = await stead.get('/api/v1/desired');
    return info.commit && git('rev-parse', 'HEAD').startsWith(info.commit.slice(0, 7));
  });
  assert(shown);
  await fleet.put('hosts/piha/services.yaml', `services:\n${service('store', shop.name)}`);
  git('commit', '-qam', 'two');
  await stead.serviceIs('store', 'healthy');
  await until('the new commit is shown', async () => {
    const info = await stead.get('/api/v1/desired');
    return git('rev-parse', 'HEAD').startsWith(info.commit.slice(0, 7)) && !info.dirty;
  });
});
