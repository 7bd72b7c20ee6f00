/** Every question the pages ask, with its cache key. The only file that knows the generated functions by name. */
import { keepPreviousData, QueryClient, queryOptions } from '@tanstack/svelte-query'
import * as sdk from './generated'
import { client } from './generated/client.gen'
import { between, type Range, trendRange } from '../history/range'
import { type Stretch, zoomText } from '../history/zoom'
import { withInstant } from '../past/past.svelte'
import { MARKED } from '../past/marks'
import { ProblemError, problemOf, unreachable } from './problem'

client.setConfig({ baseUrl: '', credentials: 'same-origin' })
client.interceptors.request.use((request) => withInstant(request))

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // The live feed says what is out of date; asking again by the clock would only load the server.
      staleTime: 60_000,
      refetchOnWindowFocus: false,
      // What the server itself explains will not change by asking again; silence and a proxy's error may.
      retry: (attempt, error) => attempt < 2 && (!(error instanceof ProblemError) || error.problem.status === 0 || error.problem.code.startsWith('http-5')),
      retryDelay: (attempt) => 400 * 2 ** attempt,
    },
  },
})

interface Answer<T> {
  data?: T
  error?: unknown
  response?: Response
}

let onSignedOut: () => void = () => {}

/** Called when an answer says that nobody is signed in (any more). */
export function whenSignedOut(handler: () => void): void {
  onSignedOut = handler
}

export async function take<T>(asked: Promise<Answer<T>>, session = false): Promise<T> {
  let answer: Answer<T>
  try {
    answer = await asked
  } catch (cause) {
    throw unreachable(cause)
  }
  if (!answer.response) throw unreachable(answer.error)
  if (!answer.response.ok) {
    if (answer.response.status === 401 && !session) onSignedOut()
    throw problemOf(answer.response.status, answer.error)
  }
  return answer.data as T
}

type Signal = { signal: AbortSignal }

export const session = () =>
  queryOptions({ queryKey: ['session'], queryFn: ({ signal }: Signal) => take(sdk.getSession({ signal }), true), staleTime: Infinity, retry: false })

export const version = () => queryOptions({ queryKey: ['version'], queryFn: ({ signal }: Signal) => take(sdk.getVersion({ signal })) })

export const overview = (since: string | null) =>
  queryOptions({
    queryKey: ['overview', since ?? ''],
    queryFn: ({ signal }: Signal) => take(sdk.getOverview({ query: since ? { since } : {}, signal })),
    placeholderData: keepPreviousData,
  })

export const nodes = () => queryOptions({ queryKey: ['nodes'], queryFn: ({ signal }: Signal) => take(sdk.listNodes({ signal })) })

export const node = (name: string) =>
  queryOptions({ queryKey: ['node', name], queryFn: ({ signal }: Signal) => take(sdk.getNode({ path: { node: name }, signal })) })

export const samples = (name: string) =>
  queryOptions({
    queryKey: ['samples', name],
    queryFn: ({ signal }: Signal) => take(sdk.getSamples({ path: { node: name }, signal })),
    staleTime: 0,
    gcTime: 0,
  })

export const services = () => queryOptions({ queryKey: ['services'], queryFn: ({ signal }: Signal) => take(sdk.listServices({ signal })) })

export const service = (node: string, name: string) =>
  queryOptions({
    queryKey: ['service', node, name],
    queryFn: ({ signal }: Signal) => take(sdk.getService({ path: { node, service: name }, signal })),
  })

/** The last lines of a container or a unit, as text, and whether its node or Loki tells them. */
export const logs = (kind: 'container' | 'unit', node: string, name: string, tail: number) =>
  queryOptions({
    queryKey: ['logs', kind, node, name, String(tail)],
    queryFn: async ({ signal }: Signal) => {
      const how = { query: { tail }, signal, parseAs: 'text' as const }
      const asked = kind === 'unit' ? sdk.getUnitLogs({ path: { node, unit: name }, ...how }) : sdk.getLogs({ path: { node, container: name }, ...how })
      const text = String(await take<unknown>(asked))
      return { text, loki: (await asked).response?.headers.get('x-stead-from') === 'loki' }
    },
    staleTime: 0,
  })

/** What is free, and when models leave memory, no event tells. */
const MODELS_EVERY_MS = 15_000

/** The events of a busy fleet would ask for it all the time: it is asked for by the clock. */
const INVENTORY_EVERY_MS = 60_000

export const inventory = () =>
  queryOptions({ queryKey: ['inventory'], queryFn: ({ signal }: Signal) => take(sdk.getInventory({ signal })), refetchInterval: INVENTORY_EVERY_MS })

export const models = () =>
  queryOptions({ queryKey: ['models'], queryFn: ({ signal }: Signal) => take(sdk.listModels({ headers: OF_NOW, signal })), refetchInterval: MODELS_EVERY_MS })

export const drift = () => queryOptions({ queryKey: ['drift'], queryFn: ({ signal }: Signal) => take(sdk.listDrift({ signal })) })

export const desired = () => queryOptions({ queryKey: ['desired'], queryFn: ({ signal }: Signal) => take(sdk.getDesired({ signal })) })

export const actions = () => queryOptions({ queryKey: ['actions'], queryFn: ({ signal }: Signal) => take(sdk.listActions({ signal })) })

const numbered = (id: string, occurrence: number | null) => ({ path: { id }, query: occurrence === null ? {} : { occurrence } })

export const action = (id: string, occurrence: number | null) =>
  queryOptions({
    queryKey: ['action', id, String(occurrence ?? '')],
    queryFn: ({ signal }: Signal) => take(sdk.getAction({ ...numbered(id, occurrence), signal })),
  })

