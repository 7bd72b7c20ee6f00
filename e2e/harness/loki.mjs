/**
 * A stand-in for Loki, where none can be installed: which labels there are, their values, and the lines of one container. The
 * adapter's own tests hold such answers to the published description (crates/adapters/tests/fixtures/loki). It understands of a
 * question only which text it looks for.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';

/** @typedef {{ tenant: string, stream: Record<string, string>, lines: { at: number, text: string }[] }} Has */

export class Loki {
  /** @param {Has} has */
  static async start(has) {
    const loki = new Loki(has);
    loki.server.listen(0, '127.0.0.1');
    await once(loki.server, 'listening');
    return loki;
  }

  /** @param {Has} has */
  constructor(has) {
    this.has = has;
    /** @type {string[]} */
    this.questions = [];
    this.refuses = 0;
    this.server = createServer((request, response) => {
      const { status, body } = this.answer(new URL(request.url ?? '/', 'http://loki'), String(request.headers['x-scope-orgid'] ?? ''));
      response.writeHead(status, { 'content-type': status === 200 ? 'application/json' : 'text/plain' });
      response.end(status === 200 ? JSON.stringify({ status: 'success', data: body }) : String(body));
    });
  }

  get url() {
    const address = /** @type {import('node:net').AddressInfo} */ (this.server.address());
    return `http://127.0.0.1:${address.port}`;
  }

  /** @param {URL} asked @param {string} tenant @returns {{ status: number, body: unknown }} */
  answer(asked, tenant) {
    const { stream, lines } = this.has;
    if (this.refuses) return { status: this.refuses, body: 'too many outstanding requests' };
    if (tenant !== this.has.tenant) return { status: 401, body: 'no org id' };
    if (asked.pathname === '/loki/api/v1/labels') return { status: 200, body: Object.keys(stream) };
    const label = /^\/loki\/api\/v1\/label\/(\w+)\/values$/.exec(asked.pathname)?.[1];
    if (label) return { status: 200, body: [stream[label]] };
    if (asked.pathname !== '/loki/api/v1/query_range') return { status: 404, body: 'not found' };
    const query = asked.searchParams.get('query') ?? '';
    this.questions.push(query);
    const text = /\(\?i\)([^"]*)"/.exec(query)?.[1]?.toLowerCase() ?? '';
    const values = lines.filter((line) => line.text.toLowerCase().includes(text)).map((line) => [`${line.at}000000`, line.text]);
    return { status: 200, body: { resultType: 'streams', result: values.length > 0 ? [{ stream, values }] : [], stats: {} } };
  }

  async remove() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
