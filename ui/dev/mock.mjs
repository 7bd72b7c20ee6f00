// A stand-in for the server while the UI is developed and looked at. The cookie `mood` chooses what it shows:
// well, trouble, empty, many, error, loading, young (a fleet of which nothing is recorded yet). Not part of the product; the end-to-end tests use the real server.
import { createServer } from 'node:http'
import { readFile } from 'node:fs/promises'
import { extname, join, normalize } from 'node:path'
import { whyOf } from './guard.mjs'
import { fleetScore, history, nodeScore, trends } from './past.mjs'
import { ago, build, sample } from './world.mjs'

const PORT = Number(process.env.PORT ?? 18180)
const DIST = new URL('../dist', import.meta.url).pathname
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }
const worlds = new Map()
const world = (mood) => worlds.get(mood) ?? worlds.set(mood, build(mood)).get(mood)
const streams = new Set()
let head = 48_120

const json = (res, body, status = 200) => res.writeHead(status, { 'content-type': status >= 400 ? 'application/problem+json' : 'application/json' }).end(JSON.stringify(body))
const problem = (res, status, code, title, detail, remedy) => json(res, { type: `/errors/${code}`, title, status, code, detail, remedy }, status)
const missing = (res, what) => problem(res, 404, 'not-found', 'There is no such thing', `${what} is not known here.`, 'Check the name; `stead status` lists what there is.')

function send(stream, event, data, id) {
  stream.write(`event: ${event}\n${id ? `id: ${id}\n` : ''}data: ${JSON.stringify({ type: event, ...data })}\n\n`)
}

function log(mood, event) {
  const full = { seq: ++head, id: `m${head}`, at: ago(0), node: null, severity: 'info', data: {}, cause: null, source: 'server', text: '', ...event }
  world(mood).events.unshift(full)
  for (const stream of streams) if (stream.mood === mood) send(stream.res, 'event', { event: full }, head)
}

/** An approved action runs its steps in a few seconds, so that the page can be watched. */
function run(mood, action) {
  const said = (kind, text) => log(mood, { node: action.node, subject: action.subject, kind, text, data: { action: action.id } })
  const later = (ms, work) => setTimeout(() => { work(); action.updated_at = ago(0) }, ms)
  action.state = 'running'
  action.phase = 'executing'
  action.waits_for = null
  action.steps.forEach((step, i) => {
    later(400 + i * 2500, () => { Object.assign(step, { state: 'running', attempt: 1, started_at: ago(0), output: 'begun\n' }); action.phase = i ? 'verifying' : 'executing'; said('action_step', `${step.title}: running`) })
    later(2600 + i * 2500, () => { Object.assign(step, { state: 'done', ended_at: ago(0), output: 'begun\ndone in 2.1 s' }); said('action_step', `${step.title}: done`) })
  })
  later(1000 + action.steps.length * 2500, () => {
    Object.assign(action, { state: 'completed', phase: null, outcome: 'verified healthy' })
    const service = world(mood).services.find((one) => one.action === action.id)
    if (service) Object.assign(service, { state: 'healthy', detail: 'running, healthy', trigger: null, drift: [], action: null, action_state: null, since: ago(0) })
    said('action_completed', 'Done and verified')
  })
}

/** The server's own form of what the files say. */
function asServed(desired) {
  if (!desired) return null
  const { image, ports, restart, mem_limit, checks = [], ...rest } = desired
  const bytes = { '512m': 512 * 1024 ** 2, '8g': 8 * 1024 ** 3, '256m': 256 * 1024 ** 2 }[mem_limit]
  const definition = image ? { image, ...(ports && { ports }), ...(restart && { restart }), ...(bytes && { mem_limit: bytes }) } : undefined
  return { ...rest, definition, monitor: desired.monitor ?? true, suspended: false, needs: desired.needs ?? [], patience: desired.patience ?? {}, checks: checks.map((check) => ({ name: Object.keys(check)[0], probe: check, every: 10_000, timeout: 5000 })) }
}

