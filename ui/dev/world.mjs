import { guard } from './guard.mjs'

// A fleet to look at while developing: the shapes of crates/protocol/src/api, in several moods. Never shipped.

const GiB = 1024 ** 3
const start = Date.now()
export const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString()
const hex = (seed, length = 64) => {
  let x = [...seed].reduce((a, c) => (a * 31 + c.charCodeAt(0)) >>> 0, 7)
  let out = ''
  while (out.length < length) {
    x = (x * 1664525 + 1013904223) >>> 0
    out += x.toString(16).padStart(8, '0')
  }
  return out.slice(0, length)
}

const MACHINES = [
  { name: 'chelsty-infra', cpus: 8, mem: 32, os: 'Debian GNU/Linux 12 (bookworm)', arch: 'x86_64', virt: '', labels: { site: 'home' }, base: 14, up: 41 * 86400 },
  { name: 'piha', cpus: 4, mem: 8, os: 'Debian GNU/Linux 12 (bookworm)', arch: 'aarch64', virt: '', labels: { site: 'home', product: 'sensors' }, base: 23, up: 6 * 86400 },
  { name: 'vps-fra', cpus: 2, mem: 4, os: 'Ubuntu 24.04.3 LTS', arch: 'x86_64', virt: 'kvm', labels: { site: 'fra', product: 'web' }, base: 38, up: 112 * 86400 },
  { name: 'game-1', cpus: 6, mem: 16, os: 'Debian GNU/Linux 13 (trixie)', arch: 'x86_64', virt: 'kvm', labels: { site: 'fra', product: 'game' }, base: 9, up: 3 * 86400 },
]

const DESIRED = [
  ['chelsty-infra', 'postgres', { kind: 'compose', path: '/srv/postgres', checks: [{ tcp: { port: 5432, every: '10s' } }] }, 'postgres:17.2'],
  ['chelsty-infra', 'gitea', { kind: 'compose', path: '/srv/gitea', needs: ['postgres'], checks: [{ http: { url: 'http://127.0.0.1:3000/api/healthz', status: 200 } }] }, 'gitea/gitea:1.24'],
  ['chelsty-infra', 'caddy', { kind: 'systemd', unit: 'caddy.service', checks: [{ http: { url: 'https://home.example.net/', status: 200 } }, { tls: { host: 'home.example.net', warn: '14d' } }] }, null],
  ['chelsty-infra', 'restic-rest', { kind: 'container', container: 'restic-rest', image: 'restic/rest-server:0.14', ports: ['8000:8000'], restart: 'unless-stopped' }, 'restic/rest-server:0.14'],
  ['piha', 'mosquitto', { kind: 'compose', path: '/srv/mosquitto', checks: [{ mqtt: { port: 1883, every: '10s' } }] }, 'eclipse-mosquitto:2.0.22'],
  ['piha', 'zigbee2mqtt', { kind: 'container', container: 'z2m', image: 'koenkk/zigbee2mqtt:2.6', needs: ['mosquitto'], patience: { failures: 3 }, mem_limit: '512m', restart: 'unless-stopped' }, 'koenkk/zigbee2mqtt:2.6'],
  ['piha', 'grafana', { kind: 'container', container: 'grafana', image: 'grafana/grafana:12.2', ports: ['3001:3000'] }, 'grafana/grafana:12.2'],
  ['piha', 'homeassistant', { kind: 'external', monitor: false }, null],
  ['vps-fra', 'nginx', { kind: 'systemd', unit: 'nginx.service', checks: [{ http: { url: 'http://127.0.0.1/', status: 200 } }] }, null],
  ['vps-fra', 'web-shop', { kind: 'compose', path: '/srv/shop', checks: [{ http: { url: 'http://127.0.0.1:8080/health', status: 200, every: '5s' } }] }, 'shop/web:4.11.0'],
  ['vps-fra', 'umami', { kind: 'container', container: 'umami', image: 'umami:2.19', mem_limit: '256m' }, 'umami:2.19'],
  ['game-1', 'velocity', { kind: 'container', container: 'velocity', image: 'itzg/mc-proxy:2025.9', ports: ['25565:25577'] }, 'itzg/mc-proxy:2025.9'],
  ['game-1', 'survival', { kind: 'container', container: 'survival', image: 'itzg/minecraft-server:java21', mem_limit: '8g', needs: ['velocity'] }, 'itzg/minecraft-server:java21'],
  ['game-1', 'backup-agent', { kind: 'systemd', unit: 'restic-backup.timer' }, null],
]

