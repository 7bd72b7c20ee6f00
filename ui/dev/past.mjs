// What was measured, and what it is worth, for the development server: the shapes of crates/protocol/src/api.
import { sample } from './world.mjs'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const GiB = 1024 ** 3
const STEPS = [10, 30, 60, 120, 300, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800].map((s) => s * 1000)
/** A node is known for so long; game-1 is new. */
const KNOWN = { 'game-1': 9 * DAY }
/** A hole in the record, so that gaps are looked at too. */
const HOLE = [Date.now() - 9.2 * HOUR, Date.now() - 8.1 * HOUR]

const wave = (at, hours, phase = 0) => Math.sin((at / HOUR / hours) * 2 * Math.PI + phase)
const noise = (at, salt) => ((Math.imul((at / 10_000) ^ (salt * 2654435761), 2246822519) >>> 9) % 1000) / 1000

function instant(text, now) {
  const span = /^(\d+)([smhd])$/.exec(text ?? '')
  return span ? now - Number(span[1]) * { s: 1000, m: 60_000, h: HOUR, d: DAY }[span[2]] : Date.parse(text ?? '') || now
}

function disk(machine, at, root) {
  const daily = machine.name === 'vps-fra' ? 0.62 : 0.05
  const now = machine.name === 'vps-fra' ? 78.4 : 41.2
  return root ? Math.max(4, now - ((Date.now() - at) / DAY) * daily + noise(at, 7) * 0.3) : 52.7 - ((Date.now() - at) / DAY) * 0.02
}

function series(machine, match) {
  const total = machine.mem * GiB
  const work = (at) => 0.6 + 0.4 * wave(at, 24, -1.6) + 0.12 * wave(at, 5)
  const one = (metric, unit, labels, value, spread) => ({ metric, unit, labels: { node: machine.name, ...labels }, value, spread })
  const all = [
    ...[['user', 0.62], ['nice', 0.02], ['system', 0.2], ['softirq', 0.03]].map(([mode, part]) => one('stead_node_cpu_percent', 'percent', { mode }, (at) => machine.base * part * 1.6 * work(at) + noise(at, 1), 0.5)),
    one('stead_node_cpu_percent', 'percent', { mode: 'iowait' }, (at) => 0.6 + noise(at, 3) * 1.6, 0.8),
    one('stead_node_cpu_percent', 'percent', { mode: 'steal' }, (at) => (machine.virt ? 1.6 + 1.4 * Math.max(0, wave(at, 24, 1.2)) + noise(at, 4) : 0), 0.7),
    one('stead_node_memory_used_bytes', 'bytes', {}, (at) => total * (0.5 + 0.06 * wave(at, 24) + machine.base / 300), 0.04),
    one('stead_node_memory_total_bytes', 'bytes', {}, () => total, 0),
    one('stead_node_swap_used_bytes', 'bytes', {}, () => (machine.name === 'vps-fra' ? 0.7 * GiB : 0), 0),
    one('stead_node_swap_cached_bytes', 'bytes', {}, () => (machine.name === 'vps-fra' ? 90e6 : 0), 0),
    one('stead_node_filesystem_used_percent', 'percent', { mount: '/' }, (at) => disk(machine, at, true), 0.004),
    ...(machine.name === 'chelsty-infra' ? [one('stead_node_filesystem_used_percent', 'percent', { mount: '/srv' }, (at) => disk(machine, at, false), 0.002)] : []),
    one('stead_node_network_receive_bytes_per_second', 'bytes_per_second', { interface: 'eth0' }, (at) => 4e5 * work(at) + noise(at, 12) * 2e5, 1.4),
    one('stead_node_network_transmit_bytes_per_second', 'bytes_per_second', { interface: 'eth0' }, (at) => 2e5 * work(at) + noise(at, 13) * 1e5, 1.2),
  ]
  const metrics = /__name__=~"([^"]+)"/.exec(match)?.[1]?.split('|') ?? [match.split('{')[0]]
  return all.filter((found) => metrics.includes(found.metric) && !(match.includes('mode!="idle"') && found.labels.mode === 'idle'))
}

export function history(w, query) {
  const now = Date.now()
  const match = query.get('match') ?? ''
  const to = query.get('to') ? instant(query.get('to'), now) : now
  const from = query.get('from') ? instant(query.get('from'), now) : to - HOUR
  const step = STEPS.find((one) => one >= (to - from) / 500) ?? STEPS.at(-1)
  const machine = w.machines.find((one) => match.includes(`node="${one.name}"`))
  const since = Math.max(from, now - (KNOWN[machine?.name] ?? 420 * DAY))
  const until = w.nodes.find((one) => one.name === machine?.name)?.evidence === 'fresh' ? to : Math.min(to, now - 860_000)
  const times = []
  for (let at = Math.ceil(since / step) * step; at < until; at += step) if (at < HOLE[0] || at > HOLE[1]) times.push(at)
  const shown = machine && !w.unrecorded ? series(machine, match) : []
  const point = ({ value, spread }, at) => {
    const average = value(at)
    return [at, average * (1 - spread * 0.4), average, average * (1 + spread * (0.5 + noise(at, 5)))]
  }
  const answer = shown.map((one) => ({ metric: one.metric, unit: one.unit, labels: one.labels, points: times.map((at) => point(one, at)) }))
  return { from: new Date(from).toISOString(), to: new Date(to).toISOString(), step_ms: step, tiers: [], series: answer }
}

