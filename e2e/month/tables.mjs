/** What there is: the inventory, and language models. */
import assert from 'node:assert/strict';
import { BYTES, bytes, large, PERCENT, rows, says, soon } from '../harness/reading.mjs';

/** @typedef {import('./looking.mjs').Looking} Looking */

/** @param {Looking} looking */
export async function everythingThereIs({ month, page, open }) {
  const { items } = await month.get('/api/v1/inventory');
  await open('/inventory');
  const machines = items.filter((/** @type {any} */ one) => one.kind === 'machine');
  const main = page.getByRole('main');
  await says(main, `${items.length} things on ${machines.length} machines`, `Everything ${items.length}`);
  await page.setViewportSize({ width: 1920, height: 1000 });
  const shown = await rows(page, 'Inventory');
  assert.equal(shown.length, items.length);
  for (const item of items) {
    const row = shown.find((one) => one.Kind === item.kind && one.Node === item.node && one.Name === item.name);
    assert(row, `${item.kind} ${item.node} ${item.name}`);
    assert.deepEqual(
      [row.State, row.Version, row.Stack, row.product, row['Told by'], row.Detail],
      [item.state, item.version, item.stack, item.product, item.source, item.detail || item.image].map((cell) => cell.replaceAll(/\s+/g, ' ')),
      item.name,
    );
    assert.equal(row.Age, item.image_age_days == null ? '' : item.image_age_days === 1 ? '1 day' : `${item.image_age_days} days`);
  }
  assert.deepEqual([...new Set(shown.map((one) => one.Kind))], ['machine', 'stack', 'container', 'unit', 'model'], 'in this order');
  const table = page.getByRole('table', { name: 'Inventory' });
  const leads = { nas: '/nodes/nas', jellyfin: '/containers/nas/jellyfin', 'smbd.service': '/nodes/nas?tab=units&q=smbd.service', 'llama3.1:8b': '/models' };
  for (const [name, href] of Object.entries(leads)) {
    assert.equal(await table.getByRole('link', { name, exact: true }).first().getAttribute('href'), href);
  }
  for (const kind of ['machine', 'stack', 'container', 'unit', 'model']) {
    const of = items.filter((/** @type {any} */ one) => one.kind === kind);
    const chip = `${large(kind)}s ${of.length}`;
    await page.getByRole('group', { name: 'Which kind' }).getByRole('button', { name: chip }).click();
    await soon(`only ${kind}`, async () => {
      const left = await rows(page, 'Inventory');
      return left.length === of.length && left.every((row) => row.Kind === kind);
    });
  }
  for (const [name, file] of Object.entries({ CSV: 'inventory.csv', Markdown: 'inventory.md', JSON: 'inventory.json' })) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name, exact: true }).click()]);
    assert.equal(download.suggestedFilename(), file);
  }
  await page.setViewportSize({ width: 1600, height: 1000 });
}

/** @param {Looking} looking */
export async function howOldWhatRunsIs({ month, page, open }) {
  const { images, image_max_age_days: most } = await month.get('/api/v1/inventory');
  await open('/inventory?tab=images');
  const stale = images.filter((/** @type {any} */ image) => image.stale);
  assert(stale.length > 0 && stale.length < images.length);
  await says(page.getByRole('main'), `${stale.length} images older than ${most} days`, `An image older than ${most} days is stale`, `Images ${images.length}`);
  const shown = await rows(page, 'Images');
  const made = (/** @type {any} */ image) => Date.parse(image.created_at);
  const ages = shown.map((one) => made(images.find((/** @type {any} */ image) => image.image === one.Image)));
  assert.deepEqual(ages, [...ages].sort((a, b) => a - b), 'the oldest first');
  for (const image of images) {
    const row = shown.find((one) => one.Image === image.image);
    assert(row, image.image);
    assert.deepEqual([row.Freshness, row.Containers, row.Nodes], [image.stale ? 'Stale' : 'Fresh', String(image.containers), image.nodes.join(', ')]);
    assert.match(row.Age ?? '', /\d+/);
  }
}

/** @param {Looking} looking */
export async function whatEachProductTakesUp({ month, page, open }) {
  const { costs, cost_label: label } = await month.get('/api/v1/inventory');
  await open('/inventory?tab=costs');
  await says(page.getByRole('main'), `by the label ${label} of a container`);
  const shown = await rows(page, 'Cost');
  assert.equal(shown.length, costs.length);
  for (const cost of costs) {
    const row = shown.find((one) => one[label] === (cost.value || 'no label'));
    assert(row, cost.value);
    assert.deepEqual([row.Containers, row.Nodes], [cost.measured < cost.containers ? `${cost.containers} (${cost.measured} measured)` : String(cost.containers), String(cost.nodes)]);
    assert.match(row.Memory ?? '', new RegExp(`^${BYTES}$`));
    assert.match(row.CPU ?? '', new RegExp(`^${PERCENT}$`));
    assert.match(row.Written ?? '', new RegExp(`^${BYTES}/s$`));
  }
}

/** @param {Looking} looking */
export async function whichModelsThereAre({ month, page, open, region }) {
  const { nodes } = await month.get('/api/v1/models');
  const [node] = nodes;
  await open('/models');
  const loaded = node.models.filter((/** @type {any} */ model) => model.loaded);
  assert(loaded.length > 0, 'one is in memory');
  const taken = loaded.reduce((/** @type {number} */ sum, /** @type {any} */ model) => sum + model.loaded.size, 0);
  await says(page.getByRole('main'), `${node.models.length} models on ${nodes.length} node`, `${loaded.length} in memory, ${bytes(taken)}`);
  const place = region(node.node);
  await says(place, `${node.node} ${node.models.length}`, `Ollama ${node.version}`, new RegExp(`Memory, ${BYTES} of ${bytes(node.memory_total)} free ${PERCENT}`), `Graphics processor ${node.gpu_text}`);
  for (const model of node.models) {
    const row = place.locator('li').filter({ hasText: model.name });
    await says(row, `${bytes(model.size)} · ${model.parameters} · ${model.quantization}`, ...(model.last_used ? [/used .*(ago|now)/] : []));
    if (model.loaded) {
      await says(row, 'In memory', bytes(model.loaded.size), `${model.loaded.cpu_percent} % CPU`, model.loaded.ram === 0 ? 'on the graphics processor' : 'of memory');
      await row.getByRole('button', { name: `Unload ${model.name}` }).waitFor();
    } else {
      await says(row, `if loaded: ${model.fit.text}`);
      await row.getByRole('button', { name: `Load ${model.name}` }).waitFor();
    }
  }
  const other = node.models.find((/** @type {any} */ model) => !model.loaded);
  await page.getByRole('button', { name: `Load ${other.name}` }).click();
  const dialog = page.getByRole('dialog', { name: `Load ${other.name}` });
  await says(dialog, other.fit.text, `Needs ${bytes(other.fit.need)}`, other.fit.measured ? 'as measured' : 'estimated from its size on disk', `In video memory ${bytes(other.fit.vram)}`, `Computed by ${other.fit.speed_text}`, 'Note (optional');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await dialog.waitFor({ state: 'detached' });
}
