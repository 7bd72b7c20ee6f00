/** Language models: seen, judged before they are loaded, loaded and unloaded by a person, with everything in the log. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Visitor } from '../harness/browser.mjs';
import { Fleet, NODE } from '../harness/fleet.mjs';
import { Ollama } from '../harness/ollama.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/until.mjs';

const SMALL = 'team/tiny:1b';
const HUGE = 'huge:900b';
/** @param {import('../harness/stead.mjs').Stead} stead @param {string} name */
const model = async (stead, name) => {
  const { nodes } = await stead.get('/api/v1/models');
  return nodes[0]?.models.find((/** @type {any} */ one) => one.name === name);
};

test('a model is loaded from the command line and the page, and what would not fit is said before', async (t) => {
  const scene = new Scene(t);
  const ollama = scene.keep(await Ollama.start({ [SMALL]: 50_000_000, [HUGE]: 900_000_000_000 }));
  const files = { 'stead.yaml': 'fleet: lab\n', 'hosts/piha/node.yaml': `${NODE}ollama: { url: "${ollama.url}" }\n` };
  const stead = await scene.up(scene.keep(await Fleet.write(files)));

  const huge = await until('the models are seen and the memory is measured', async () => {
    const one = await model(stead, HUGE);
    return one?.fit ? one : undefined;
  });
  assert.equal(huge.fit.verdict, 'too_large');
  const refused = await stead.cli('models', 'load', 'piha', HUGE);
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /it will not fit/);
  assert.deepEqual(ollama.asked, [], 'nothing was loaded');

  assert.equal((await stead.cli('models', 'load', 'piha', SMALL)).code, 0);
  const id = 'model-load-piha-team~tiny@1b';
  await stead.actionIs(id, 'completed');
  const loaded = await model(stead, SMALL);
  assert.equal(loaded.loaded.cpu_percent, 100);
  assert(loaded.loaded.expires_at > new Date().toISOString());
  assert.equal(loaded.fit.verdict, 'loaded');
  const chain = await stead.json('why', id);
  const stages = chain.links.map((/** @type {any} */ link) => link.stage);
  assert(stages.includes('approval') && stages.includes('step') && stages.includes('outcome'), `${stages}`);

  const visitor = scene.keep(await Visitor.open());
  await visitor.signIn(stead);
  await visitor.page.goto(`${stead.url}/models`);
  await visitor.page.getByRole('button', { name: `Unload ${SMALL}` }).click();
  await until('it left memory', async () => !(await model(stead, SMALL)).loaded);
  await visitor.page.getByRole('button', { name: `Load ${HUGE}` }).click();
  await visitor.page.getByRole('dialog').getByText('it will not fit').waitFor();
  await visitor.page.getByRole('button', { name: 'Load all the same' }).waitFor();
  assert.deepEqual(await visitor.barriers(), []);
  await visitor.page.keyboard.press('Escape');
  assert.deepEqual(visitor.complaints, []);

  await ollama.remove();
  await until('it is said to be down', async () => (await stead.get('/api/v1/models')).nodes[0].state === 'down');
  await visitor.page.getByText(/cannot be reached/).first().waitFor();
  assert.equal((await stead.get('/api/v1/models')).nodes[0].models.length, 2, 'what it told stays, and is said to be of before');
});

test('an agent that reads only loads nothing', async (t) => {
  const scene = new Scene(t);
  const ollama = scene.keep(await Ollama.start({ [SMALL]: 50_000_000 }));
  const node = `access: inspector\nollama: { url: "${ollama.url}" }\n`;
  const stead = await scene.up(scene.keep(await Fleet.write({ 'stead.yaml': 'fleet: lab\n', 'hosts/piha/node.yaml': node })));
  await until('the model is seen', () => model(stead, SMALL));
  await stead.cli('models', 'load', 'piha', SMALL);
  const id = 'model-load-piha-team~tiny@1b';
  await until('it says what it waits for', async () => JSON.stringify(await stead.json('why', id)).includes('access: inspector'));
  assert.equal((await stead.cli('actions', 'cancel', id)).code, 0);
  await stead.actionIs(id, 'cancelled');
  assert.deepEqual(ollama.asked, []);
});
