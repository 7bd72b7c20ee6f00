// What keeps Stead from acting, and what it told whom, for the development server: the shapes of crates/protocol/src/api.
const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString()
const ahead = (seconds) => ago(-seconds)

const NO_BRAKE = { engaged: false, since: null, drifting: 0, fresh: 0, limit: 55, at_least: 5, window_ms: 300_000, released_at: null, seq: null, text: 'not engaged', remedy: null }

/** @param mood `trouble`, `well`, `empty`, `brake` */
export function guard(mood) {
  const trouble = mood === 'trouble' || mood === 'brake'
  const lock = (target, kind, by, why, until, more = {}) => ({ target, lock: kind, by, why, since: ago(1900), until, heartbeat_ms: null, stale: null, seq: 48_090, text: '', ...more })
  const locks = trouble
    ? [
        lock('node/chelsty-infra', 'maintenance', 'admin', 'replacing the second disk', ahead(5400)),
        lock('service/piha/grafana', 'backup', 'restic', 'nightly backup', ahead(1500), { heartbeat_ms: 60_000, stale: ago(240) }),
        lock('node/game-1', 'window', 'files', 'maintenance window Sun 03:00-05:00', ahead(3000)),
      ]
    : []
  const message = (id, thread, sort, title, text, more = {}) => ({ id, thread, channel: 'phone', route: 'alerts-critical', sort, severity: 'warning', subject: 'service/piha/zigbee2mqtt', title, text, ping: false, state: 'delivered', queued_at: ago(150), ended_at: ago(149), attempts: 1, why: '', ...more })
  const messages = trouble
    ? [
        message('m4', 't1', 'changed', 'zigbee2mqtt on piha: 3 of 3 repairs used', 'It was repaired three times within the hour and is ill again.', { severity: 'critical', ping: true, state: 'waiting', queued_at: ago(20), ended_at: null, attempts: 2 }),
        message('m3', 't1', 'opened', 'zigbee2mqtt on piha is unhealthy', 'connection to mqtt://mosquitto:1883 refused'),
        message('m2', null, 'test', 'A test message from Stead (home)', 'admin asked for it.', { channel: 'office', route: '', state: 'failed', why: 'the receiver answered 403', attempts: 20, queued_at: ago(4000), ended_at: ago(900) }),
        message('m1', 't0', 'closed', 'mosquitto on piha is well again', 'It answered on port 1883 after a restart.', { severity: 'info', queued_at: ago(9300), ended_at: ago(9299) }),
      ]
    : []
  const thread = (id, subject, title, text, more = {}) => ({ id, subject, node: subject.split('/')[1], service: subject.split('/')[2] ?? null, kind: 'service_unhealthy', severity: 'warning', title, text, opened_at: ago(190), updated_at: ago(20), closed_at: null, reason: '', seq: 48_119, joined: [], messages: messages.filter((one) => one.thread === id), ...more })
  const alerts = {
    open: trouble ? [thread('t1', 'service/piha/zigbee2mqtt', 'zigbee2mqtt on piha is unhealthy', '3 of 3 repairs within the hour are used, and it is ill again.', { severity: 'critical' }), thread('t2', 'node/game-1', 'game-1 has stopped reporting', 'Its services are not told of one by one.', { kind: 'node_offline', opened_at: ago(860), joined: ['service/game-1/velocity', 'service/game-1/survival', 'service/game-1/backup-agent'] })] : [],
    ended: trouble ? [thread('t0', 'service/piha/mosquitto', 'mosquitto on piha did not answer', 'well again', { closed_at: ago(9300), reason: 'recovered', seq: 48_112 })] : [],
  }
  const target = (subject, state, action = null, why = '') => ({ subject, state, action, why })
  const targets = [target('service/piha/mosquitto', 'done', 'container-restart-piha-mosquitto#3'), target('service/piha/zigbee2mqtt', 'failed', 'container-restart-piha-zigbee2mqtt#2', 'it was done, but it is still unhealthy'), target('service/vps-fra/umami', 'skipped', null, 'it has no container to restart'), target('service/chelsty-infra/gitea', 'working', 'container-restart-chelsty-infra-gitea#1'), target('service/chelsty-infra/postgres', 'waiting'), target('service/game-1/velocity', 'waiting')]
  const counts = (list) => ({ total: list.length, ...Object.fromEntries(['waiting', 'working', 'done', 'failed', 'skipped'].map((state) => [state, list.filter((one) => one.state === state).length])) })
  const roll = (id, state, list, more = {}) => ({ id, kind: 'container_restart', selector: 'service/*/*', state, why: '', batch: 2, max_failures: 1, by: 'admin', note: 'new certificates', started_at: ago(400), updated_at: ago(20), counts: counts(list), targets: list, ...more })
  const rollouts = trouble ? [roll('roll-2', 'paused', targets, { why: '1 of 6 failed: look at it, then resume' }), roll('roll-1', 'completed', targets.map((one) => ({ ...one, state: 'done', why: '' })), { started_at: ago(90_000), updated_at: ago(89_000) })] : []
  const drill = (occurrence, seconds, ok, detected_ms, repaired_ms, told_ms, detail) => ({ action: 'drill-piha', occurrence, at: ago(seconds), ok, within_ms: 60_000, detected_ms, repaired_ms, told_ms, detail, broken: 47_000 + occurrence })
  const drills = mood === 'empty' || mood === 'well' ? { canary: null, running: null, drills: [] } : { canary: { node: 'piha', subject: 'service/piha/stead-canary', image: 'busybox:1', schedule: '0 5 * * *', within_ms: 60_000 }, running: null, drills: [drill(3, 3_600, true, 180, 1650, 2100, 'noticed, mended and said in time'), drill(2, 90_000, false, 240, null, null, 'it was noticed, but not mended within 60 s: the node was locked'), drill(1, 176_000, true, 210, 1900, 2400, 'in time')] }
  const kind = (name, level, risk, available = true, rules = []) => ({ kind: name, level, risk, verdict: { answer: level <= 1 && risk === 'low' ? 'ready' : 'ask', rule: level <= 1 ? 'policy.automatic.max_level 1 covers level 1' : `level ${level} is above policy.automatic.max_level 1`, limit: null, text: 'what decides' }, rules, available })
  const rule = (index, action, service, says, number, when, holds_now, text, earned = null) => ({ index, action, node: null, service, says, number, when, holds_now, earned, is_earned: earned === null ? null : earned >= number, text })
  const policy = {
    max_level: 1,
    kinds: [kind('lock_clear', 1, 'low'), kind('container_restart', 2, 'low', true, [0, 1]), kind('unit_restart', 2, 'low', true, [2]), kind('workload_stop', 2, 'low'), kind('drill', 2, 'low'), kind('redeploy', 2, 'guarded'), kind('disk_cleanup', 2, 'guarded'), kind('dns_publish', 1, 'low', false), kind('restore', 3, 'destructive', false), kind('destroy', 3, 'destructive', false)],
    rules: mood === 'empty' ? [] : [rule(0, 'container_restart', 'web-*', 'automatic', null, '22:00-07:00', false, 'runs by itself'), rule(1, 'container_restart', null, 'earn', 5, null, true, 'asks until five in a row were verified; one failure takes it back', 3), rule(2, 'unit_restart', null, 'ask', null, 'in business hours', true, 'a person decides')],
    limits: { per_target_per_hour: 3, concurrent: 4, concurrent_per_node: 1, mass_drift: 55, back_off_ms: 120_000, give_up_after: 3 },
    calendar: { timezone: 'Europe/Warsaw', business: 'Mon-Fri 09:00-17:00', holidays: ['2026-12-25', '2026-12-26'], is_business: true },
  }
  const channels = trouble ? [{ name: 'phone', kind: 'webhook', routes: ['alerts-critical', 'alerts-repairs'], waiting: 1, last: messages[1] }, { name: 'office', kind: 'webhook', routes: [], waiting: 0, last: messages[2] }] : []
  const brake = mood === 'brake' ? { ...NO_BRAKE, engaged: true, since: ago(70), drifting: 9, fresh: 13, seq: 48_119, text: 'the mass-drift brake: 9 of 13 services drifted at once', remedy: 'stead brake release' } : NO_BRAKE
  const open = rollouts.filter((one) => ['running', 'paused'].includes(one.state))
  const did = { sentence: trouble ? 'Stead mended 2 things by itself, did 2 that people approved, and 1 failed.' : '', since: ago(86_400), mended: 2, done_for_people: 2, failed: 1, cancelled: 1, told: 3, until: null, chores: 1, freed: 3_221_225_472, declined: 0, left_alone: 1, truncated: false, entries: trouble ? entries() : [] }
  return { locks, messages, alerts, rollouts, drills, policy, channels, brake, overview: { brake, locks, alerts: alerts.open, alerts_open: alerts.open.length, rollouts: open, did } }
}