function serviceDetail(w, service) {
  const ill = service.state === 'unhealthy'
  const mine = (list) => list.filter((one) => one.node === service.node && one.service === service.name)
  const checks = (w.desiredOf.get(`${service.node}/${service.name}`)?.checks ?? []).map((check, i) => {
    const [probe, args] = Object.entries(check)[0]
    return { name: probe, probe, asked: args.url ? `GET ${args.url}` : `${probe} 127.0.0.1:${args.port ?? 443}`, verdict: service.checks_failing > i ? 'failing' : 'passing', since: service.since, answer: service.checks_failing > i ? '502 Bad Gateway' : args.url ? '200 in 4 ms' : 'connected in 1 ms', every_ms: args.every === '5s' ? 5000 : 10_000 }
  })
  const about = w.events.filter((event) => event.subject === `service/${service.node}/${service.name}`)
  return {
    ...service,
    desired: asServed(w.desiredOf.get(`${service.node}/${service.name}`)),
    containers: mine(w.containers),
    units: mine(w.units),
    checks,
    health: mine(w.containers).length ? { unhealthy_since: ill ? service.since : null, failing_streak: ill ? 7 : 0, outputs: ill ? [10, 40, 70].map((s) => ({ at: ago(s), exit_code: 1, output: '[2026-11-21 03:41:09] z2m: connection to mqtt://mosquitto:1883 refused\nhealthcheck: bridge/state is offline' })) : [{ at: ago(20), exit_code: 0, output: 'online' }], restart_count: ill ? 4 : 0, last_oom: null } : null,
    drift_list: w.drift.filter((one) => one.node === service.node && one.service === service.name),
    changed_before: ill ? w.events.filter((event) => event.kind === 'container_started') : [],
    events: about,
    actions: w.actions.filter((one) => one.node === service.node && one.service === service.name),
  }
}

function answerEvents(w, res, query) {
  const order = ['info', 'warning', 'critical']
  const q = query.get('q')?.toLowerCase()
  const found = w.events.filter(
    (event) =>
      ['node', 'kind', 'subject'].every((key) => !query.get(key) || event[key] === query.get(key)) &&
      order.indexOf(event.severity) >= order.indexOf(query.get('severity') ?? 'info') &&
      (!query.get('since') || event.at >= query.get('since')) &&
      (!query.get('before') || event.seq < Number(query.get('before'))) &&
      (!q || JSON.stringify(event).toLowerCase().includes(q)),
  )
  const events = found.slice(0, Number(query.get('limit') ?? 50))
  json(res, { events, next: found.length > events.length ? events.at(-1).seq : null, head })
}

