/** Questions about containers and their logs, beside `queries.ts`. */
import { keepPreviousData, queryOptions } from '@tanstack/svelte-query'
import * as sdk from './generated'
import { problemOf, unreachable } from './problem'
import { take } from './queries'

type Signal = { signal: AbortSignal }
/** Live numbers are no events: they are asked for again while somebody looks. */
const EVERY_MS = 5_000

export const containers = () =>
  queryOptions({ queryKey: ['containers'], queryFn: ({ signal }: Signal) => take(sdk.listContainers({ signal })), refetchInterval: EVERY_MS })

export const container = (node: string, name: string, range: string) =>
  queryOptions({
    queryKey: ['containers', node, name, range],
    queryFn: ({ signal }: Signal) => take(sdk.getContainer({ path: { node, container: name }, query: range ? { range } : {}, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: EVERY_MS,
  })

/** Computed from days of readings: not worth asking often. */
export const memoryAdvice = () => queryOptions({ queryKey: ['advice', 'memory'], queryFn: ({ signal }: Signal) => take(sdk.getMemoryAdvice({ signal })) })

export const memoryPatch = (node: string, container: string) => take(sdk.getMemoryPatch({ path: { node, container } }))

export const restartPlan = (body: sdk.RestartContainers) => take(sdk.restartContainers({ body }))

/** Reads an answer line by line while it comes; ends with the answer, with `signal`, or by throwing what went wrong. */
export async function lines(path: string, accept: string, signal: AbortSignal, each: (line: string) => void): Promise<void> {
  const response = await fetch(path, { headers: { accept }, credentials: 'same-origin', signal }).catch((cause: unknown) => {
    throw signal.aborted ? cause : unreachable(cause)
  })
  if (!response.ok || !response.body) throw problemOf(response.status, await response.json().catch(() => null))
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    const parts = (rest + value).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) each(part)
  }
  if (rest) each(rest)
}

export const followPath = (kind: 'container' | 'unit', node: string, name: string, tail: number) => `/api/v1/${kind}s/${encodeURIComponent(node)}/${encodeURIComponent(name)}/logs/follow?tail=${tail}`

/** What a name says by itself: units end in their type, and container names that do are found by choosing containers. */
const UNIT = /\.(service|socket|timer|mount|automount|path|scope|slice|swap|target|device)$/

export function searchPath(text: string, asked: { nodes: string; kind: string; names: string; since: string }): string {
  const query = new URLSearchParams({ q: text, since: asked.since, limit: '500' })
  if (asked.nodes) query.set('nodes', asked.nodes)
  if (asked.kind) query.set('kind', asked.kind)
  const names = asked.names.split(',').map((name) => name.trim()).filter(Boolean)
  const isUnit = (name: string) => asked.kind === 'unit' || (asked.kind === '' && UNIT.test(name))
  const units = names.filter(isUnit).map((name) => (UNIT.test(name) ? name : `${name}.service`))
  const containers = names.filter((name) => !isUnit(name))
  if (units.length > 0) query.set('units', units.join(','))
  if (containers.length > 0) query.set('containers', containers.join(','))
  return `/api/v1/logs/search?${query}`
}
