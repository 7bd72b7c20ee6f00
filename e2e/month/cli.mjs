/** The same by the command line: what is printed for people is what `--json` knows. */
import assert from 'node:assert/strict';
import { plain, scaled } from '../harness/reading.mjs';

/** @typedef {import('./looking.mjs').Looking} Looking */

/** One decimal; what lies in the middle goes to the even one. @param {number} value */
function number(value) {
  const tenths = Math.floor(value * 10);
  const part = value * 10 - tenths;
  return String((part === 0.5 ? tenths + (tenths % 2) : Math.round(value * 10)) / 10);
}
/** `1.5 GiB`, as commands and sentences write it. @param {number} value */
function amount(value) {
  const [n, unit] = scaled(value, 1024);
  return `${number(n)} ${unit}`;
}
const SIZE = String.raw`[\d.]+ (?:B|KiB|MiB|GiB|TiB)`;
const AGO = String.raw`\d+ (?:s|min|h|d) ago`;

/** What a person reads. @param {Looking} looking @param {string[]} args */
async function printed({ month }, ...args) {
  const { code, stdout, stderr } = await month.cli(...args);
  assert.equal(code, 0, stderr);
  assert(!stdout.includes('\u001b'), 'no colours where nobody looks');
  return stdout;
}
/** @param {string} out @param {(string | RegExp)[]} expected */
function has(out, ...expected) {
  const said = plain(out);
  for (const one of expected) assert(typeof one === 'string' ? said.includes(plain(one)) : one.test(said), `it lacks ${one}:\n${out}`);
}
/** The line that begins with these words. @param {string} out @param {string[]} words */
function row(out, ...words) {
  const found = out.split('\n').map(plain).find((line) => line.startsWith(words.join(' ')));
  assert(found !== undefined, `no line begins with ${words.join(' ')}:\n${out}`);
  return found;
}

/** @param {Looking} looking */
export async function statusAndOverview(looking) {
  const { month } = looking;
  const overview = await month.json('overview', '--since', '24h');
  const { nodes, services, actions } = overview.summary;
  const status = await printed(looking, 'status');
  has(status, overview.sentence, `nodes ${nodes.total} (${nodes.fresh} fresh, ${nodes.stale} stale, ${nodes.unknown} unknown)`, `services ${services.total} (${services.healthy} healthy, ${services.unhealthy} unhealthy, ${services.missing} missing`, `actions ${actions.pending} pending, ${actions.approved} approved, ${actions.running} running`, 'lately ');
  for (const action of overview.needs_you) has(status, `${action.id}: ${action.reason}`);
  for (const need of overview.needs.filter((/** @type {any} */ one) => !['question', 'trouble', 'brake'].includes(one.kind))) has(status, `${need.severity} ${need.text}`, `next: ${need.next}`);
  for (const alert of overview.alerts.filter((/** @type {any} */ one) => !one.well_since)) has(status, `${alert.severity} ${alert.title}`);
  has(status, 'stead actions approve ID');
  const out = await printed(looking, 'overview', '--since', '24h');
  has(out, overview.sentence, 'Needs you', overview.did.sentence, /Since \d{4}-\d\d-\d\d \d\d:\d\d UTC/);
  for (const need of overview.needs) has(out, `${need.severity} ${need.text}`, `next: ${need.next}${need.command ? `: ${need.command}` : ''}`);
  assert(overview.did.entries.length > 0);
  for (const entry of overview.did.entries) has(out, new RegExp(`\\d\\d:\\d\\d ${entry.kind.replace('_', ' ')} `), `${entry.text}${entry.why ? ` (${entry.why})` : ''}`);
  const week = await month.json('overview', '--since', '7d');
  assert(week.did.entries.length > overview.did.entries.length, 'the time is chosen');
}

