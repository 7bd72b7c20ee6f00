/** Where a slider over the log can stop: pure, so that the tests need no page. */
import type { Event } from '../api/generated'

export interface Mark {
  at: number
  kind: string
  text: string
  tone: 'bad' | 'warn' | 'held' | 'plain'
}

/** Kinds of events that are worth a mark. */
export const MARKED = 'action_started,action_failed,node_rebooted,brake_engaged,brake_released,desired_loaded,lock_taken,alert_opened,drill_ended'

export function markOf(event: Event): Mark {
  const tone = event.kind === 'action_failed' || event.kind === 'brake_engaged' ? 'bad' : event.kind === 'action_started' ? 'warn' : event.kind === 'lock_taken' ? 'held' : 'plain'
  return { at: Date.parse(event.at), kind: event.kind, text: `${event.subject}: ${event.text}`, tone }
}

/** The nearest mark before or after an instant. */
export function nextMark(marks: readonly Mark[], at: number, direction: 1 | -1): Mark | null {
  const beyond = marks.filter((m) => (direction === 1 ? m.at > at : m.at < at))
  return beyond.reduce<Mark | null>((best, m) => (best === null || (direction === 1 ? m.at < best.at : m.at > best.at) ? m : best), null)
}

/** At most `most` marks, evenly spread over the slider: of those that would lie on each other the gravest stays. */
export function thin(marks: readonly Mark[], from: number, to: number, most: number): Mark[] {
  const RANK = { bad: 3, warn: 2, held: 1, plain: 0 }
  const slots = new Map<number, Mark>()
  for (const mark of marks) {
    if (mark.at < from || mark.at > to) continue
    const slot = Math.round(((mark.at - from) / Math.max(1, to - from)) * most)
    const there = slots.get(slot)
    if (!there || RANK[mark.tone] > RANK[there.tone]) slots.set(slot, mark)
  }
  return [...slots.values()].sort((a, b) => a.at - b.at)
}

/** The part of the log that the slider covers: `span` milliseconds up to now, or all of it. */
export function reach(earliest: number, now: number, span: number | null): { from: number; to: number } {
  const from = span === null ? earliest : Math.max(earliest, now - span)
  return { from: Math.min(from, now - 1000), to: now }
}

/** A step of the arrow keys: a five-hundredth of what is covered, in whole seconds. */
export function stepOf(from: number, to: number): number {
  return Math.max(1000, Math.round((to - from) / 500 / 1000) * 1000)
}
