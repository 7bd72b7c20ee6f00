/** What happened beside the numbers, as marks that can be told apart. Pure. */
import type { Annotation } from '../api/generated'
import type { IconName } from '../parts/Icon.svelte'

/** Marks that would lie on each other are one. */
export interface Mark {
  /** Part of the width, 0 to 1. */
  place: number
  at: number
  icon: IconName
  /** Newest first. */
  of: Annotation[]
}

const ICONS: Record<string, IconName> = {
  deploy: 'service',
  restart: 'play',
  reboot: 'refresh',
  update: 'up',
  repair: 'action',
  cleanup: 'disk',
  config: 'file',
}

export const iconOf = (kind: string): IconName => ICONS[kind] ?? 'event'

/** Marks between two instants, `least` of the width apart. Each stands where the first of its annotations does. */
export function marks(annotations: readonly Annotation[], from: number, to: number, least: number): Mark[] {
  const inside = annotations
    .map((one) => ({ one, at: Date.parse(one.at) }))
    .filter(({ at }) => at >= from && at <= to)
    .sort((a, b) => a.at - b.at)
  const found: Mark[] = []
  for (const { one, at } of inside) {
    const place = (at - from) / Math.max(1, to - from)
    const last = found.at(-1)
    if (!last || place - last.place >= least) found.push({ place, at, icon: iconOf(one.kind), of: [one] })
    else {
      last.of.unshift(one)
      if (last.icon !== iconOf(one.kind)) last.icon = 'event'
    }
  }
  return found
}

/** Every annotation once, newest first: those of several trends tell the same of the fleet. */
export function together(lists: readonly (readonly Annotation[])[]): Annotation[] {
  const key = (one: Annotation) => `${one.event ?? ''} ${one.at} ${one.kind} ${one.what}`
  const distinct = new Map(lists.flat().map((one) => [key(one), one]))
  return [...distinct.values()].sort((a, b) => Date.parse(b.at) - Date.parse(a.at))
}
