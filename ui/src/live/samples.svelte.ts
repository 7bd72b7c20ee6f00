/** The last minutes of every node's numbers, in memory, bounded. Fed by the live feed, filled up by one request. */
import { SvelteMap } from 'svelte/reactivity'
import type { Sample } from '../api/generated'
import { append } from './reducer'

/** A quarter of an hour at one a second. */
export const KEEP = 900

const rings = new SvelteMap<string, Sample[]>()

export function take(node: string, sample: Sample): void {
  rings.set(node, append(rings.get(node) ?? [], sample, KEEP))
}

/** What the server still had: goes before what came live. */
export function fill(node: string, older: readonly Sample[]): void {
  const live = rings.get(node) ?? []
  const first = live[0]?.at
  const before = first === undefined ? older : older.filter((sample) => sample.at < first)
  const last = live.at(-1)?.at ?? ''
  const after = older.filter((sample) => first !== undefined && sample.at > last)
  rings.set(node, [...before, ...live, ...after].slice(-KEEP))
}

export function of(node: string): readonly Sample[] {
  return rings.get(node) ?? []
}

export function latest(node: string): Sample | null {
  return rings.get(node)?.at(-1) ?? null
}