/** What is wrong in the mood `trouble`. */
const WRONG = {
  'piha/zigbee2mqtt': { state: 'unhealthy', trigger: 'container_unhealthy', detail: 'health check failing 7 times in a row: connection to mqtt://mosquitto:1883 refused', since: 190, drift: ['unhealthy_service'], action: 'container-restart-piha-zigbee2mqtt', action_state: 'pending' },
  'vps-fra/web-shop': { state: 'unhealthy', trigger: 'check_failed', detail: 'GET http://127.0.0.1:8080/health answered 502 for 40 s', since: 48, drift: ['unhealthy_service'], action: 'redeploy-vps-fra-web-shop', action_state: 'running' },
  'vps-fra/umami': { state: 'missing', trigger: 'absent', detail: 'no container named umami on vps-fra', since: 5400, drift: ['missing_service'], action: null, action_state: null },
  'game-1/survival': { state: 'stale', trigger: null, detail: 'last seen with game-1', since: 860, drift: [], action: null, action_state: null },
  'game-1/velocity': { state: 'stale', trigger: null, detail: 'last seen with game-1', since: 860, drift: [], action: null, action_state: null },
  'game-1/backup-agent': { state: 'stale', trigger: null, detail: 'last seen with game-1', since: 860, drift: [], action: null, action_state: null },
  'chelsty-infra/gitea': { state: 'starting', trigger: null, detail: 'health: starting', since: 12, drift: [], action: null, action_state: null },
}

export function sample(machine, second = Math.floor(Date.now() / 1000)) {
  const wave = (period, phase = 0) => Math.sin(second / period + phase + machine.name.length)
  const noise = (salt) => ((Math.imul(second ^ (salt * 2654435761), 2246822519) >>> 9) % 1000) / 1000
  const burst = second % 240 < 26 && machine.name !== 'game-1' ? 34 : 0
  const user = Math.max(0.4, machine.base * 0.6 + wave(31) * 4 + noise(1) * 5 + burst * 0.7)
  const system = Math.max(0.2, machine.base * 0.25 + wave(17) * 1.5 + noise(2) * 2 + burst * 0.2)
  const iowait = Math.max(0, noise(3) * 1.2 + (burst ? 4 : 0))
  const steal = machine.virt ? Math.max(0, 1.1 + wave(90) * 1 + noise(4)) : 0
  const total = machine.mem * GiB
  const used = total * (0.46 + 0.04 * wave(120) + machine.base / 300)
  const fs = (mount, kind, size, percent) => ({ mount, fs: kind, total: size * GiB, used: (size * GiB * percent) / 100, used_percent: percent, inodes_percent: percent / 3 })
  return {
    at: new Date(second * 1000).toISOString(),
    cpu_percent: Math.min(100, user + system + iowait + steal),
    steal_percent: steal,
    iowait_percent: iowait,
    user_percent: user,
    system_percent: system,
    load1: (user / 100) * machine.cpus + noise(5) * 0.3,
    load5: (machine.base / 100) * machine.cpus,
    load15: (machine.base / 110) * machine.cpus,
    psi_cpu: noise(6) * 2 + burst / 9,
    psi_memory: noise(7) * 0.2,
    psi_io: noise(8) * 0.8 + burst / 12,
    memory_total: total,
    memory_available: total - used,
    memory_used: used,
    swap_total: 2 * GiB,
    swap_used: machine.name === 'vps-fra' ? 0.7 * GiB : 0,
    swap_cached: machine.name === 'vps-fra' ? 90e6 : 0,
    disk_read_bytes: noise(9) * 4e5 + burst * 9e4,
    disk_write_bytes: noise(10) * 1.4e6 + burst * 3e5,
    disk_busy_percent: noise(11) * 8,
    net_rx_bytes: noise(12) * 9e5 + 2e5 + wave(40) * 1e5,
    net_tx_bytes: noise(13) * 5e5 + 1e5,
    processes: 180 + machine.cpus * 12,
    filesystems: [fs('/', 'ext4', 64, machine.name === 'vps-fra' ? 78.4 : 41.2), ...(machine.name === 'chelsty-infra' ? [fs('/srv', 'xfs', 1800, 52.7)] : [])],
  }
}