/** @param {Looking} looking */
export async function scores(looking) {
  const { month } = looking;
  const fleet = await month.json('score');
  const out = await printed(looking, 'score');
  has(out, `score ${fleet.score}`);
  for (const card of fleet.cards.filter((/** @type {any} */ one) => one.score !== null)) has(row(out, card.node), `${card.node} ${card.score}`, `${card.most_lost.title} −${card.most_lost.lost} ${card.most_lost.measured}`);
  for (const name of ['web-2', 'gpu']) {
    const card = await month.json('score', name);
    const told = await printed(looking, 'score', name);
    has(told, `${name} ${card.score}`);
    for (const one of card.dimensions) {
      has(told, `${one.title} ${one.points ?? '–'} of ${one.weight} ${one.measured}`);
      if (one.next) has(told, `${one.next.wants} would give ${one.next.points}`);
      if (one.fix) has(told, one.fix.what, ...(one.fix.command ? [`next: ${one.fix.command}`] : []));
    }
  }
}

/** @param {Looking} looking */
export async function trends(looking) {
  const { month } = looking;
  for (const [metric, node] of [['disk', 'nas'], ['memory', 'web-1']]) {
    const found = await month.json('trend', metric ?? '', '--node', node ?? '');
    const out = await printed(looking, 'trend', metric ?? '', '--node', node ?? '');
    has(out, `${found.title}, 7d`);
    for (const trend of found.trends) {
      has(out, `${trend.node} ${trend.name ?? ''}`.trim(), trend.sentence, /[▁▂▃▄▅▆▇█]{20}/);
      for (const note of trend.annotations.slice(-5)) has(out, `${note.kind} ${note.what}`);
    }
  }
}

/** @param {Looking} looking */
export async function containers(looking) {
  const { month } = looking;
  const { containers: all, counts, write_anomalies: anomalies } = await month.json('containers');
  const out = await printed(looking, 'containers');
  has(out, `${counts.total} containers: ${counts.unhealthy} unhealthy, ${counts.not_running} not running, ${counts.no_limit} without a memory limit`, `${counts.not_fresh} of nodes that are not heard now`, ...anomalies.map((/** @type {any} */ one) => `warning ${one.text}`));
  for (const one of all) {
    const line = row(out, one.node, one.name);
    has(line, one.evidence === 'fresh' ? (one.unhealthy ? 'unhealthy' : 'healthy') : `healthy (${one.evidence})`, new RegExp(AGO), one.image);
    if (one.evidence !== 'fresh') continue;
    has(line, new RegExp(`ago ${one.restart_count} [\\d.]+ %`), new RegExp(`${SIZE} ${one.memory_limit > 0 ? `of ${amount(one.memory_limit).replace('.', '\\.')}` : 'no limit'} ${SIZE}/s ${one.stack}`));
  }
  for (const [args, is] of /** @type {[string[], (one: any) => boolean][]} */ ([
    [['--unhealthy'], (one) => one.unhealthy],
    [['--no-limit'], (one) => one.memory_limit === 0],
    [['--stack', 'photos'], (one) => one.stack === 'photos'],
    [['--node', 'piha'], (one) => one.node === 'piha'],
    [['--health', 'healthy'], (one) => one.health === 'healthy'],
    [['--state', 'exited'], (one) => one.state === 'exited'],
    [['--query', 'immich'], (one) => /immich/.test(one.name + one.image)],
  ])) {
    const left = (await month.json('containers', ...args)).containers;
    const names = (/** @type {any[]} */ list) => list.map((one) => `${one.node}/${one.name}`).sort();
    assert.deepEqual(names(left), names(all.filter(is)), args.join(' '));
    if (left.length === 0) has(await printed(looking, 'containers', ...args), 'None is like that.');
  }
  const ill = all.find((/** @type {any} */ one) => one.unhealthy);
  const name = `${ill.node}/${ill.name}`;
  const one = await month.json('containers', name);
  const told = await printed(looking, 'containers', name);
  const { health_detail: health } = one;
  has(told, `${name} unhealthy`, new RegExp(`image ${one.image}, made ${AGO}`), new RegExp(`memory ${SIZE} of ${amount(one.memory_limit)}`), `stack ${one.stack}`, `service ${one.service}`, new RegExp(`health unhealthy since ${AGO}, failed \\d+ times in a row, ${health.restart_count} restarts`), `exit ${health.outputs[0].exit_code} ${health.outputs[0].output}`, `stead containers restart ${name}`);
  for (const span of one.health_history) has(told, new RegExp(`was .* to .* ${span.state}`));
  const writer = anomalies[0];
  has(await printed(looking, 'containers', `${writer.node}/${writer.container}`), `writes warning ${writer.container} on ${writer.node} writes `);
  const wrong = await month.cli('containers', 'nowhere');
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /names no container[^]*stead containers/);
}

