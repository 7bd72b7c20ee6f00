/**
 * A stand-in for Ollama, where none can be installed: the routes that Stead asks, with the answers that Ollama publishes.
 * The adapter's own tests hold the same answers to the published description (crates/adapters/tests/fixtures/ollama).
 */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const published = async (/** @type {string} */ name) =>
  JSON.parse(await readFile(new URL(`../../crates/adapters/tests/fixtures/ollama/${name}`, import.meta.url), 'utf8'));

const KEEP_MS = 5 * 60_000;

export class Ollama {
  /** @param {Record<string, number>} disk name → bytes */
  static async start(disk, port = 0) {
    const [tags, ps, version, load, unload] = await Promise.all(['tags.json', 'ps.json', 'version.json', 'load.json', 'unload.json'].map(published));
    const ollama = new Ollama(disk, { tag: tags.models[0], run: ps.models[0], version, load, unload });
    ollama.server.listen(port, '127.0.0.1');
    await once(ollama.server, 'listening');
    return ollama;
  }

  /** @param {Record<string, number>} disk @param {any} examples */
  constructor(disk, examples) {
    this.disk = disk;
    this.examples = examples;
    /** @type {Map<string, number>} name → instant at which it leaves */
    this.memory = new Map();
    /** @type {any[]} what was asked of /api/generate */
    this.asked = [];
    this.server = createServer((request, response) => {
      let text = '';
      request.on('data', (part) => (text += part));
      request.on('end', () => {
        const { status = 200, body } = this.answer(request.url ?? '', text);
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(body));
      });
    });
  }

  get url() {
    const address = /** @type {import('node:net').AddressInfo} */ (this.server.address());
    return `http://127.0.0.1:${address.port}`;
  }

  /** @param {string} name */
  digest(name) {
    return Buffer.from(name).toString('hex').padEnd(64, '0').slice(0, 64);
  }

  /** @param {string} path @param {string} text @returns {{ status?: number, body: unknown }} */
  answer(path, text) {
    const { tag, run, version, load, unload } = this.examples;
    const one = (/** @type {string} */ name) => ({ name, model: name, digest: this.digest(name) });
    if (path === '/api/version') return { body: version };
    if (path === '/api/tags') return { body: { models: Object.entries(this.disk).map(([name, size]) => ({ ...tag, ...one(name), size })) } };
    if (path === '/api/ps') {
      for (const [name, at] of this.memory) if (at < Date.now()) this.memory.delete(name);
      const models = [...this.memory].map(([name, at]) => ({ ...run, ...one(name), size: Math.round((this.disk[name] ?? 0) * 1.25), size_vram: 0, expires_at: new Date(at).toISOString() }));
      return { body: { models } };
    }
    if (path !== '/api/generate') return { status: 404, body: { error: 'not found' } };
    const asked = JSON.parse(text);
    this.asked.push(asked);
    if (!(asked.model in this.disk)) return { status: 404, body: { error: `model '${asked.model}' not found` } };
    if (asked.keep_alive === 0) this.memory.delete(asked.model);
    else this.memory.set(asked.model, Date.now() + KEEP_MS);
    return { body: { ...(asked.keep_alive === 0 ? unload : load), model: asked.model } };
  }

  async remove() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