const GET = {
  session: (w, res) => json(res, { user: 'admin', role: 'admin', fleet: 'home', version: '0.1.0', expires_at: null }),
  version: (w, res) => json(res, { version: '0.1.0', protocol: 1, schema: 1, commit: 'af1b17d3c09be1170fd24d0a' }),
  overview: (w, res) => json(res, w.overview()),
  drift: (w, res) => json(res, w.drift),
  policy: (w, res) => json(res, w.guard.policy),
  locks: (w, res) => json(res, w.guard.locks),
  brake: (w, res) => json(res, w.guard.brake),
  alerts: (w, res) => json(res, w.guard.alerts),
  messages: (w, res) => json(res, w.guard.messages),
  channels: (w, res) => json(res, w.guard.channels),
  drills: (w, res) => json(res, w.guard.drills),
  why: (w, res, about) => json(res, whyOf(about.join('/'), w)),
  rollouts(w, res, [id]) {
    if (!id) return json(res, w.guard.rollouts)
    const rollout = w.guard.rollouts.find((one) => one.id === id)
    return rollout ? json(res, rollout) : missing(res, `The rollout ${id}`)
  },
  desired: (w, res) => json(res, w.desired),
  score: (w, res) => json(res, fleetScore(w)),
  history: (w, res, _, query) => json(res, history(w, query)),
  trends: (w, res, [metric], query) => json(res, trends(w, metric, query)),
  nodes(w, res, [name, part]) {
    if (!name) return json(res, w.nodes)
    const node = w.nodes.find((one) => one.name === name)
    const machine = w.machines.find((one) => one.name === name)
    if (!node) return missing(res, `The node ${name}`)
    if (part === 'score') return json(res, nodeScore(w, name))
    if (part === 'samples') {
      const now = Math.floor(Date.now() / 1000)
      // A hole, so that gaps are looked at too.
      const seconds = Array.from({ length: 600 }, (_, i) => now - 600 + i).filter((s) => s % 500 > 18)
      return json(res, { node: name, samples: node.evidence === 'fresh' ? seconds.map((s) => sample(machine, s)) : [] })
    }
    const mine = (list) => list.filter((one) => one.node === name)
    return json(res, { ...node, services_list: mine(w.services), containers_list: mine(w.containers), units_list: mine(w.units), drift: mine(w.drift), write_anomalies: mine(w.anomalies), events: mine(w.events).slice(0, 30), reboots: mine(w.events).filter((one) => one.kind === 'node_rebooted') })
  },
  services(w, res, [node, name]) {
    if (!node) return json(res, w.services)
    const service = w.services.find((one) => one.node === node && one.name === name)
    return service ? json(res, serviceDetail(w, service)) : missing(res, `The service ${name} on ${node}`)
  },
  units: (w, res, rest) => GET.containers(w, res, rest),
  models: (w, res) => json(res, modelList(w)),
  inventory: (w, res) => json(res, inventoryOf(w)),
  containers(w, res, [node, name, part]) {
    if (!name) return json(res, containerList(w))
    if (!part) {
      const one = containerList(w).containers.find((c) => c.node === node && c.name === name)
      return one ? json(res, containerDetail(w, one)) : missing(res, `The container ${name} on ${node}`)
    }
    const lines = Array.from({ length: 50 }, (_, i) => `${ago((50 - i) * 4)} ${i % 9 === 8 ? 'error' : 'info '} ${name}: ${i % 9 === 8 ? 'MQTT failed to connect: connect ECONNREFUSED 172.18.0.2:1883' : `polled 14 devices in ${20 + i} ms`}`)
    res.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end(lines.join('\n') + '\n')
  },
  actions(w, res, [id, part], query) {
    if (!id) return json(res, w.actions)
    const action = w.actions.find((one) => one.id === id)
    if (!action) return missing(res, `The action ${id}`)
    return json(res, part === 'why' ? w.whys[id] : action)
  },
  events(w, res, [seq], query) {
    if (!seq) return answerEvents(w, res, query)
    const event = w.events.find((one) => one.seq === Number(seq))
    if (!event) return missing(res, `Event ${seq}`)
    json(res, { event, causes: w.events.filter((one) => one.seq === event.cause), effects: w.events.filter((one) => one.cause === event.seq) })
  },
}

/** Language models as `GET /api/v1/models` tells them. */
function modelList(w) {
  const node = w.nodes.find((one) => one.evidence === 'fresh')
  if (!node) return { nodes: [], at: ago(0) }
  const GIB = 2 ** 30
  const fit = (verdict, text, leaves) => ({ verdict, speed: 'cpu', need: 5 * GIB, ram: 5 * GIB, vram: 0, leaves, measured: false, text, speed_text: 'no graphics processor: inference will be slow', better: null })
  const model = (name, size, more) => ({ subject: `model/${node.name}/${name}`, node: node.name, name, digest: name, size, family: 'gemma3', parameters: '4.3B', quantization: 'Q4_K_M', modified_at: ago(86_400), loaded: null, last_used: null, fit: null, action: null, ...more })
  const loaded = { size: 4 * GIB, ram: 4 * GIB, vram: 0, cpu_percent: 100, memory_share: 25, context: 4096, expires_at: new Date(Date.now() + 240_000).toISOString() }
  return {
    at: ago(0),
    nodes: [
      {
        node: node.name, url: 'http://127.0.0.1:11434', state: 'up', version: '0.12.6', detail: '', evidence: 'fresh', memory_total: 16 * GIB, memory_available: 6 * GIB, gpus: [], gpu_text: 'none: inference will be slow', live_problem: null,
        models: [
          model('gemma3:4b', 3.1 * GIB, { loaded, last_used: ago(60), fit: fit('loaded', 'it is in memory already', 6 * GIB) }),
          model('llama3.3:70b', 40 * GIB, { fit: fit('too_large', '42 GiB short: it will not fit', -42 * GIB) }),
          model('mistral:7b', 3.8 * GIB, { fit: fit('tight', 'leaves 1.2 GiB: swap pressure likely', 1.2 * GIB) }),
        ],
      },
    ],
  }
}