/** @param {Looking} looking */
export async function whatARestartOfAllWouldTouch(looking) {
  const { month } = looking;
  const plan = await month.json('containers', 'restart', '--unhealthy', '--dry-run');
  const out = await printed(looking, 'containers', 'restart', '--unhealthy', '--dry-run');
  has(out, `${plan.sentence}.`);
  assert(plan.targets.length > 0);
  for (const target of plan.targets) {
    has(out, `${target.subject} ${target.left_out ? `left out: ${target.left_out}` : target.why}`);
    for (const one of target.containers) has(out, `${one.name} ${one.id.slice(0, 12)}`);
  }
}

/** @param {Looking} looking */
export async function advice(looking) {
  const { containers: all } = await looking.month.json('advise', 'memory');
  const of = (/** @type {string} */ word) => all.filter((/** @type {any} */ one) => one.advice === word);
  const out = await printed(looking, 'advise', 'memory', '--all');
  has(out, `${of('change').length} limits to change, ${of('fits').length} fit, nothing to say of ${of('refused').length}`);
  for (const one of all) {
    const was = one.was_limit > 0 ? amount(one.was_limit) : 'none';
    const says = { change: `limit ${was} → ${amount(one.limit)}, reservation ${amount(one.reservation)}`, fits: `limit ${was} fits`, refused: 'nothing is advised' };
    has(out, `${one.node}/${one.container} ${says[/** @type {keyof says} */ (one.advice)]} ${one.why[0]}`, ...one.why);
  }
  const short = await printed(looking, 'advise', 'memory');
  assert(!short.includes('fits\n') && of('change').every((/** @type {any} */ one) => short.includes(one.container)));
  const here = (await looking.month.json('advise', 'memory', '--node', 'piha')).containers;
  assert(here.length > 0 && here.every((/** @type {any} */ one) => one.node === 'piha'));
}

/** @param {Looking} looking */
export async function models(looking) {
  const { nodes } = await looking.month.json('models');
  const out = await printed(looking, 'models');
  for (const node of nodes) {
    has(out, new RegExp(`${node.node} ${node.state} ${node.version}, ${SIZE} of ${amount(node.memory_total)} free`), `graphics processor: ${node.gpu_text}`);
    for (const model of node.models) {
      const line = row(out, model.name);
      has(line, `${model.name} ${amount(model.size)}`, model.loaded ? `${amount(model.loaded.size)} (${model.loaded.cpu_percent} % CPU)` : model.fit.text);
      if (model.last_used) has(line, new RegExp(AGO));
    }
  }
  const unknown = await looking.month.cli('models', 'nowhere');
  assert.notEqual(unknown.code, 0);
}