function containerOf(node, name, image, wrong, extra = {}) {
  const ill = wrong?.state === 'unhealthy'
  return {
    node,
    name,
    id: hex(node + name),
    image,
    image_id: `sha256:${hex(image)}`,
    stack: null,
    state: 'running',
    health: ill && wrong.trigger === 'container_unhealthy' ? 'unhealthy' : wrong?.state === 'starting' ? 'starting' : 'healthy',
    created_at: ago(9 * 86400),
    started_at: ago(wrong?.state === 'starting' ? 12 : 2.2 * 86400),
    finished_at: null,
    exit_code: null,
    oom_killed: false,
    restart_count: ill ? 4 : 0,
    ports: [],
    labels: {},
    memory_limit: 0,
    restart_policy: 'unless-stopped',
    stopped_by_person: false,
    service: null,
    cpu_percent: 0.4 + (name.length % 7) * 0.9,
    memory_bytes: (60 + name.length * 23) * 1024 ** 2,
    net_rx_bytes: 1200,
    net_tx_bytes: 900,
    block_write_bytes: 15000,
    ...extra,
  }
}

const clone = (value) => JSON.parse(JSON.stringify(value))

/** Everything the API answers from, for one mood. */
export function build(mood) {
  const trouble = mood === 'trouble' || mood === 'brake'
  const restraint = guard(mood)
  const heldBy = (...targets) => restraint.locks.find((lock) => targets.includes(lock.target)) ?? null
  const machines = mood === 'empty' ? [] : mood === 'many' ? Array.from({ length: 60 }, (_, i) => ({ ...MACHINES[i % 4], name: `node-${i + 1}` })) : MACHINES
  const written = mood === 'many' ? machines.flatMap((m) => Array.from({ length: 20 }, (_, i) => [m.name, `service-${i + 1}`, { kind: 'container', container: `service-${i + 1}` }, `registry/app-${i + 1}:1.${i}`])) : mood === 'empty' ? [] : DESIRED
  const services = written.map(([node, name, desired, image]) => {
    const wrong = trouble ? WRONG[`${node}/${name}`] : undefined
    return {
      node,
      name,
      kind: desired.kind,
      state: desired.monitor === false ? 'unknown' : (wrong?.state ?? 'healthy'),
      trigger: wrong?.trigger ?? null,
      detail: wrong?.detail ?? (desired.monitor === false ? 'not monitored' : desired.kind === 'systemd' ? 'active (running)' : 'running, healthy'),
      since: ago(wrong?.since ?? 2.2 * 86400 + name.length * 4000),
      monitored: desired.monitor !== false,
      managed: true,
      drift: wrong?.drift ?? [],
      action: wrong?.action ?? null,
      action_state: wrong?.action_state ?? null,
      image,
      needs: desired.needs ?? [],
      checks_total: desired.checks?.length ?? 0,
      checks_failing: wrong?.trigger === 'check_failed' ? 1 : 0,
    }
  })
  if (machines.length > 0 && mood !== 'many')
    services.push({ ...clone(services[0]), node: 'vps-fra', name: 'adminer', kind: 'container', state: 'healthy', managed: false, monitored: false, detail: 'running, no health check', drift: [], image: 'adminer:5', needs: [], checks_total: 0, checks_failing: 0, trigger: null, action: null, action_state: null })
  const desiredOf = new Map(written.map(([node, name, desired]) => [`${node}/${name}`, desired]))
  const count = (list, state) => list.filter((one) => one.state === state && one.managed && one.monitored).length
  const counts = (list) => ({ total: list.filter((one) => one.managed && one.monitored).length, healthy: count(list, 'healthy'), unhealthy: count(list, 'unhealthy'), missing: count(list, 'missing'), unknown: count(list, 'unknown'), stale: count(list, 'stale'), starting: count(list, 'starting') })

  const containers = services
    .filter((one) => ['container', 'compose'].includes(one.kind) && one.state !== 'missing')
    .map((one) => {
      const desired = desiredOf.get(`${one.node}/${one.name}`) ?? {}
      const limit = { '512m': 512 * 1024 ** 2, '8g': 8 * GiB, '256m': 256 * 1024 ** 2 }[desired.mem_limit] ?? 0
      const ports = (desired.ports ?? []).map((port) => `0.0.0.0:${port.replace(':', '->')}/tcp`)
      const stack = one.kind === 'compose' ? one.name : null
      return containerOf(one.node, desired.container ?? (stack ? `${stack}-${stack}-1` : one.name), trouble && one.name === 'zigbee2mqtt' ? 'koenkk/zigbee2mqtt:2.5' : one.image, trouble ? WRONG[`${one.node}/${one.name}`] : null, { service: one.managed ? one.name : null, stack, memory_limit: limit, ports, ...(one.managed ? {} : { health: 'none' }) })
    })
  /** One that writes in its second hour, after a deploy. */
  const anomalies = trouble && containers[0] ? [{ subject: `container/${containers[0].node}/${containers[0].name}`, node: containers[0].node, container: containers[0].name, since: ago(7200), rate: 874.2 * 1024 ** 2, usual: 30 * 1024 ** 2, bound: 256 * 1024 ** 2, factor: 29.1, before: { at: ago(7500), kind: 'deploy', what: `${containers[0].name} (${containers[0].image})`, node: containers[0].node, event: 4100 }, full_in_ms: 4 * 86_400_000, text: '', event: 4101 }] : []
  const units = services
    .filter((one) => one.kind === 'systemd')
    .map((one) => ({ node: one.node, name: desiredOf.get(`${one.node}/${one.name}`)?.unit, description: one.name === 'nginx' ? 'A high performance web server' : `${one.name} of the fleet`, load: 'loaded', active: 'active', sub: 'running', result: 'success', enabled: 'enabled', restarts: 0, active_since: ago(5 * 86400), service: one.name }))
  if (trouble) units.push({ node: 'vps-fra', name: 'certbot.service', description: 'Certbot', load: 'loaded', active: 'failed', sub: 'failed', result: 'exit-code', enabled: 'static', restarts: 0, active_since: null, service: null })

  const nodes = machines.map((machine) => {
    const stale = trouble && machine.name === 'game-1'
    const seconds = stale ? 860 : 1
    return {
      name: machine.name,
      evidence: stale ? 'stale' : 'fresh',
      connected: !stale,
      last_seen: ago(seconds),
      desired: true,
      labels: machine.labels,
      access: 'operator',
      hostname: machine.name,
      os: machine.os,
      kernel: '6.12.48-amd64',
      arch: machine.arch,
      virtualization: machine.virt,
      cpus: machine.cpus,
      memory_bytes: machine.mem * GiB,
      swap_bytes: 2 * GiB,
      agent_version: '0.1.0',
      read_only: false,
      boot_id: hex(machine.name, 32),
      booted_at: ago(machine.up),
      services: counts(services.filter((one) => one.node === machine.name)),
      containers: containers.filter((one) => one.node === machine.name).length,
      sources: [
        { name: 'docker', state: 'up', version: '28.5.1', detail: '' },
        { name: 'compose', state: 'up', version: '2.40.0', detail: '' },
        machine.name === 'game-1' && trouble ? { name: 'systemd', state: 'down', version: '257', detail: 'The manager did not answer within 5 s. Look at “systemctl status” on the node.' } : { name: 'systemd', state: 'up', version: '252', detail: '' },
      ],
      levels: machine.name === 'vps-fra' && trouble ? [{ metric: 'disk:/', level: 'warning', value: 78.4, what: '/ (ext4)', since: ago(3 * 3600) }, { metric: 'steal', level: 'noted', value: 2.4, what: 'CPU', since: ago(900) }] : [],
      sample: sample(machine),
      score: null,
    }
  })

  const { actions, whys } = mood === 'empty' || mood === 'many' ? { actions: [], whys: {} } : actionsFor(trouble)
  const events = mood === 'empty' ? [] : eventsFor(trouble, machines)
  const drift = trouble
    ? [
        { subject: 'service/piha/zigbee2mqtt', node: 'piha', service: 'zigbee2mqtt', kind: 'unhealthy_service', trigger: 'container_unhealthy', detail: WRONG['piha/zigbee2mqtt'].detail, since: ago(190), action: 'container-restart-piha-zigbee2mqtt', why_not: null, remedy: null },
        { subject: 'service/vps-fra/umami', node: 'vps-fra', service: 'umami', kind: 'missing_service', trigger: 'absent', detail: 'No container named umami exists on vps-fra.', since: ago(5400), action: null, why_not: 'The fleet files say which image, but not which command it runs with.', remedy: 'Add “command:” to services.umami in hosts/vps-fra/services.yaml, then Stead can create it.' },
        { subject: 'node/game-1', node: 'game-1', service: null, kind: 'agent_offline', trigger: 'silent', detail: 'game-1 has not reported for 14 minutes.', since: ago(860), action: null, why_not: 'Nothing can be repaired on a node that cannot be reached.', remedy: 'Look at the machine itself: systemctl status stead-agent' },
      ]
    : []
  const ill = services.filter((one) => one.managed && one.monitored && ['unhealthy', 'missing'].includes(one.state)).length
  const byState = (state) => actions.filter((one) => one.state === state).length
  const total = counts(services)
  const summary = {
    fleet: 'home',
    nodes: { total: nodes.length, fresh: nodes.filter((n) => n.evidence === 'fresh').length, stale: nodes.filter((n) => n.evidence === 'stale').length, unknown: 0 },
    services: total,
    actions: Object.fromEntries(['pending', 'approved', 'running', 'completed', 'failed', 'rejected', 'cancelled'].map((state) => [state, byState(state)])),
    score: null,
    at: ago(0),
  }
  const pending = actions.filter((one) => one.state === 'pending')
  for (const node of nodes) node.held = heldBy(`node/${node.name}`)
  for (const service of services) service.held = heldBy(`node/${service.node}`, `service/${service.node}/${service.name}`)
  return {
    guard: restraint,
    unrecorded: mood === 'young',
    machines,
    nodes,
    services,
    containers,
    anomalies,
    units,
    actions,
    whys,
    events,
    drift,
    desiredOf,
    overview: () => ({
      ...restraint.overview,
      summary,
      sentence: machines.length === 0 ? 'No node reports yet' : trouble ? `${pending.length} things need you` : `All ${total.total} services on ${nodes.length} nodes are well`,
      mood: machines.length === 0 ? 'unknown' : ill > 0 ? 'trouble' : pending.length > 0 ? 'attention' : 'well',
      needs_you: pending,
      needs: trouble ? [{ kind: 'source', severity: 'warning', text: 'docker on game-1 is down: connection refused', next: 'look on the node; what runs in it is not known until it answers', subject: 'node/game-1', page: '/nodes/game-1', command: 'systemctl status docker', since: ago(4000) }] : [],
      needs_unlisted: 0,
      nodes_unlisted: 0,
      drift,
      done: actions.filter((one) => ['completed', 'failed', 'rejected', 'cancelled'].includes(one.state)).slice(0, 8),
      nodes,
      recent: events.filter((one) => one.severity !== 'info').slice(0, 20),
      write_anomalies: anomalies,
      notices: trouble ? ['routes: this build does not send messages yet; the two routes in stead.yaml are read and kept.'] : [],
      troubles: trouble ? [{ code: 'fleet-broken', text: 'The fleet directory has an error; the last good state is kept.', remedy: 'Mend hosts/vps-fra/services.yaml, line 14: see About.', since: ago(2400) }] : [],
    }),
    desired: {
      source: 'git https://git.example.net/home/fleet.git (main)',
      commit: hex('commit', 40),
      dirty: false,
      digest: `sha256:${hex('desired')}`,
      loaded_at: ago(2400),
      problems: trouble ? [{ file: 'hosts/vps-fra/services.yaml', line: 14, column: 5, code: 'unknown-key', severity: 'error', message: 'Unknown key “imagee” in services.umami.', help: 'Did you mean “image”? Known here: kind, container, image, command, ports, volumes.' }] : [],
      notices: [],
    },
    started: start,
  }
}