/** Everything there is as `GET /api/v1/inventory` tells it. */
function inventoryOf(w) {
  const item = (kind, one, more) => ({ kind, node: one.node ?? one.name, name: one.name, source: 'agent', version: '', state: '', stack: '', image: '', image_age_days: null, service: '', product: '', detail: '', ...more })
  const containers = w.containers.map((one) => item('container', one, { source: 'docker', state: one.state, image: one.image, version: one.image.split(':')[1] ?? '', stack: one.stack ?? '', image_age_days: 40, service: one.service ?? '' }))
  const images = [...new Set(w.containers.map((one) => one.image))].sort()
  return {
    at: ago(0),
    items: [...w.nodes.map((one) => item('machine', one, { version: one.os, state: one.evidence })), ...containers],
    images: images.map((image) => ({ image, image_id: image, created_at: ago(40 * 86_400), age_days: 40, stale: true, nodes: [], containers: w.containers.filter((one) => one.image === image).length })),
    costs: [{ value: '', containers: containers.length, nodes: w.nodes.length, measured: containers.length, memory_bytes: 2 ** 31, cpu_percent: 12, block_write_bytes: 4096 }],
    sources: [],
    cost_label: 'product',
    image_max_age_days: 30,
  }
}

/** Containers as `GET /api/v1/containers` tells them. */
function containerList(w) {
  const fresh = (one) => w.nodes.find((node) => node.name === one.node)?.evidence ?? 'unknown'
  const containers = w.containers.map((one) => ({ ...one, evidence: fresh(one), unhealthy: fresh(one) === 'fresh' && one.health === 'unhealthy', image_created_at: ago(40 * 86_400), restarts_as: one.service ? `service/${one.node}/${one.service}` : `container/${one.node}/${one.name}` }))
  const many = (fits) => containers.filter(fits).length
  const names = [...new Set(containers.map((one) => one.stack).filter(Boolean))].sort()
  return {
    containers,
    counts: { total: containers.length, unhealthy: many((one) => one.unhealthy), not_running: many((one) => one.state !== 'running'), no_limit: many((one) => one.state === 'running' && !one.memory_limit), not_fresh: many((one) => one.evidence !== 'fresh') },
    stacks: names.map((name) => ({ name, total: many((one) => one.stack === name), unhealthy: many((one) => one.stack === name && one.unhealthy) })),
    write_anomalies: w.anomalies,
  }
}

function containerDetail(w, one) {
  const ill = one.unhealthy
  const events = w.events.filter((event) => event.node === one.node).slice(0, 12)
  const turns = [[86_400, 'unknown'], [70_000, 'healthy'], [30_000, 'unhealthy'], [29_000, 'healthy'], ...(ill ? [[600, 'unhealthy']] : [])]
  return {
    ...one,
    health_detail: { unhealthy_since: ill ? ago(600) : null, failing_streak: ill ? 7 : 0, outputs: [{ at: ago(5), exit_code: ill ? 1 : 0, output: ill ? 'connection refused' : 'online' }], restart_count: one.restart_count, last_oom: null },
    write_anomaly: w.anomalies.find((anomaly) => anomaly.container === one.name && anomaly.node === one.node) ?? null,
    health_history: turns.map(([from, state], i) => ({ from: ago(from), to: ago(turns[i + 1]?.[0] ?? 0), state })),
    changed_before: ill ? events.slice(0, 2) : [],
    events,
    actions: w.actions.filter((action) => action.service === one.service && action.node === one.node).slice(0, 5),
  }
}

