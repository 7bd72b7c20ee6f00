/**
 * A stand-in for Portainer, where none can be installed: the three lists that Stead reads, behind an access token. The adapter's
 * own tests hold such answers to the published description (crates/adapters/tests/fixtures/portainer).
 */
import { once } from 'node:events';
import { createServer } from 'node:http';

const ENDPOINT = {
  URL: 'unix:///var/run/docker.sock', PublicURL: '', Agent: {}, ComposeSyntaxMaxVersion: '3.9', ContainerEngine: 'docker', Edge: {},
  EdgeCheckinInterval: 5, EdgeKey: '', GroupId: 1, Kubernetes: {}, LastCheckInDate: 0, SecuritySettings: {},
  TLSConfig: { TLS: false, TLSSkipVerify: false },
};

export class Portainer {
  /** @param {{ key: string, environment: string, stack: string, container: string, image: string }} has */
  static async start(has, port = 0) {
    const portainer = new Portainer(has);
    portainer.server.listen(port, '127.0.0.1');
    await once(portainer.server, 'listening');
    return portainer;
  }

  /** @param {{ key: string, environment: string, stack: string, container: string, image: string }} has */
  constructor(has) {
    this.has = has;
    /** @type {string[]} */
    this.methods = [];
    this.server = createServer((request, response) => {
      this.methods.push(request.method ?? '');
      const { status, body } = request.headers['x-api-key'] === this.has.key ? this.answer(new URL(request.url ?? '/', 'http://portainer').pathname) : { status: 401, body: { message: 'Invalid API key' } };
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    });
  }

  get url() {
    const address = /** @type {import('node:net').AddressInfo} */ (this.server.address());
    return `http://127.0.0.1:${address.port}`;
  }

  /** @param {string} path @returns {{ status: number, body: unknown }} */
  answer(path) {
    const { environment, stack, container, image } = this.has;
    if (path === '/api/endpoints') return { status: 200, body: [{ ...ENDPOINT, Id: 1, Name: environment, Type: 1, Status: 1 }] };
    if (path === '/api/stacks') return { status: 200, body: [{ Id: 1, Name: stack, EndpointId: 1, Type: 2, Status: 1 }] };
    if (path !== '/api/endpoints/1/docker/containers/json') return { status: 404, body: { message: 'not found' } };
    return { status: 200, body: [{ Id: 'abc', Names: [`/${container}`], Image: image, State: 'running', Labels: { 'com.docker.compose.project': stack, product: 'films' } }] };
  }

  async remove() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
