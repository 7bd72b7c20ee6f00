/**
 * The one connection over which everything stays live. It invalidates queries, hands out samples and events, and says
 * honestly whether it is connected. It never shows anything itself.
 */
import { createSseClient } from '../api/generated/core/serverSentEvents.gen'
import type { Event, Feed } from '../api/generated'
import { queryClient } from '../api/queries'
import { backoff, type Key, merge, type Position, read, scope, START } from './reducer'
import { take as takeSample } from './samples.svelte'

/** The server speaks every 15 s; after this much silence the connection is dead, whatever the socket says. */
const SILENCE_MS = 22_000
/** After this much silence the server is asked whether it is there: some proxies keep a dead stream open. */
const DOUBT_MS = 4000
/** A page that changes what it watches does so within this time. */
const SETTLE_MS = 400
/** Bursts of events become one round of requests. */
const GATHER_MS = 300

export type Link = 'connecting' | 'live' | 'lost'

class Connection {
  link = $state<Link>('connecting')
  /** When the next attempt is due; null while connected. */
  retryAt = $state<number | null>(null)
  head = $state<number | null>(null)

  #position: Position = START
  #lastId: string | null = null
  #stop: AbortController | null = null
  #attempt = 0
  #watch: ReturnType<typeof setTimeout> | undefined
  #doubt: ReturnType<typeof setTimeout> | undefined
  #wait: ReturnType<typeof setTimeout> | undefined
  #gather: ReturnType<typeof setTimeout> | undefined
  #settle: ReturnType<typeof setTimeout> | undefined
  #stale: Key[] = []
  #fleetSize = 0
  #scope = ''
  #watched = new Map<string, number>()
  #listeners = new Set<(event: Event) => void>()

  /** `fleetSize`: how many nodes there are; it decides whose samples are asked for. */
  start(fleetSize: number): void {
    if (this.#stop) return
    this.#fleetSize = fleetSize
    void this.#connect()
    addEventListener('online', this.#now)
    addEventListener('offline', this.#offline)
    document.addEventListener('visibilitychange', this.#visible)
  }

  stop(): void {
    removeEventListener('online', this.#now)
    removeEventListener('offline', this.#offline)
    document.removeEventListener('visibilitychange', this.#visible)
    clearTimeout(this.#watch)
    clearTimeout(this.#doubt)
    clearTimeout(this.#wait)
    const stop = this.#stop
    this.#stop = null
    stop?.abort()
  }

  /** Calls back with each logged event; returns what ends that. */
  onEvent(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A page shows this node's live numbers; returns what ends that. */
  watch(node: string): () => void {
    this.#watched.set(node, (this.#watched.get(node) ?? 0) + 1)
    this.#rescope()
    return () => {
      const left = (this.#watched.get(node) ?? 1) - 1
      if (left > 0) this.#watched.set(node, left)
      else this.#watched.delete(node)
      this.#rescope()
    }
  }

  /** Connects anew, quietly, where other samples are wanted than those that come. */
  #rescope(): void {
    clearTimeout(this.#settle)
    this.#settle = setTimeout(() => {
      if (!this.#stop || this.link !== 'live' || scope(this.#fleetSize, this.#watched.keys()) === this.#scope) return
      this.#stop.abort()
      void this.#connect()
    }, SETTLE_MS)
  }

  #now = () => {
    if (this.link === 'live') return
    clearTimeout(this.#wait)
    this.#attempt = 0
    this.#stop?.abort()
    void this.#connect()
  }

  #offline = () => this.#stop?.abort()

  #visible = () => {
    if (document.visibilityState === 'visible') this.#now()
  }

  async #connect(): Promise<void> {
    const stop = new AbortController()
    this.#stop = stop
    this.retryAt = null
    this.#scope = scope(this.#fleetSize, this.#watched.keys())
    const headers: Record<string, string> = { Accept: 'text/event-stream' }
    if (this.#lastId !== null) headers['Last-Event-ID'] = this.#lastId
    const { stream } = createSseClient<Feed>({
      url: `/api/v1/feed?samples=${encodeURIComponent(this.#scope)}`,
      method: 'GET',
      headers,
      credentials: 'same-origin',
      signal: stop.signal,
      sseMaxRetryAttempts: 1,
      onSseEvent: (message) => {
        this.#alive(stop)
        if (message.id) this.#lastId = message.id
      },
      onSseError: (error) => {
        // Signed out meanwhile: an ordinary request finds out and leads to the sign-in page.
        if (String(error).includes('401')) void queryClient.invalidateQueries({ queryKey: ['overview'] })
      },
    })
    this.#quiet(stop)
    for await (const message of stream) {
      if (this.#stop !== stop) return
      this.#take(message as unknown as Feed)
    }
    if (this.#stop === stop) this.#lost()
  }

  #alive(stop: AbortController): void {
    if (this.link !== 'live') {
      // What happened while we were away is resumed by the server where it can, and asked again in any case.
      if (this.link === 'lost') void queryClient.invalidateQueries()
      this.link = 'live'
      this.#attempt = 0
    }
    this.#quiet(stop)
  }

  #quiet(stop: AbortController): void {
    clearTimeout(this.#watch)
    clearTimeout(this.#doubt)
    this.#watch = setTimeout(() => stop.abort(), SILENCE_MS)
    this.#doubt = setTimeout(() => void this.#ask(stop), DOUBT_MS)
  }

  async #ask(stop: AbortController): Promise<void> {
    try {
      const answer = await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(DOUBT_MS) })
      if (answer.status >= 500) throw new Error(String(answer.status))
      if (this.#stop === stop) this.#doubt = setTimeout(() => void this.#ask(stop), DOUBT_MS)
    } catch {
      stop.abort()
    }
  }

  #lost(): void {
    clearTimeout(this.#watch)
    clearTimeout(this.#doubt)
    this.link = 'lost'
    const wait = backoff(this.#attempt, Math.random())
    this.#attempt += 1
    this.retryAt = Date.now() + wait
    this.#wait = setTimeout(() => void this.#connect(), wait)
  }

  #take(message: Feed): void {
    const meaning = read(this.#position, message)
    this.#position = meaning.position
    this.head = meaning.position.seen
    if (meaning.sample) takeSample(meaning.sample.node, meaning.sample.sample)
    if (meaning.event) for (const listener of this.#listeners) listener(meaning.event)
    if (meaning.everything) this.#stale.push([])
    this.#stale.push(...meaning.stale)
    if (this.#stale.length > 0) this.#gather ??= setTimeout(this.#flush, GATHER_MS)
  }

  #flush = () => {
    const keys = merge(this.#stale)
    this.#stale = []
    this.#gather = undefined
    for (const key of keys) {
      void queryClient.invalidateQueries(key.length === 0 ? { predicate: (query) => query.queryKey[0] !== 'session' } : { queryKey: key })
    }
  }
}

export const feed = new Connection()
