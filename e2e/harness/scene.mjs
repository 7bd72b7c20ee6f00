/** What a test put up is taken down after it, last first; when it failed, what Stead said is shown. */
import { Container, Machine } from './lab.mjs';
import { Fleet, service } from './fleet.mjs';
import { Stead } from './stead.mjs';

/** @typedef {import('node:test').TestContext} TestContext */

export class Scene {
  /** @param {TestContext} t */
  constructor(t) {
    /** @type {{ remove: () => Promise<unknown> }[]} */
    this.props = [];
    /** @type {Stead[]} */
    this.steads = [];
    t.after(async () => {
      // @ts-expect-error: `passed` came to node's types after version 20
      if (t.passed === false || t.error) this.tell(t);
      for (const prop of this.props.reverse()) await prop.remove().catch((error) => t.diagnostic(String(error)));
    });
  }

  /** @template {{ remove: () => Promise<unknown> }} T @param {T} prop @returns {T} */
  keep(prop) {
    this.props.push(prop);
    return prop;
  }

  /** @param {Parameters<typeof Container.run>} args */
  async container(...args) {
    return this.keep(await Container.run(...args));
  }

  /** @param {string} stem */
  async machine(stem) {
    return this.keep(await Machine.launch(stem));
  }

  /** @param {Parameters<typeof Fleet.of>} args */
  async fleet(...args) {
    return this.keep(await Fleet.of(...args));
  }

  /** @param {{ dir: string }} fleet @param {import('./stead.mjs').Options} [options] */
  async prepared(fleet, options) {
    const stead = this.keep(await Stead.prepare(fleet, options));
    this.steads.push(stead);
    return stead;
  }

  /** @param {{ dir: string }} fleet @param {import('./stead.mjs').Options} [options] */
  async up(fleet, options) {
    const stead = await this.prepared(fleet, options);
    await stead.start();
    return stead;
  }

  /** Stead with two services that are well. */
  async shopAndBlog() {
    const shop = await this.container('shop');
    const blog = await this.container('blog');
    const fleet = await this.fleet('piha', service('shop', shop.name) + service('blog', blog.name));
    const stead = await this.up(fleet);
    await stead.serviceIs('shop', 'healthy');
    await stead.serviceIs('blog', 'healthy');
    return { fleet, shop, blog, stead };
  }

  /** @param {TestContext} t */
  tell(t) {
    for (const stead of this.steads) {
      const said = `${stead.server?.printed ?? ''}\n${stead.agent?.printed ?? ''}`;
      t.diagnostic(`stead said:\n${said.split('\n').slice(-40).join('\n')}`);
    }
  }
}