/** Why nothing happens to a subject. */
export function whyOf(about, world) {
  const [, node, name] = about.split('/')
  const service = world.services.find((one) => one.node === node && one.name === name)
  const state = service?.state ?? 'unknown'
  const one = (what, question, passes, text, remedy = null) => ({ what, question, passes, text, remedy })
  const missing = state === 'missing'
  const stale = state === 'stale'
  return {
    id: about,
    occurrence: 0,
    subject: about,
    state,
    summary: stale ? `Nothing is done for ${name}: what is known of ${node} is too old to act on.` : missing ? `Nothing is done for ${name}: no file says how to create it.` : `${name} waits for a person.`,
    links: [],
    drift: [],
    actions: [],
    messages: [],
    considered: [
      one('known', 'Do the files name it?', true, `hosts/${node}/services.yaml does.`),
      one('monitored', 'Is it watched?', true, 'Yes.'),
      one('evidence', 'Is the evidence fresh?', !stale, stale ? `${node} has been silent for 14 minutes.` : 'Seen a second ago.', stale ? `Look at the machine: systemctl status stead-agent on ${node}.` : null),
      one('drift', 'Does it differ from the files?', true, missing ? 'It is missing.' : 'It is unhealthy.'),
      one('repair', 'Is there a repair for that?', !missing, missing ? `No file says how to create ${name}.` : 'Restart container.', missing ? `Add image: (and ports, volumes, …) to ${name} in hosts/${node}/services.yaml.` : null),
      one('policy', 'May it run by itself?', false, 'Level 2 is above policy.automatic.max_level 1.', 'Approve it, or name it in a rule.'),
    ],
  }
}

/** What was done last night, as the log tells it. */
function entries() {
  const of = (hours, kind, text, why, subject, action = null) => ({ at: ago(hours * 3600), kind, text, why, subject, action, occurrence: action ? 1 : null, seq: 48_000 - hours })
  return [
    of(1, 'repair', 'restarted mosquitto on piha', null, 'service/piha/mosquitto', 'container-restart-piha-mosquitto'),
    of(2, 'left_alone', 'left umami on vps-fra alone: no such container', 'nothing says how to create it', 'service/vps-fra/umami'),
    of(3, 'failure', 'could not redeploy web-shop on vps-fra', 'the image could not be pulled', 'service/vps-fra/web-shop', 'redeploy-vps-fra-web-shop'),
    of(5, 'chore', 'cleaned up vps-fra, 3.0 GiB freed', null, 'node/vps-fra', 'disk-cleanup-vps-fra'),
  ]
}
