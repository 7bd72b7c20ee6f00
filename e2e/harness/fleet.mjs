/** Fleet directories, written as people write them. */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A node whose disk is no part of the test: how full the machine is that runs it must not matter. */
export const NODE = 'access: operator\nthresholds: { disk: { note: 97%, warn: 98%, critical: 99% } }\n';

export class Fleet {
  /** @param {string} dir */
  constructor(dir) {
    this.dir = dir;
  }

  /** @param {Record<string, string>} files path below the directory → text */
  static async write(files) {
    const fleet = new Fleet(await mkdtemp(join(tmpdir(), 'stead-fleet-')));
    for (const [path, text] of Object.entries(files)) await fleet.put(path, text);
    return fleet;
  }

  /**
   * One node, its services as YAML.
   *
   * @param {string} node
   * @param {string} services the lines below `services:`
   * @param {string} [more] further lines of stead.yaml
   */
  static of(node, services, more = '') {
    return Fleet.write({
      'stead.yaml': `fleet: lab\n${more}`,
      [`hosts/${node}/node.yaml`]: NODE,
      [`hosts/${node}/services.yaml`]: `services:\n${services}`,
    });
  }

  /** In one step, as editors and git do it. @param {string} path @param {string} text */
  async put(path, text) {
    const file = join(this.dir, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  }

  remove() {
    return rm(this.dir, { recursive: true, force: true });
  }
}

/** Lines of stead.yaml under which containers are restarted without asking. */
export const AUTOMATIC = 'policy:\n  rules:\n    - { match: { action: container_restart }, automatic: true }\n';

/** A container as a service that is repaired at its first failure. @param {string} name @param {string} container */
export const service = (name, container, more = '') =>
  `  ${name}: { kind: container, container: ${container}, patience: { failures: 1 }${more} }\n`;