function happened(w, from) {
  const ago = (ms, kind, node, what, event) => ({ at: new Date(Date.now() - ms).toISOString(), kind, node, what, event })
  return [
    ago(214 * DAY, 'update', 'vps-fra', 'Patched: 41 packages', 46_000),
    ago(26 * DAY, 'reboot', 'vps-fra', 'vps-fra rebooted cleanly, away for 38 s', 47_100),
    ago(12 * DAY, 'cleanup', 'vps-fra', 'Cleaned up disk of vps-fra, freed 4.1 GiB', 47_500),
    ago(5.2 * DAY, 'deploy', 'vps-fra', 'Redeployed web-shop, verified', 47_900),
    ago(25.1 * HOUR, 'config', null, 'commit 8c1f20aa41', 48_090),
    ago(11 * HOUR, 'repair', 'vps-fra', 'Restarted container umami, verified', 48_100),
    ago(10.9 * HOUR, 'deploy', 'vps-fra', 'Redeployed web-shop, verified', 48_101),
    ago(2.6 * HOUR, 'config', null, 'commit 1f93b7720c', 48_112),
    ago(0.4 * HOUR, 'repair', 'vps-fra', 'Restarted container web-shop-1, verified', 48_118),
  ].filter((one) => Date.parse(one.at) >= from)
}

export function trends(w, metric, query) {
  const now = Date.now()
  const name = query.get('node')
  const from = instant(query.get('range') ?? '7d', now)
  const found = w.machines.filter((one) => !name || one.name === name)
  const projection = (bound, level, answer, text, more = {}) => ({ bound, label: `${bound} %`, level, answer, text, earliest: null, latest: null, refusal: null, ...more })
  const of = (machine, mount) => {
    const latest = disk(machine, now, mount === '/')
    const base = { node: machine.name, name: mount, selector: `stead_node_filesystem_used_percent{mount="${mount}",node="${machine.name}"}`, latest, points: [], annotations: happened(w, from).filter((one) => !one.node || one.node === machine.name), slope: null, refusal: null, projections: [] }
    const slope = (per_day, low, high, direction, jumps = []) => ({ per_day, low, high, direction, level: latest, level_error: 0.1, points: 336, span_ms: now - from, jumps })
    if (machine.name === 'vps-fra')
      return { ...base, sentence: `${latest.toFixed(0)} % now, rising by 0.6 points a day; reaches 80 % in 2 to 4 days`, slope: slope(0.62, 0.55, 0.71, 'rising', [{ at: new Date(now - 12 * DAY).toISOString(), by: -6.4 }]), projections: [projection(70, 'noted', 'reached', '70 % is reached'), projection(80, 'warning', 'within', 'reaches 80 % in 2 to 4 days')] }
    if (machine.name === 'game-1') return { ...base, sentence: `${latest.toFixed(0)} % now; where it leads cannot be said: the newest of its points is 14 minutes old`, refusal: { why: 'stale', text: 'the newest of its points is 14 minutes old' } }
    return { ...base, sentence: `${latest.toFixed(0)} % now, no clear direction; does not reach 70 % within 56 days`, slope: slope(0.01, -0.02, 0.04, 'unclear'), projections: [projection(70, 'noted', 'not_within', 'does not reach 70 % within 56 days')] }
  }
  const all = w.unrecorded ? [] : found.flatMap((machine) => (machine.name === 'chelsty-infra' ? [of(machine, '/srv'), of(machine, '/')] : [of(machine, '/')]))
  return { metric, title: 'Disk used', unit: 'percent', from: new Date(from).toISOString(), to: new Date(now).toISOString(), step_ms: 1_800_000, trends: all, total: all.length }
}

const FIX = {
  cpu: ['The hypervisor gives this machine’s CPU time to others: ask the provider why, or move what is heavy to another node', '#cpu'],
  memory: ['Look for the largest containers and set memory limits that fit what they use, or move one to a node with more room', '#memory'],
  disk: ['Start the disk cleanup: it removes dangling images and build cache; then look for what writes most', '#disk'],
  services: ['Look at each unhealthy service: what failed, since when, and what changed just before; then let the proposed repair run', '?services'],
  maintenance: ['Start a cleanup now, and give the node one each week so that it does not depend on anybody’s memory', '#maintenance'],
  llm: ['Unload a model that is not in use, stop what can wait, or run models on a node with more memory', '#memory'],
}

