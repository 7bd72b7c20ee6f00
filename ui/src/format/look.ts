/** How a state looks: the one table that every page goes through. What it does not know is unknown, never well. */

export type Look = 'well' | 'bad' | 'missing' | 'stale' | 'unknown' | 'held' | 'working' | 'ask' | 'quiet'

const LOOKS: Record<string, Look> = {
  healthy: 'well',
  fresh: 'well',
  passing: 'well',
  up: 'well',
  active: 'well',
  completed: 'well',
  done: 'well',
  well: 'well',
  ok: 'well',
  unhealthy: 'bad',
  failing: 'bad',
  failed: 'bad',
  down: 'bad',
  dead: 'bad',
  refused: 'bad',
  trouble: 'bad',
  missing: 'missing',
  'not-found': 'missing',
  stale: 'stale',
  unknown: 'unknown',
  held: 'held',
  locked: 'held',
  paused: 'held',
  maintenance: 'held',
  working: 'working',
  starting: 'working',
  restarting: 'working',
  running: 'working',
  executing: 'working',
  verifying: 'working',
  approved: 'working',
  activating: 'working',
  deactivating: 'working',
  reloading: 'working',
  removing: 'working',
  pending: 'ask',
  attention: 'ask',
  rejected: 'quiet',
  cancelled: 'quiet',
  absent: 'quiet',
  inactive: 'quiet',
  created: 'quiet',
  exited: 'quiet',
  waiting: 'quiet',
  none: 'quiet',
  unmonitored: 'quiet',
}

export function look(state: string): Look {
  return LOOKS[state] ?? 'unknown'
}

/** A service with what lies over it: a lock, or an action at work. */
export function serviceState(service: { state: string; monitored: boolean; managed: boolean; action_state?: string | null; held?: unknown }): string {
  // What no file names is shown as it is seen; what a file says not to watch is not judged.
  if (service.managed && !service.monitored) return 'unmonitored'
  if (service.action_state === 'running' || service.action_state === 'approved') return 'working'
  // What is well stays well under a lock; what is not is held by it.
  if (service.held && service.state !== 'healthy') return 'held'
  return service.state
}

/** A container has two words, run state and health; the one that matters is shown. */
export function containerState(container: { state: string; health: string }): { state: string; look: Look } {
  if (container.state !== 'running') {
    return { state: container.state, look: container.state === 'exited' ? 'bad' : look(container.state) }
  }
  if (container.health === 'none') return { state: 'running', look: 'well' }
  return { state: container.health, look: look(container.health) }
}

/** A unit that is inactive without having failed is at rest. */
export function unitLook(unit: { active: string; load: string }): Look {
  if (unit.load === 'not-found') return 'missing'
  return look(unit.active)
}

/** What needs a person comes first when a list is sorted by state. */
const ORDER: Look[] = ['bad', 'missing', 'ask', 'working', 'held', 'stale', 'unknown', 'well', 'quiet']

export function weight(of: Look): number {
  return ORDER.indexOf(of)
}
