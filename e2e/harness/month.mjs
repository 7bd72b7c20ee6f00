/** A fleet with a past: the binary's own server and agents, which lived through some days before anybody looks (docs/adr/0066). */
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { need } from './lab.mjs';
import { Process, Stead, freePort } from './stead.mjs';
import { until } from './until.mjs';

const MEMORY = '/dev/shm';

export class Month extends Stead {
  /**
   * The last `days` of the month, and the present after it. `STEAD_MONTH=DIR:PORT` names one that lives already, as `make month`
   * leaves it, for whoever writes a test.
   *
   * @param {number} days
   */
  static async lived(days) {
    const [there, port] = (process.env.STEAD_MONTH ?? '').split(':');
    if (there) return new Month(join(there, 'fleet'), there, Number(port), {});
    // In memory where there is room for it: a day is thousands of small writes that each wait for the disk.
    const data = await mkdtemp(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'stead-month-'));
    const month = new Month(join(data, 'fleet'), data, await freePort(), {});
    const args = ['--data', data, '--days', String(days), '--listen', `127.0.0.1:${month.port}`];
    month.server = new Process(args, {}, need('STEAD_MONTH_BIN'));
    return month;
  }

  /** It is over: from here on the clock goes as everybody's does. */
  async over() {
    const server = this.server;
    if (!server) return;
    await until(
      'the days are lived through',
      () => {
        if (!server.running) throw new Error(`it left: ${server.printed}`);
        return server.printed.includes('sign in');
      },
      { within: 180_000 },
    );
  }

  /** One that was there before stays. */
  async remove() {
    if (this.server) await super.remove();
  }
}
