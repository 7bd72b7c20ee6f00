/** A Stead under test: the release binary on a fleet and a data directory of its own, on a free port. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dockerHost, need } from './lab.mjs';
import { until } from './until.mjs';

/**
 * @typedef {{ id: string, occurrence: number, kind: string, node: string | null, service: string | null, state: string,
 *   outcome: string | null, reason: string, risk: string, level: number, digest: string, decided_by: string | null,
 *   phase: string | null, freed: number | null, trigger: string, drift: string, subject: string,
 *   waits_for: string | null, verdict: { answer: string, rule: string, limit: string | null, text: string } | null,
 *   held: { target: string, lock: string, why: string } | null }} Action
 * @typedef {{ seq: number, id: string, at: string, node: string | null, subject: string, kind: string,
 *   severity: string, data: any, cause: number | null, text: string }} Event
 * @typedef {{ code: number, stdout: string, stderr: string }} Output
 * @typedef {{ node?: string, env?: Record<string, string>, data?: string, port?: number }} Options
 */

/** One process of the binary, or of another program, with what it printed. */
export class Process {
  /** @param {string[]} args @param {Record<string, string>} env @param {string} [program] */
  constructor(args, env, program = need('STEAD_BIN')) {
    this.printed = '';
    this.child = spawn(program, args, {
      env: { PATH: process.env.PATH ?? '', HOME: tmpdir(), DOCKER_HOST: dockerHost(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    /** @type {Promise<number | null>} */
    this.gone = new Promise((done) => this.child.once('close', (code) => done(code)));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (chunk) => (this.printed += String(chunk)));
    }
  }

  get running() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** @param {NodeJS.Signals} [signal] */
  async end(signal = 'SIGTERM') {
    if (this.running) this.child.kill(signal);
    const late = setTimeout(() => this.child.kill('SIGKILL'), 15_000);
    const code = await this.gone;
    clearTimeout(late);
    return code;
  }
}

export class Stead {
  /** @param {string} fleet @param {string} data @param {number} port @param {Options} options */
  constructor(fleet, data, port, options) {
    this.fleet = fleet;
    this.data = data;
    this.port = port;
    this.node = options.node ?? 'piha';
    this.env = options.env ?? {};
    /** @type {Process | undefined} */
    this.server = undefined;
    /** @type {Process | undefined} */
    this.agent = undefined;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get files() {
    return join(this.data, 'files');
  }

  /** @param {{ dir: string }} fleet @param {Options} [options] */
  static async prepare(fleet, options = {}) {
    const data = options.data ?? (await mkdtemp(join(tmpdir(), 'stead-data-')));
    return new Stead(fleet.dir, data, options.port ?? (await freePort()), options);
  }

  /** `stead up`: server and agent in one. @param {{ dir: string }} fleet @param {Options} [options] */
  static async up(fleet, options = {}) {
    const stead = await Stead.prepare(fleet, options);
    await stead.start();
    return stead;
  }

  async start() {
    this.server = this.spawn('up', ...this.serverArgs(), '--node', this.node);
    await this.answers();
  }

  /** `stead server` alone. */
  async startServer() {
    this.server = this.spawn('server', ...this.serverArgs());
    await this.answers();
  }

  /** `stead agent` alone, with a data directory of its own. */
  async startAgent() {
    const token = await until('the server left an agent token', () => this.token('agent.token'));
    const agentData = join(this.data, 'agent');
    this.agent = new Process(['agent', '--server', this.url, '--node', this.node, '--data', agentData], {
      ...this.env,
      STEAD_TOKEN: token,
    });
  }

  serverArgs() {
    return ['--fleet', this.fleet, '--data', this.data, '--listen', `127.0.0.1:${this.port}`];
  }

  /** @param {string[]} args */
  spawn(...args) {
    return new Process(args, this.env);
  }

  async answers() {
    const server = this.server;
    await until(
      'the server answers',
      async () => {
        if (!server?.running) throw new Error(`it left: ${server?.printed}`);
        return (await fetch(`${this.url}/healthz`)).ok;
      },
      { within: 20_000 },
    );
  }

  /** The one-time link that `up` prints. */
  loginLink() {
    return until('a login link is printed', () => this.server?.printed.match(/https?:\/\/\S+#\S+/)?.[0]);
  }

  /** @param {string} [name] */
  async token(name = 'admin.token') {
    const file = join(this.data, name);
    return existsSync(file) ? (await readFile(file, 'utf8')).trim() : '';
  }

  /** @param {string} path @param {RequestInit} [init] */
  async fetch(path, init = {}) {
    const headers = { authorization: `Bearer ${await this.token()}`, 'content-type': 'application/json' };
    return fetch(this.url + path, { ...init, headers });
  }

  /** @param {string} path @returns {Promise<any>} */
  async get(path) {
    const answer = await this.fetch(path);
    if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** @param {string} path @param {unknown} body @returns {Promise<any>} */
  async post(path, body) {
    const answer = await this.fetch(path, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** The command line, as a person on this machine would use it. @param {string[]} args @returns {Promise<Output>} */
  async cli(...args) {
    return cli(args, { STEAD_URL: this.url, STEAD_TOKEN: await this.token() });
  }

  /** @param {string[]} args @returns {Promise<any>} */
  async json(...args) {
    const { code, stdout, stderr } = await this.cli(...args, '--json');
    if (code !== 0) throw new Error(`stead ${args.join(' ')}: exit ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }

  /** @returns {Promise<Action[]>} */
  actions() {
    return this.json('actions');
  }

  /** @param {string} id @returns {Promise<Action | undefined>} */
  async action(id) {
    const all = (await this.actions()).filter((action) => action.id === id);
    return all.sort((a, b) => b.occurrence - a.occurrence)[0];
  }

  /** @param {string} id @param {string} state @param {number} [within] @returns {Promise<Action>} */
  actionIs(id, state, within = 45_000) {
    return until(
      `${id} is ${state}`,
      async () => {
        const action = await this.action(id);
        if (action?.state === state) return action;
        throw new Error(action ? `${action.state} ${action.phase ?? ''} ${action.outcome ?? ''}` : 'no such action');
      },
      { within, every: 200 },
    );
  }

  /**
   * What policy says about a pending action.
   *
   * @param {string} id @param {string} answer ready, ask or refused @returns {Promise<Action>}
   */
  verdictIs(id, answer) {
    return until(`policy says ${answer} of ${id}`, async () => {
      const action = await this.action(id);
      if (action?.state === 'pending' && action.verdict?.answer === answer) return action;
      throw new Error(JSON.stringify(action ?? 'no such action'));
    });
  }

  /** Paused as a whole, as a machine under a debugger or a frozen VM is. @param {Process | undefined} process */
  async freeze(process) {
    process?.child.kill('SIGSTOP');
  }

  /** @param {Process | undefined} process */
  async thaw(process) {
    process?.child.kill('SIGCONT');
  }

  /** @param {string} [kind] @returns {Promise<Event[]>} */
  async events(kind) {
    const { stdout } = await this.cli('events', '--json');
    const events = stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
    return kind ? events.filter((event) => event.kind === kind) : events;
  }

  /** @param {string} service @param {string} state */
  serviceIs(service, state) {
    return until(`${service} is ${state}`, async () => {
      const all = await this.json('services');
      const found = all.find((/** @type {any} */ one) => one.node === this.node && one.name === service);
      if (found?.state === state) return found;
      throw new Error(JSON.stringify(found ?? all.map((/** @type {any} */ one) => one.name)));
    });
  }

  /** Every node's evidence is fresh. */
  fresh() {
    return until('all nodes are fresh', async () => {
      const status = await this.json('status');
      if (status.nodes.total > 0 && status.nodes.fresh === status.nodes.total) return status;
      throw new Error(JSON.stringify(status));
    });
  }

  /** Names of the files below one folder of the mirror. @param {string} folder */
  async mirrored(folder) {
    return readdir(join(this.files, folder)).catch(() => /** @type {string[]} */ ([]));
  }

  async stop() {
    await this.agent?.end();
    await this.server?.end();
  }

  async remove() {
    await this.stop();
    await rm(this.data, { recursive: true, force: true });
  }
}

/** @param {string[]} args @param {Record<string, string>} [env] @returns {Promise<Output>} */
export async function cli(args, env = {}) {
  const child = spawn(need('STEAD_BIN'), args, {
    env: { PATH: process.env.PATH ?? '', HOME: tmpdir(), DOCKER_HOST: dockerHost(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  const code = await new Promise((done) => child.once('close', done));
  return { code, stdout, stderr };
}

/** @returns {Promise<number>} */
export function freePort() {
  return new Promise((done, failed) => {
    const server = createServer();
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      server.close(() => done(port));
    });
  });
}