function step(index, title, command, state = 'waiting', more = {}) {
  return { index, title, command, state, attempt: state === 'waiting' ? 0 : 1, started_at: null, ended_at: null, output: '', ...more }
}

function actionsFor(trouble) {
  const base = (id, kind, node, service, more) => ({ id, occurrence: 1, kind, node, service, subject: service ? `service/${node}/${service}` : `node/${node}`, state: 'pending', phase: null, risk: 'low', level: 2, reason: '', outcome: null, waits_for: null, created_at: ago(170), updated_at: ago(170), digest: `sha256:${hex(id)}`, steps: [], blast_radius: [], decided_by: null, note: null, freed: null, would_free: null, trigger: 'container_unhealthy', drift: 'unhealthy_service', ...more })
  const ended = (at, output) => ({ started_at: ago(at + 6), ended_at: ago(at), output })
  const open = trouble
    ? [
        base('container-restart-piha-zigbee2mqtt', 'container_restart', 'piha', 'zigbee2mqtt', {
          occurrence: 3,
          reason: 'zigbee2mqtt has been unhealthy for 3 minutes: its health check failed 7 times in a row.',
          waits_for: 'your approval: no rule allows container_restart of zigbee2mqtt',
          steps: [step(0, 'Restart container z2m (c41d09be17aa)', { do: 'container_restart', container: 'z2m', id: hex('pihaz2m') }), step(1, 'Verify: zigbee2mqtt is healthy on fresh evidence', { verify: 'healthy', within: '2m' })],
          blast_radius: ['zigbee2mqtt on piha is away for about 10 s.', 'Nothing needs it; it needs mosquitto.'],
        }),
        base('disk-cleanup-vps-fra', 'disk_cleanup', 'vps-fra', null, {
          risk: 'guarded',
          reason: '/ on vps-fra is 78 % full, above the warning at 70 %.',
          trigger: 'disk_warning',
          drift: 'disk_pressure',
          created_at: ago(10_700),
          would_free: 6.3 * GiB,
          waits_for: 'your approval: risk is guarded',
          steps: [step(0, 'Remove the build cache and dangling images', { do: 'disk_cleanup', build_cache: true, dangling_images: true }), step(1, 'Verify: / is below 70 %', { verify: 'disk', mount: '/' })],
          blast_radius: ['Removes 3.9 GiB of build cache and 11 dangling images (2.4 GiB).', 'The next image build on vps-fra starts without a cache.'],
        }),
        base('redeploy-vps-fra-web-shop', 'redeploy', 'vps-fra', 'web-shop', {
          state: 'running',
          phase: 'executing',
          risk: 'guarded',
          reason: 'web-shop failed again within the hour: GET http://127.0.0.1:8080/health answers 502.',
          trigger: 'check_failed',
          decided_by: 'admin',
          note: 'after the 4.11 rollout',
          updated_at: ago(8),
          steps: [
            step(0, 'compose up -d --build --force-recreate web', { do: 'compose_up', path: '/srv/shop', services: ['web'] }, 'running', { started_at: ago(8), output: ' Network shop_default  Created\n Container shop-web-1  Recreate\n Container shop-web-1  Recreated\n Container shop-web-1  Starting' }),
            step(1, 'Verify: web-shop is healthy on fresh evidence', { verify: 'healthy', within: '2m' }),
          ],
          blast_radius: ['web-shop on vps-fra is away for about 30 s.', 'nginx answers 502 meanwhile.'],
        }),
      ]
    : []
  const closed = [
    base('container-restart-piha-mosquitto', 'container_restart', 'piha', 'mosquitto', { state: 'completed', occurrence: 2, reason: 'mosquitto did not answer on port 1883 for 30 s.', trigger: 'mqtt_unreachable', outcome: 'verified healthy after 6 s', decided_by: 'policy: rules[0]', created_at: ago(9400), updated_at: ago(9300), steps: [step(0, 'Restart container mosquitto-mosquitto-1 (9be04c1170fd)', { do: 'container_restart', container: 'mosquitto-mosquitto-1' }, 'done', ended(9320, 'restarted in 2.1 s')), step(1, 'Verify: mosquitto is healthy on fresh evidence', {}, 'done', ended(9300, 'CONNACK in 4 ms'))], blast_radius: ['mosquitto on piha is away for about 5 s.', 'zigbee2mqtt needs it.'] }),
    base('unit-restart-chelsty-infra-caddy', 'unit_restart', 'chelsty-infra', 'caddy', { state: 'completed', reason: 'caddy.service failed with exit code 1.', trigger: 'unit_failed', outcome: 'verified healthy after 2 s', decided_by: 'policy: rules[0]', created_at: ago(26_000), updated_at: ago(25_990) }),
    base('container-restart-game-1-survival', 'container_restart', 'game-1', 'survival', { state: 'cancelled', reason: 'survival was unhealthy.', outcome: 'drift_resolved_auto', created_at: ago(40_000), updated_at: ago(39_500) }),
    base('redeploy-vps-fra-umami', 'redeploy', 'vps-fra', 'umami', { state: 'failed', risk: 'guarded', reason: 'umami is missing.', trigger: 'absent', drift: 'missing_service', outcome: 'The image umami:2.19 is not on vps-fra and could not be pulled: no such host.', decided_by: 'admin', created_at: ago(52_000), updated_at: ago(51_990) }),
    base('disk-cleanup-chelsty-infra', 'disk_cleanup', 'chelsty-infra', null, { state: 'completed', risk: 'guarded', reason: '/ is 72 % full.', trigger: 'disk_warning', drift: 'disk_pressure', freed: 14.2 * GiB, decided_by: 'admin', created_at: ago(80_000), updated_at: ago(79_900) }),
    base('redeploy-piha-grafana', 'redeploy', 'piha', 'grafana', { state: 'rejected', risk: 'guarded', reason: 'grafana runs another image than the files name.', trigger: 'image', drift: 'changed_service', decided_by: 'admin', note: 'pinned by hand until the dashboard is migrated', created_at: ago(82_000), updated_at: ago(81_000) }),
  ]
  const whys = Object.fromEntries(
    [...open, ...closed].map((action) => [
      action.id,
      {
        id: action.id,
        occurrence: action.occurrence,
        summary: action.state === 'pending' ? 'Proposed because the service is unhealthy past its patience; it waits because no rule allows it.' : `It is ${action.state}.`,
        links: [
          { stage: 'event', at: action.created_at, text: `${action.service ?? action.node}: ${action.trigger.replaceAll('_', ' ')}`, rule: null, event: { seq: 48_101, id: 'e48101', at: action.created_at, node: action.node, subject: action.subject, kind: 'service_unhealthy', severity: 'warning', data: {}, cause: null, source: 'agent', text: '' } },
          { stage: 'drift', at: action.created_at, text: `Drift ${action.drift}: the files want it running and healthy.`, rule: null, event: null },
          { stage: 'policy', at: action.created_at, text: action.decided_by?.startsWith('policy') ? 'Ready: a rule allows it, and no limit stands against it (1 of 3 in the last hour).' : 'Ask: automatic repair goes up to level 1, this is level 2.', rule: action.decided_by?.startsWith('policy') ? 'rules[0]: { action: container_restart, between: 22:00-07:00 }' : 'policy.automatic.max_level: 1', event: null },
          ...(action.decided_by ? [{ stage: 'approval', at: action.updated_at, text: `Decided by ${action.decided_by}.`, rule: null, event: null }] : []),
          ...(action.state === 'completed' ? [{ stage: 'outcome', at: action.updated_at, text: action.outcome ?? 'Done and verified.', rule: null, event: null }] : action.state === 'pending' ? [{ stage: 'waiting', at: null, text: 'Waits for your approval.', rule: null, event: null }] : []),
        ],
      },
    ]),
  )
  return { actions: [...open, ...closed], whys }
}