async function post(mood, res, [what, id, verb], body) {
  const w = world(mood)
  if (what === 'session') return body.secret === 'wrong' ? problem(res, 401, 'sign-in-refused', 'Not signed in', 'That secret is not valid, or was used already.', 'Print a new link with `stead login`, or paste the access token.') : (res.setHeader('set-cookie', 'stead=1; Path=/; HttpOnly'), GET.session(w, res))
  const action = w.actions.find((one) => one.id === id)
  if (what !== 'actions') return missing(res, what)
  if (!id) return json(res, { id: `${body.kind.replaceAll('_', '-')}-${body.subject.split('/').slice(1).join('-')}`, occurrence: 1, state: 'approved' }, 202)
  if (!action) return missing(res, id)
  if (action.state !== 'pending') return problem(res, 409, 'not-pending', 'It is not pending', `${id} is ${action.state} already.`, 'Reload the page to see where it stands.')
  Object.assign(action, { decided_by: 'admin', note: body.note, updated_at: ago(0) })
  if (verb === 'approve') run(mood, action)
  else Object.assign(action, { state: 'rejected', outcome: 'rejected by admin' })
  log(mood, { node: action.node, subject: action.subject, kind: `action_${verb}d`.replace('rejectd', 'rejected'), text: `${verb === 'approve' ? 'Approved' : 'Rejected'} by admin`, data: { action: id } })
  json(res, action)
}

async function file(res, path) {
  const safe = normalize(path).replace(/^(\.\.[/\\])+/, '')
  const name = extname(safe) ? safe : '/index.html'
  try {
    // The server's own policy, so that what it would refuse is refused here too.
    const csp = "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    res.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream', 'content-security-policy': csp }).end(await readFile(join(DIST, name)))
  } catch {
    res.writeHead(404).end('build first: npm run build')
  }
}

function feed(req, res, mood) {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  const stream = { res, mood }
  streams.add(stream)
  send(res, 'alive', { head, at: ago(0), version: '0.1.0' }, head)
  const beat = setInterval(() => send(res, 'alive', { head, at: ago(0), version: '0.1.0' }, head), 15_000)
  const tick = setInterval(() => {
    const w = world(mood)
    for (const machine of w.machines.slice(0, 8)) if (w.nodes.find((one) => one.name === machine.name)?.evidence === 'fresh') send(res, 'sample', { node: machine.name, sample: sample(machine) })
  }, 1000)
  req.on('close', () => {
    clearInterval(beat)
    clearInterval(tick)
    streams.delete(stream)
  })
}

createServer(async (req, res) => {
  const url = new URL(req.url, 'http://mock')
  const cookies = Object.fromEntries((req.headers.cookie ?? '').split('; ').map((one) => one.split('=')))
  const mood = cookies.mood ?? process.env.MOOD ?? 'trouble'
  if (url.pathname === '/mock/drop') {
    for (const stream of streams) stream.res.destroy()
    return json(res, { dropped: true })
  }
  if (url.pathname === '/summary') return json(res, world(mood).overview().summary)
  if (!url.pathname.startsWith('/api/v1/')) return file(res, url.pathname)
  const [what, ...rest] = url.pathname.slice('/api/v1/'.length).split('/').map(decodeURIComponent)
  if (what === 'past') return json(res, { earliest: ago(12 * 86_400), now: ago(0) })
  if (cookies.mood === 'signedout' && !cookies.stead && req.method === 'GET') return problem(res, 401, 'sign-in-needed', 'Sign in first', 'Nobody is signed in.', 'Open the printed link.')
  if (what === 'feed') return feed(req, res, mood)
  if (mood === 'loading' && what !== 'session') return
  if (mood === 'error' && !['session', 'version'].includes(what)) return problem(res, 503, 'log-not-writable', 'The event log cannot be written', 'Appending to the event log failed: no space left on device.', 'Free space on the file system of the data directory; Stead goes on by itself.')
  if (req.method === 'GET') return (GET[what] ?? ((_, r) => missing(r, what)))(world(mood), res, rest, url.searchParams)
  let text = ''
  for await (const chunk of req) text += chunk
  if (req.method === 'DELETE') return res.writeHead(204, { 'set-cookie': 'stead=; Max-Age=0; Path=/' }).end()
  await post(mood, res, [what, ...rest], text ? JSON.parse(text) : {})
}).listen(PORT, '127.0.0.1', () => console.log(`mock on http://127.0.0.1:${PORT}`))
