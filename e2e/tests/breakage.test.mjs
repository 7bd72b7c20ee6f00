/** What Stead stands on breaks in the middle of its work: the disk is full, the engine swallows an answer. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AUTOMATIC, service } from '../harness/fleet.mjs';
import { dockerHost, unique } from '../harness/lab.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

/** A file system of a few megabytes, so that it can be filled. */
class SmallDisk {
  /** @param {string} dir */
  constructor(dir) {
    this.dir = dir;
  }

  static async mount() {
    const dir = await mkdtemp(join(tmpdir(), 'stead-small-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', dir]);
    return new SmallDisk(dir);
  }

  /** To the last byte. */
  async fill() {
    const { bavail, bsize } = await statfs(this.dir);
    const nearly = Number(bavail) * Number(bsize);
    await writeFile(join(this.dir, 'filler'), Buffer.alloc(nearly)).catch(() => undefined);
    await writeFile(join(this.dir, 'rest'), Buffer.alloc(1 << 20)).catch(() => undefined);
  }

  async free() {
    await rm(join(this.dir, 'filler'), { force: true });
    await rm(join(this.dir, 'rest'), { force: true });
  }

  async remove() {
    execFileSync('umount', ['-l', this.dir]);
    await rm(this.dir, { recursive: true, force: true });
  }
}

test('F3: on a full disk nothing is acknowledged, reads live on, and with room it goes on', async (t) => {
  const scene = new Scene(t);
  const disk = scene.keep(await SmallDisk.mount());
  const stead = await scene.up(await scene.fleet('piha', '  {}'), { data: join(disk.dir, 'data') });
  await stead.fresh();
  const said = (/** @type {string} */ about) => ({ node: 'piha', kind: 'tea_is_ready', data: { about } });
  const post = (/** @type {string} */ about) =>
    stead.fetch('/api/v1/events', { method: 'POST', body: JSON.stringify(said(about)) });
  assert((await post('before')).ok);

  await disk.fill();
  const taken = ['before'];
  const refused = await until('an event is refused', async () => {
    const about = `full-${taken.length}`;
    const answer = await post(about);
    // What the log had room for already is taken, and then must be there.
    if (answer.ok) taken.push(about);
    return answer.ok ? undefined : answer;
  });
  assert.equal(refused.status, 503);
  assert.equal((await stead.json('nodes')).length, 1, 'reads live on');
  assert.equal((await fetch(`${stead.url}/summary`)).status, 200);
  const health = await fetch(`${stead.url}/healthz`);
  assert.equal(health.status, 503);
  assert.match(await health.text(), /log-full/);

  await disk.free();
  await until('it goes on by itself', async () => (await post('after')).ok);
  taken.push('after');
  await stead.stop();
  await stead.start();
  const kept = (await stead.events('tea_is_ready')).map((event) => event.data.about);
  for (const about of taken) assert(kept.includes(about), `${about} was acknowledged and is gone`);
});

/** Docker's socket with somebody in between, who can swallow the answer to a restart and then everything. */
class Between {
  constructor() {
    this.path = join(tmpdir(), `${unique('between')}.sock`);
    this.swallow = false;
    this.swallowed = 0;
    /** @type {Set<import('node:net').Socket>} */
    this.open = new Set();
    this.server = createServer((socket) => this.serve(socket)).listen(this.path);
  }

  /** @param {import('node:net').Socket} socket */
  serve(socket) {
    const engine = connect(dockerHost().replace('unix://', ''));
    for (const end of [socket, engine]) this.open.add(end.on('error', () => end.destroy()));
    socket.on('data', (chunk) => {
      if (this.swallow && /^POST \S*\/containers\/\S+\/restart/.test(chunk.toString('latin1'))) this.swallowed += 1;
      engine.write(chunk);
    });
    engine.on('data', (chunk) => this.swallowed === 0 && socket.write(chunk));
    socket.on('close', () => engine.destroy());
    engine.on('close', () => socket.destroy());
  }

  /** Connections break, and new ones work. */
  heal() {
    this.swallow = false;
    this.swallowed = 0;
    for (const end of this.open) end.destroy();
    this.open.clear();
  }

  remove() {
    this.heal();
    return new Promise((gone) => this.server.close(gone));
  }
}

test('F17: when the engine swallows the answer to a restart, it is looked at and not done again', async (t) => {
  const scene = new Scene(t);
  const between = scene.keep(new Between());
  const shop = await scene.container('shop', { stubborn: 1 });
  const fleet = await scene.fleet('piha', service('shop', shop.name), AUTOMATIC);
  const stead = await scene.up(fleet, { env: { DOCKER_HOST: `unix://${between.path}` } });
  await stead.serviceIs('shop', 'healthy');
  between.swallow = true;
  await shop.fallIll();
  await until('the restart was asked for', () => between.swallowed > 0);
  await until('the engine did it', async () => (await shop.starts()) === 1);
  const during = await stead.action('container-restart-piha-shop');
  assert.equal(during?.state, 'running', 'nobody calls it done');
  between.heal();
  await stead.actionIs('container-restart-piha-shop', 'completed', 90_000);
  assert.equal(await shop.starts(), 1, 'exactly one effective restart');
});
