/**
 * The lab as tests use it: containers that fall ill on request, and machines with a real systemd.
 * `cargo xtask lab up` starts both; the environment says where they are.
 */
import { spawn } from 'node:child_process';
import { until } from './until.mjs';

/**
 * What it printed. Standard input is closed: `lxc` waits for settings on one that stays open.
 *
 * @param {string} program @param {string[]} args @param {NodeJS.ProcessEnv} env
 * @returns {Promise<string>}
 */
function run(program, args, env) {
  return new Promise((done, failed) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += String(chunk)));
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    child.once('error', failed);
    child.once('close', (code) => {
      if (code === 0) done(stdout.trim());
      else failed(new Error(`${program} ${args.join(' ')}: exit ${code}: ${stderr.trim()}`));
    });
  });
}

/** @param {string} name */
export function need(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run \`make test\`, or \`eval "$(cargo xtask lab env)"\``);
  return value;
}

export const dockerHost = () => need('STEAD_LAB_DOCKER');

/** A name nobody else in the lab uses. @param {string} stem */
export const unique = (stem) => `${stem}-${process.pid}-${Math.random().toString(36).slice(2, 7)}`;

/** @param {string[]} args */
export function docker(...args) {
  return run('docker', args, { ...process.env, DOCKER_HOST: dockerHost() });
}

/**
 * Ill while `/tmp/ill` is there; its start takes the file away. `stubborn` containers ignore SIGTERM, so that a
 * restart takes as many seconds and something can happen in the middle of it.
 */
const WELL_AGAIN = 'rm -f /tmp/ill; echo well >/www/index.html; ';
const SERVE = `${WELL_AGAIN}exec httpd -f -p 80 -h /www`;
const STUBBORN = `${WELL_AGAIN}trap "" TERM; while :; do sleep 1; done`;

export class Container {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.since = 0;
  }

  /**
   * @param {string} stem
   * @param {{ stubborn?: number, publish?: string, labels?: string[], health?: string | null }} [how]
   */
  static async run(stem, { stubborn = 0, publish, labels = [], health = 'test ! -e /tmp/ill' } = {}) {
    const container = new Container(unique(stem));
    const args = ['run', '-d', '--name', container.name, '--memory', '64m'];
    if (health) args.push('--health-cmd', health, '--health-interval', '1s', '--health-retries', '1');
    if (stubborn) args.push('--stop-timeout', String(stubborn));
    if (publish) args.push('-p', publish);
    for (const label of labels) args.push('--label', label);
    await docker(...args, need('STEAD_LAB_IMAGE'), 'sh', '-c', stubborn ? STUBBORN : SERVE);
    if (health) await container.becomes('healthy');
    return container;
  }

  async fallIll() {
    this.since = Date.now() / 1000;
    await docker('exec', this.name, 'touch', '/tmp/ill');
    await this.becomes('unhealthy');
  }

  async heal() {
    await docker('exec', this.name, 'rm', '-f', '/tmp/ill');
    await this.becomes('healthy');
  }

  /** @param {string} health */
  becomes(health) {
    return until(`${this.name} becomes ${health}`, async () => {
      return (await docker('inspect', '-f', '{{.State.Health.Status}}', this.name)) === health;
    });
  }

  stop() {
    this.since = Date.now() / 1000;
    return docker('stop', '-t', '0', this.name);
  }

  /** The engine's events of this container since it fell ill. @param {string} kind */
  async events(kind) {
    const now = Math.ceil(Date.now() / 1000);
    const lines = await docker(
      'events', '--since', this.since.toFixed(3), '--until', String(now),
      '--filter', `container=${this.name}`, '--filter', `event=${kind}`, '--format', '{{.TimeNano}}',
    );
    return lines ? lines.split('\n') : [];
  }

  /** How often it was started since it fell ill. */
  async starts() {
    return (await this.events('start')).length;
  }

  remove() {
    return docker('rm', '-f', '-v', this.name);
  }
}

/** @param {string[]} args */
export function lxc(...args) {
  return run('lxc', args, lxdEnv());
}

function lxdEnv() {
  return { ...process.env, LXD_DIR: need('STEAD_LAB_LXD_DIR'), LXD_CONF: need('STEAD_LAB_LXC_CONF') };
}

/** A system container: real init, own network, a new `boot_id` with each boot. */
export class Machine {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  /** @param {string} stem */
  static async launch(stem) {
    const machine = new Machine(unique(stem));
    await lxc('launch', '-q', need('STEAD_LAB_LXC_IMAGE'), machine.name);
    await machine.booted();
    return machine;
  }

  /** @param {string[]} command */
  exec(...command) {
    return lxc('exec', this.name, '--', ...command);
  }

  /** @param {string} script */
  sh(script) {
    return this.exec('sh', '-ec', script);
  }

  booted() {
    return until(`${this.name} has booted`, async () => {
      // `is-system-running` fails unless all is well; degraded counts as booted.
      const state = await this.sh('systemctl is-system-running || true');
      return state === 'running' || state === 'degraded';
    });
  }

  /** @param {string} path @param {string} text */
  async write(path, text) {
    const child = spawn('lxc', ['file', 'push', '-p', '-', `${this.name}${path}`], {
      env: lxdEnv(),
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    child.stdin.end(text);
    const code = await new Promise((done) => child.once('close', done));
    if (code !== 0) throw new Error(`cannot write ${path} on ${this.name}`);
  }

  /** @param {string} file @param {string} path */
  push(file, path) {
    return lxc('file', 'push', '-p', '--mode=0755', file, `${this.name}${path}`);
  }

  /** Makes the host's loopback port reachable on the machine's own loopback. @param {number} port */
  reach(port) {
    return lxc(
      'config', 'device', 'add', this.name, `port-${port}`, 'proxy', 'bind=instance',
      `listen=tcp:127.0.0.1:${port}`, `connect=tcp:127.0.0.1:${port}`,
    );
  }

  async reboot() {
    await lxc('restart', this.name);
    await this.booted();
  }

  bootId() {
    return this.exec('cat', '/proc/sys/kernel/random/boot_id');
  }

  remove() {
    return lxc('delete', '-f', this.name);
  }
}