/** @param {Looking} looking */
export async function inventory(looking) {
  const found = await looking.month.json('inventory');
  const out = await printed(looking, 'inventory');
  for (const item of found.items) has(row(out, item.kind, item.node, item.name), item.state, item.version, item.stack, item.product, ...(item.image_age_days == null ? [] : [`${item.image_age_days} d`]));
  const units = await printed(looking, 'inventory', '--kind', 'unit');
  const wanted = found.items.filter((/** @type {any} */ item) => item.kind === 'unit');
  assert.equal(units.trim().split('\n').length, wanted.length + 1);
  const images = await printed(looking, 'inventory', '--images');
  has(images, `stale: older than ${found.image_max_age_days} days`);
  for (const image of found.images) has(row(images, image.image), `${image.image} ${image.age_days} d ${image.stale ? 'warning ' : ''}${image.containers} ${image.nodes.join(', ')}`);
  const costs = await printed(looking, 'inventory', '--costs');
  for (const cost of found.costs) has(row(costs, cost.value || '(none)'), `${cost.containers} ${cost.nodes}`, new RegExp(`${SIZE} \\d+(\\.\\d+)? % ${SIZE}/s`));
  assert.equal((await printed(looking, 'inventory', '--format', 'csv')).trim().split('\n').length, found.items.length + 1);
  has(await printed(looking, 'inventory', '--format', 'markdown'), '# Inventory', ...found.items.slice(0, 3).map((/** @type {any} */ item) => item.name));
}

/** @param {Looking} looking */
export async function nodes(looking) {
  const all = await looking.month.json('nodes');
  const out = await printed(looking, 'nodes');
  assert(all.some((/** @type {any} */ node) => node.evidence !== 'fresh'), 'one is out of reach');
  for (const node of all) has(row(out, node.name), new RegExp(`${node.name} ${node.evidence} ${AGO} ${node.services.healthy}/${node.services.total} ${node.containers} \\d+ % ${SIZE} of ${amount(node.sample.memory_total)}`), node.os);
  const one = await looking.month.json('nodes', 'web-2');
  const told = await printed(looking, 'nodes', 'web-2');
  has(told, 'web-2 fresh', `${one.os} · ${one.kernel} · ${one.cpus} cores · ${amount(one.memory_bytes)}`, ...one.sources.map((/** @type {any} */ source) => `${source.name} ${source.state} ${source.version}`));
  for (const level of one.levels.filter((/** @type {any} */ found) => found.level !== 'ok')) has(told, `${level.metric} ${level.level} ${level.what}`);
  for (const service of one.services_list) has(row(told, 'web-2', service.name), service.kind, service.state, service.detail);
}

/** @param {Looking} looking */
export async function servicesAndDrift(looking) {
  const { month } = looking;
  const all = await month.json('services');
  const out = await printed(looking, 'services');
  for (const one of all) has(row(out, one.node, one.name), `${one.kind} ${one.state}`, one.detail, one.action ?? '');
  const here = await month.json('services', '--node', 'piha', '--state', 'healthy');
  assert.deepEqual(here.map((/** @type {any} */ one) => one.name), all.filter((/** @type {any} */ one) => one.node === 'piha' && one.state === 'healthy').map((/** @type {any} */ one) => one.name));
  const ill = all.find((/** @type {any} */ one) => one.state === 'unhealthy');
  const one = await month.json('services', `${ill.node}/${ill.name}`);
  const told = await printed(looking, 'services', `${ill.node}/${ill.name}`);
  has(told, `${ill.node}/${ill.name} unhealthy ${one.detail}`, `action ${one.action} (${one.action_state})`);
  for (const drift of one.drift_list) has(told, `drift ${drift.kind}: ${drift.detail} ${drift.why_not ?? ''}`, ...(drift.remedy ? [`next: ${drift.remedy}`] : []));
  for (const container of one.containers) has(told, `container ${container.name} ${container.state} ${container.health} ${container.image}`);
  for (const output of one.health.outputs) has(told, `health exit ${output.exit_code} ${output.output}`);
  const drift = await month.json('drift');
  const listed = await printed(looking, 'drift');
  assert(drift.length > 1);
  for (const one of drift) has(listed, new RegExp(`${one.subject} ${one.kind} ${AGO} `), one.detail, one.action ? `action ${one.action}` : `no action: ${one.why_not}`, ...(one.remedy ? [`next: ${one.remedy}`] : []));
}
