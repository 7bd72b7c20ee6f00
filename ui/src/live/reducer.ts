/**
 * What one message of the live feed means: which answers are out of date, and whether something was missed.
 * Pure; the connection and the cache are elsewhere.
 */
import type { Event, Feed, Sample } from '../api/generated'
import { parseSubject } from '../format/subject'

export type Key = readonly string[]

export interface Position {
  /** Sequence of the newest event seen; null before the first message. */
  seen: number | null
  /** Head the server named at its last sign of life: by the next one, we must have seen it. */
  promised: number | null
}

export interface Meaning {
  position: Position
  /** Prefixes of the queries that are out of date. */
  stale: Key[]
  /** Load everything anew. */
  everything: boolean
  event: Event | null
  sample: { node: string; sample: Sample } | null
}

export const START: Position = { seen: null, promised: null }

export function read(position: Position, message: Feed): Meaning {
  const nothing: Meaning = { position, stale: [], everything: false, event: null, sample: null }
  switch (message.type) {
    case 'sample':
      return { ...nothing, sample: { node: message.node, sample: message.sample } }
    case 'event': {
      const seen = Math.max(position.seen ?? 0, message.event.seq)
      // Resuming may repeat what we already have.
      if (position.seen !== null && message.event.seq <= position.seen) return nothing
      return { ...nothing, position: { ...position, seen }, stale: touched(message.event), event: message.event }
    }
    case 'alive': {
      const missed = position.seen !== null && position.promised !== null && position.seen < position.promised
      // The head went back: another log, or a restored one.
      const rewound = position.seen !== null && message.head < position.seen
      const seen = position.seen === null || missed || rewound ? message.head : position.seen
      return { ...nothing, position: { seen, promised: message.head }, everything: missed || rewound }
    }
    case 'resync':
      return { ...nothing, position: { seen: message.head, promised: message.head }, everything: true }
    default:
      return nothing
  }
}

/** What the events of self-restraint put out of date beside the rest. */
const GUARDED: Record<string, Key[]> = {
  lock: [['locks'], ['services'], ['service'], ['nodes'], ['node'], ['actions'], ['action'], ['drift']],
  brake: [['brake'], ['actions'], ['action'], ['drift']],
  autonomy: [['policy'], ['actions'], ['action']],
  alert: [['alerts']],
  message: [['alerts'], ['messages'], ['channels']],
  rollout: [['rollouts']],
  drill: [['drills']],
  leader: [],
}

/** Which answers an event puts out of date. Too many costs a request, too few shows something wrong. */
export function touched(event: Event): Key[] {
  if (event.kind === 'desired_loaded' || event.kind === 'server_started') return [[]]
  const keys: Key[] = [['overview'], ['events']]
  const subject = parseSubject(event.subject)
  const node = event.node ?? subject.node
  if (node) {
    keys.push(['nodes'], ['node', node], ['services'], ['drift'])
    if (subject.type === 'service') keys.push(['service', node, subject.name])
    else keys.push(['service', node])
    if (subject.type === 'container' || event.kind.startsWith('node_')) keys.push(['containers'])
  }
  if (subject.type === 'model' || event.kind.startsWith('source_')) keys.push(['models'])
  if (event.kind.startsWith('action_') || event.kind.startsWith('step_')) {
    keys.push(['actions'], ['action'], ['why'], ['containers'])
    if (!node) keys.push(['services'], ['service'])
  }
  const guard = /^(lock|brake|autonomy|alert|message|rollout|drill|leader)_/.exec(event.kind)?.[1]
  if (guard) keys.push(...GUARDED[guard]!, ['why-of'])
  if (event.kind.startsWith('service_')) keys.push(['why-of'])
  if (event.kind.startsWith('desired_') || event.kind.startsWith('fleet_')) keys.push(['desired'])
  return keys
}

/** Keys without those that a shorter one already covers. */
export function merge(keys: Key[]): Key[] {
  const distinct = [...new Map(keys.map((key) => [key.join('\0'), key])).values()]
  return distinct.filter((key) => !distinct.some((other) => other.length < key.length && other.every((part, i) => part === key[i])))
}

/** Below this the samples of every node are worth having at hand. */
const ALL_NODES = 50

/** Whose live numbers to ask for: everybody's in a small fleet, only those on the page in a large one. */
export function scope(fleetSize: number, watched: Iterable<string>): string {
  if (fleetSize <= ALL_NODES) return 'all'
  return [...new Set(watched)].sort().join(',') || 'none'
}

/** Wait before the n-th attempt to connect again (from 0): quick at first, at most 15 s, spread by `random` in 0..1. */
export function backoff(attempt: number, random: number): number {
  const base = Math.min(15_000, 500 * 2 ** Math.min(attempt, 10))
  return Math.round(base * (0.7 + 0.6 * random))
}

/** Newest `keep` samples, in order and without doubles. */
export function append(samples: readonly Sample[], next: Sample, keep: number): Sample[] {
  const last = samples.at(-1)
  if (last && last.at >= next.at) return samples as Sample[]
  // Space is measured every ten seconds: between two readings the last one holds.
  const held = next.filesystems?.length || !last?.filesystems?.length ? next : { ...next, filesystems: last.filesystems }
  return [...samples.slice(-(keep - 1)), held]
}
