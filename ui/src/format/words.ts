/** Words of the domain as people read them. */

const ACTION: Record<string, string> = {
  container_restart: 'Restart container',
  redeploy: 'Redeploy',
  unit_restart: 'Restart unit',
  disk_cleanup: 'Clean up disk',
  model_load: 'Load model',
  model_unload: 'Unload model',
  workload_stop: 'Stop workload',
  workload_start: 'Start workload',
  lock_clear: 'Clear stale lock',
  drill: 'Chaos drill',
}

const ACRONYMS = new Map([
  ['mqtt', 'MQTT'],
  ['oom', 'OOM'],
  ['dns', 'DNS'],
  ['http', 'HTTP'],
  ['tcp', 'TCP'],
  ['tls', 'TLS'],
  ['icmp', 'ICMP'],
  ['io', 'I/O'],
  ['cpu', 'CPU'],
  ['id', 'ID'],
])

/** `mqtt_unreachable` → `MQTT unreachable`. */
export function words(kind: string | null | undefined): string {
  if (!kind) return ''
  const text = kind
    .split(/[_.-]/)
    .map((word) => ACRONYMS.get(word) ?? word)
    .join(' ')
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** `container_restart` → `Restart container`. */
export function actionKind(kind: string): string {
  return ACTION[kind] ?? words(kind)
}

/** The name people call an action by: `Restart container z2m`. */
export function actionTitle(action: { kind: string; subject: string; node?: string | null; service?: string | null }): string {
  const name = action.service ?? action.subject.split('/').pop() ?? action.subject
  return action.kind === 'disk_cleanup' ? `Clean up disk of ${action.node ?? name}` : `${actionKind(action.kind)} ${name}`
}

const OUTCOMES: Record<string, string> = {
  drift_resolved_auto: 'the drift resolved by itself',
  service_removed_from_desired_state: 'the service left the desired state',
}

/** How an action ended, for people: codes in words, sentences as they are. */
export function outcomeWords(outcome: string | null | undefined): string {
  if (!outcome) return ''
  return OUTCOMES[outcome] ?? (/^[a-z_]+$/.test(outcome) ? words(outcome) : outcome)
}

export function short(id: string, length = 12): string {
  return id.replace(/^sha256:/, '').slice(0, length)
}

const THRESHOLDS: Record<string, string> = {
  steal: 'CPU steal',
  swap_used: 'Swap used',
  swap_cached: 'Swap cached',
}

/** `disk:/srv` → `Disk /srv`. */
export function metric(name: string): string {
  const [head = '', ...rest] = name.split(':')
  return THRESHOLDS[name] ?? (rest.length > 0 ? `${words(head)} ${rest.join(':')}` : words(name))
}