export const why = (id: string, occurrence: number | null) =>
  queryOptions({
    queryKey: ['why', id, String(occurrence ?? '')],
    queryFn: ({ signal }: Signal) => take(sdk.getWhy({ ...numbered(id, occurrence), signal })),
  })

export const event = (seq: number) =>
  queryOptions({ queryKey: ['event', String(seq)], queryFn: ({ signal }: Signal) => take(sdk.getEvent({ path: { seq }, signal })) })

/** Asked of the present whatever is looked at: the answer takes its own instants, or knows only now. */
const OF_NOW = { 'stead-now': '1' }
/** A score changes with every reading, which no event tells. */
const SCORE_EVERY_MS = 30_000

export const score = () =>
  queryOptions({ queryKey: ['score'], queryFn: ({ signal }: Signal) => take(sdk.getScore({ headers: OF_NOW, signal })), refetchInterval: SCORE_EVERY_MS })

export const nodeScore = (name: string) =>
  queryOptions({
    queryKey: ['score', name],
    queryFn: ({ signal }: Signal) => take(sdk.getNodeScore({ path: { node: name }, headers: OF_NOW, signal })),
    refetchInterval: SCORE_EVERY_MS,
  })

/** What the charts of a node are drawn from, as PromQL names it. */
const DRAWN = {
  cpu: 'stead_node_cpu_percent{mode!="idle"',
  memory: '{__name__=~"stead_node_memory_used_bytes|stead_node_memory_total_bytes|stead_node_swap_used_bytes|stead_node_swap_cached_bytes"',
  disk: 'stead_node_filesystem_used_percent{',
  network: '{__name__=~"stead_node_network_receive_bytes_per_second|stead_node_network_transmit_bytes_per_second"',
}
const matching = (what: keyof typeof DRAWN, node: string) => `${DRAWN[what]}${DRAWN[what].endsWith('{') ? '' : ','}node="${node.replace(/["\\]/g, '\\$&')}"}`

/** The numbers of a node over `range` until `at`, or until now, or of a stretch alone. The last answer stays while another range is asked for. */
export const history = (name: string, range: Range, at: string | null, zoom: Stretch | null = null) =>
  queryOptions({
    queryKey: ['history', name, range.value, zoom ? zoomText(zoom) : (at ?? '')],
    queryFn: async ({ signal }: Signal) => {
      const ask = (what: keyof typeof DRAWN) => take(sdk.getHistory({ query: { match: matching(what, name), ...between(range, at, zoom) }, headers: OF_NOW, signal }))
      const [cpu, memory, disk, network] = await Promise.all([ask('cpu'), ask('memory'), ask('disk'), ask('network')])
      return { cpu, memory, disk, network }
    },
    placeholderData: (last, query) => (query?.queryKey[1] === name ? last : undefined),
    ...(at === null && zoom === null ? { refetchInterval: range.every } : {}),
  })

/** Where the disks of a node lead, and what happened on it meanwhile. */
export const diskTrends = (name: string, range: Range) =>
  queryOptions({
    queryKey: ['trends', 'disk', name, trendRange(range)],
    queryFn: ({ signal }: Signal) => take(sdk.getTrends({ path: { metric: 'disk' }, query: { node: name, range: trendRange(range) }, headers: OF_NOW, signal })),
    refetchInterval: Math.max(range.every, 60_000),
  })

/** How far back the log goes. */
export const pastSpan = () =>
  queryOptions({ queryKey: ['past'], queryFn: ({ signal }: Signal) => take(sdk.getPast({ signal })), staleTime: 60_000 })

/** What happened between two instants that is worth a mark; the present's answer, whatever is looked at. */
export const pastMarks = (from: number, to: number) =>
  queryOptions({
    queryKey: ['past', 'marks', String(from), String(to)],
    queryFn: async ({ signal }: Signal) => {
      const between = { since: new Date(from).toISOString(), until: new Date(to).toISOString() }
      return (await take(sdk.listEvents({ query: { ...between, kind: MARKED, limit: 1000 }, headers: OF_NOW, signal }))).events
    },
    placeholderData: keepPreviousData,
  })

/** Another instant is looked at: nothing that was asked about the one before may be shown for it. */
export function instantChanged(): void {
  const about = (key: unknown) => key !== 'session' && key !== 'past' && key !== 'version'
  queryClient.removeQueries({ type: 'inactive', predicate: (query) => about(query.queryKey[0]) })
  void queryClient.invalidateQueries({ predicate: (query) => about(query.queryKey[0]) })
}

/** A page of the log; the events page keeps its own list, so this is not cached by key. */
export const eventsPage = (query: Record<string, string | number>, signal?: AbortSignal) => take(sdk.listEvents({ query, signal: signal ?? null }))

/** Names the occurrence that was read, and the digest of the plan that was read. */
const decision = (action: sdk.Action, note: string) => ({
  ...numbered(action.id, action.occurrence),
  body: { digest: action.digest, note: note.trim() || null },
})

export const approve = (action: sdk.Action, note: string) => take(sdk.approveAction(decision(action, note)))

export const reject = (action: sdk.Action, note: string) => take(sdk.rejectAction(decision(action, note)))

export const cancel = (action: sdk.Action) => take(sdk.cancelAction(numbered(action.id, action.occurrence)))

export const start = (kind: string, subject: string, note: string) => take(sdk.startAction({ body: { kind, subject, note: note.trim() || null } }))

export const signIn = (secret: string) => take(sdk.signIn({ body: { secret } }), true)
export const signOut = () => take(sdk.signOut(), true)
