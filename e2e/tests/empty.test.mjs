/** A server that knows nothing yet: each page says what will stand there and how it comes, and each command as well. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fleet, service } from '../harness/fleet.mjs';
import { says } from '../harness/reading.mjs';
import { Scene } from '../harness/scene.mjs';
import { complaints, looking } from '../month/looking.mjs';

/** @typedef {string | RegExp} Words */
/** @type {Record<string, Words[]>} */
const NOTHING = {
  '/': ['No service is written down yet', 'stead init fleet', 'No node reports yet', 'stead up --fleet fleet', 'Repairs, chores, failures and what it left alone will stand here'],
  '/tv': ['Needs you Nothing.', 'services well 0/0', 'score –'],
  '/nodes': ['No node reports yet', 'stead up --fleet fleet'],
  '/services': ['No service is written down yet', 'stead init fleet'],
  '/containers': ['0 containers on 0 nodes', 'No container is known yet', 'docker ps -a'],
  '/containers?show=unhealthy': ['No container is unhealthy'],
  '/containers?show=stopped': ['No container is like that'],
  '/containers?tab=memory': ['No container runs', 'stead advise memory', 'of their memory are measured'],
  '/containers?tab=logs': ['Search where the logs lie', 'stead logs --search', 'No log is copied anywhere'],
  '/inventory': ['0 things on 0 machines', 'Nothing is known yet'],
  '/inventory?tab=images': ['No container was seen yet', 'Images show up with the containers'],
  '/inventory?tab=costs': ['No container was seen yet', 'to see what each takes up'],
  '/models': ['No file names an Ollama', 'ollama: {', 'what loading a model would leave'],
  '/actions': ['Stead has not had to do anything yet'],
};
/** A node that a file names and nobody heard of. @type {Record<string, Words[]>} */
const UNHEARD = {
  '/': ['never seen', 'No node has fresh readings, and what is unknown is not scored.'],
  '/tv': ['never seen', 'nodes heard 0/1'],
  '/nodes/piha': ['Unknown', 'last seen never', 'No score now', 'Nothing fresh is known of piha', 'systemctl status stead-agent', 'No live numbers', 'The agent on piha does not report', 'Nothing is recorded yet', 'Nothing reported yet.', 'Cleanup no data yet', 'Running since unknown', 'Machine Nothing is known of it yet: its agent tells it when it connects.'],
  '/nodes/piha?range=7d': ['Nothing is recorded of the last 7 d'],
  '/nodes/piha?tab=containers': ['No containers run here', 'docker ps -a'],
  '/nodes/piha?tab=units': ['No units to show', 'The agent shows units of the fleet’s services, and those that failed.'],
  '/nodes/piha?tab=events': ['Nothing happened here yet'],
  '/nodes/nowhere': ['nowhere', /unknown-node/],
  '/containers/piha/nothing': [/unknown-container/],
};
/** @type {[string[], Words[]][]} */
const COMMANDS = [
  [['status'], ['nodes 0', 'services 0']],
  [['overview'], ['Needs you nothing']],
  [['nodes'], ['No nodes yet. Start an agent: stead agent --server URL']],
  [['drift'], ['No drift is known: no node is. Start an agent']],
  [['score'], ['score none yet', 'Start an agent']],
  [['trend', 'disk'], ['Nothing was measured yet: the first step is recorded ten seconds after an agent connects.']],
  [['containers'], ['No containers. An agent that reaches a Docker or Podman socket tells of them.']],
  [['advise', 'memory'], ['0 limits to change, 0 fit, nothing to say of 0']],
  [['models'], ['No file names an Ollama', 'ollama: {}']],
  [['inventory'], ['Nothing is known yet. Start an agent: stead agent --server URL']],
];

/** @param {import('node:test').TestContext} t @param {Fleet} fleet @param {Record<string, Words[]>} pages */
async function walked(t, fleet, pages) {
  const scene = new Scene(t);
  const stead = await scene.prepared(scene.keep(fleet));
  await stead.startServer();
  for (const screen of [{ width: 1440, height: 900 }, { width: 360, height: 740, dark: true }]) {
    const desk = await looking(stead, screen);
    scene.keep(desk.visitor);
    for (const [path, words] of Object.entries(pages)) {
      await desk.open(path);
      await says(desk.page.getByRole('main'), ...words);
      assert.deepEqual(await desk.visitor.barriers(), [], path);
      assert((await desk.visitor.sideways()) <= 0, `${path} scrolls sideways`);
    }
    assert.deepEqual(complaints(desk.visitor), []);
  }
  return stead;
}

test('where nothing is known every page and command says how something comes', async (t) => {
  const stead = await walked(t, await Fleet.write({ 'stead.yaml': 'fleet: lab\n' }), NOTHING);
  for (const [args, words] of COMMANDS) {
    const { code, stdout, stderr } = await stead.cli(...args);
    assert.equal(code, 0, stderr);
    const said = stdout.replaceAll(/\s+/g, ' ');
    for (const one of words) assert(typeof one === 'string' ? said.includes(one) : one.test(said), `stead ${args.join(' ')} lacks ${one}: ${stdout}`);
  }
});

test('a node that was never heard is said to be so, and how to look at it', async (t) => {
  const stead = await walked(t, await Fleet.of('piha', service('shop', 'shop')), UNHEARD);
  const drift = await stead.cli('drift');
  assert.match(drift.stdout, /^No drift is known, but nobody knows now how these are: piha$/m);
  const node = await stead.cli('nodes', 'piha');
  assert.match(node.stdout, /^piha unknown\n {2}Nothing is known of the machine yet/);
});