function eventsFor(trouble, machines) {
  const lines = [
    ...(trouble
      ? [
          [8, 'vps-fra', 'service/vps-fra/web-shop', 'action_started', 'info', 'Redeploy of web-shop runs', 1],
          [48, 'vps-fra', 'service/vps-fra/web-shop', 'service_unhealthy', 'warning', 'web-shop is unhealthy: GET http://127.0.0.1:8080/health answered 502', 0],
          [170, 'piha', 'service/piha/zigbee2mqtt', 'action_proposed', 'info', 'Proposed: restart container z2m', 1],
          [190, 'piha', 'service/piha/zigbee2mqtt', 'service_unhealthy', 'warning', 'zigbee2mqtt is unhealthy: connection to mqtt://mosquitto:1883 refused', 0],
          [240, 'piha', 'container/piha/z2m', 'container_started', 'info', 'z2m was recreated with image koenkk/zigbee2mqtt:2.5', 0],
          [860, 'game-1', 'node/game-1', 'node_offline', 'critical', 'game-1 has stopped reporting', 0],
          [2400, null, 'fleet/home', 'desired_refused', 'warning', 'hosts/vps-fra/services.yaml:14:5: unknown key “imagee”', 0],
          [5400, 'vps-fra', 'service/vps-fra/umami', 'service_missing', 'warning', 'umami is missing: no container of that name', 0],
        ]
      : []),
    [9300, 'piha', 'service/piha/mosquitto', 'service_recovered', 'info', 'mosquitto is healthy again after 1 min', 1],
    [9320, 'piha', 'service/piha/mosquitto', 'action_completed', 'info', 'Restarted container mosquitto-mosquitto-1, verified', 1],
    [9360, 'piha', 'service/piha/mosquitto', 'action_started', 'info', 'Restart of mosquitto runs', 1],
    [9400, 'piha', 'service/piha/mosquitto', 'mqtt_unreachable', 'warning', 'mosquitto does not answer on port 1883', 0],
    [10_700, 'vps-fra', 'node/vps-fra', 'disk_pressure', 'warning', '/ is 78 % full', 0],
    [25_990, 'chelsty-infra', 'service/chelsty-infra/caddy', 'action_completed', 'info', 'Restarted unit caddy.service, verified', 1],
    [26_000, 'chelsty-infra', 'unit/chelsty-infra/caddy.service', 'unit_failed', 'warning', 'caddy.service failed with exit code 1', 0],
    [39_500, 'game-1', 'service/game-1/survival', 'action_cancelled', 'info', 'Cancelled: the drift is gone', 1],
    [90_000, 'game-1', 'node/game-1', 'node_rebooted', 'info', 'game-1 rebooted cleanly, away for 41 s', 0],
    [90_100, null, 'fleet/home', 'desired_loaded', 'info', 'Desired state loaded: 14 services on 4 nodes', 0],
  ]
  if (machines.length > 10) for (let i = 0; i < 300; i++) lines.push([100_000 + i * 90, `node-${(i % 60) + 1}`, `service/node-${(i % 60) + 1}/service-${(i % 20) + 1}`, 'service_recovered', 'info', `service-${(i % 20) + 1} is healthy again`, 0])
  return lines.map(([seconds, node, subject, kind, severity, text, caused], i) => ({ seq: 48_120 - i, id: `01K${hex(kind + i, 10).toUpperCase()}`, at: ago(seconds), node, subject, kind, severity, data: kind === 'service_unhealthy' ? { trigger: 'container_unhealthy', failing_streak: 7, action: null } : kind.startsWith('action_') ? { action: 'container-restart-piha-zigbee2mqtt' } : {}, cause: caused ? 48_120 - i - 1 : null, source: node ? 'agent' : 'server', text }))
}