/** Points reached by the first bound that fits. */
const scale = (value, steps, rest) => steps.find(([fits]) => fits(value))?.[1] ?? rest

export function nodeScore(w, name) {
  const machine = w.machines.find((one) => one.name === name)
  const node = w.nodes.find((one) => one.name === name)
  const at = new Date().toISOString()
  if (node.evidence !== 'fresh' || w.unrecorded) return { node: name, score: null, points: 0, weight: 0, partial: true, dimensions: [], at }
  const now = sample(machine)
  const free = now.memory_available / GiB
  const fullest = Math.max(...now.filesystems.map((fs) => fs.used_percent))
  const ill = node.services.unhealthy + node.services.missing
  const steal = machine.virt ? 2.4 : 0
  const unknown = name === 'piha'
  const cleaned = name === 'vps-fra' ? 12 : name === 'chelsty-infra' ? 1 : null
  const dimension = (kind, title, weight, points, measured, next) => ({ kind, title, weight, points, lost: points === null ? 0 : weight - points, value: null, measured, next: points !== null && points < weight ? next : null, fix: points !== null && points < weight ? { what: FIX[kind][0], page: FIX[kind][1] === '?services' ? `/services?node=${name}` : `/nodes/${name}${FIX[kind][1]}`, command: ['disk', 'maintenance'].includes(kind) ? `stead actions start disk_cleanup node/${name}` : null } : null, trend: null })
  const dimensions = [
    dimension('cpu', 'CPU efficiency', 20, scale(steal, [[(v) => v < 2, 20], [(v) => v < 5, 15], [(v) => v < 10, 10]], 5), `${steal} % steal`, { points: 20, wants: 'less than 2 % steal' }),
    dimension('memory', 'Memory', 20, scale(free, [[(v) => v > 6, 20], [(v) => v > 3, 15], [(v) => v > 1, 5]], 0), `${free.toFixed(1)} GiB available`, { points: free > 3 ? 20 : 15, wants: `more than ${free > 3 ? 6 : 3} GiB available` }),
    dimension('disk', 'Disk', 15, scale(fullest, [[(v) => v < 40, 15], [(v) => v < 55, 10], [(v) => v < 70, 5]], 0), `the fullest disk is ${fullest.toFixed(1)} % full`, { points: 5, wants: 'less than 70 % used' }),
    dimension('services', 'Services', 20, scale(ill, [[(v) => v < 1, 20], [(v) => v < 3, 15], [(v) => v < 6, 8]], 2), ill === 0 ? 'all services are well' : ill === 1 ? '1 service is unhealthy' : `${ill} services are unhealthy`, { points: 20, wants: 'fewer than 1 unhealthy' }),
    dimension('maintenance', 'Maintenance', 15, cleaned === null ? 0 : cleaned < 7 ? 15 : 8, cleaned === null ? 'no cleanup was ever seen' : `last cleanup ${cleaned} days ago, freed 4.1 GiB`, { points: 15, wants: 'a cleanup that freed something less than 7 days ago' }),
    dimension('llm', 'LLM readiness', 10, unknown ? null : scale(free, [[(v) => v > 8, 10], [(v) => v > 4, 7], [(v) => v > 2, 4]], 1), unknown ? 'no data yet' : `${free.toFixed(1)} GiB free for a model`, { points: 4, wants: 'more than 2 GiB free' }),
  ]
  const known = dimensions.filter((one) => one.points !== null)
  const points = known.reduce((sum, one) => sum + one.points, 0)
  const weight = known.reduce((sum, one) => sum + one.weight, 0)
  return { node: name, score: Math.round((points / weight) * 100), points, weight, partial: known.length < dimensions.length, dimensions, at }
}

export function fleetScore(w) {
  const cards = w.nodes.map((node) => {
    const card = nodeScore(w, node.name)
    const most = [...card.dimensions].sort((a, b) => b.lost - a.lost)[0]
    return { node: node.name, score: card.score, partial: card.partial && card.score !== null, most_lost: most?.lost > 0 ? { kind: most.kind, title: most.title, lost: most.lost, measured: most.measured } : null }
  })
  const scored = cards.filter((one) => one.score !== null).sort((a, b) => a.score - b.score)
  const mean = scored.length ? Math.round(scored.reduce((sum, one) => sum + one.score, 0) / scored.length) : null
  return { score: mean, nodes: scored.length, unscored: cards.length - scored.length, partial: cards.some((one) => one.partial || one.score === null), worst: scored[0] ?? null, cards: [...scored, ...cards.filter((one) => one.score === null)], at: new Date().toISOString() }
}
