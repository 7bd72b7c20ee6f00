/** Keys and chords as a state machine. Pure: time is an argument, and it never touches the page. */

export type Command =
  | 'palette'
  | 'help'
  | 'next'
  | 'previous'
  | 'approve'
  | 'reject'
  | 'search'
  | 'overview'
  | 'nodes'
  | 'services'
  | 'containers'
  | 'models'
  | 'inventory'
  | 'actions'
  | 'events'
  | 'autonomy'
  | 'about'
  | 'tv'

export interface Press {
  key: string
  ctrl: boolean
  meta: boolean
  alt: boolean
  /** The reader is typing into a field. */
  typing: boolean
}

/** A begun chord and when it lapses. */
export interface Chord {
  first: string
  until: number
}

const PATIENCE_MS = 1200

const SINGLE: Record<string, Command> = {
  '?': 'help',
  '/': 'search',
  j: 'next',
  k: 'previous',
  a: 'approve',
  r: 'reject',
}

const GO: Record<string, Command> = {
  o: 'overview',
  n: 'nodes',
  s: 'services',
  c: 'containers',
  m: 'models',
  v: 'inventory',
  a: 'actions',
  e: 'events',
  u: 'autonomy',
  i: 'about',
  t: 'tv',
}

export function press(chord: Chord | null, event: Press, now: number): { chord: Chord | null; command: Command | null } {
  const none = { chord: null, command: null }
  if ((event.ctrl || event.meta) && event.key.toLowerCase() === 'k') return { chord: null, command: 'palette' }
  if (event.ctrl || event.meta || event.alt || event.typing) return none
  if (chord && now <= chord.until) return { chord: null, command: GO[event.key] ?? null }
  if (event.key === 'g') return { chord: { first: 'g', until: now + PATIENCE_MS }, command: null }
  return { chord: null, command: SINGLE[event.key] ?? null }
}

/** What `?` lists. */
export const KEYS: { title: string; keys: { keys: string[]; does: string }[] }[] = [
  {
    title: 'Go to',
    keys: [
      { keys: ['g', 'o'], does: 'Overview' },
      { keys: ['g', 'n'], does: 'Nodes' },
      { keys: ['g', 's'], does: 'Services' },
      { keys: ['g', 'c'], does: 'Containers' },
      { keys: ['g', 'a'], does: 'Actions' },
      { keys: ['g', 'e'], does: 'Events' },
      { keys: ['g', 'u'], does: 'Autonomy' },
      { keys: ['g', 'i'], does: 'About and settings' },
      { keys: ['g', 't'], does: 'TV: the wall, f for full screen, Esc to leave' },
    ],
  },
  {
    title: 'On a page',
    keys: [
      { keys: ['j'], does: 'Next row' },
      { keys: ['k'], does: 'Previous row' },
      { keys: ['Enter'], does: 'Open the row' },
      { keys: ['/'], does: 'Filter' },
    ],
  },
  {
    title: 'Actions',
    keys: [
      { keys: ['a'], does: 'Approve the chosen action' },
      { keys: ['r'], does: 'Reject the chosen action' },
    ],
  },
  {
    title: 'Everywhere',
    keys: [
      { keys: ['Ctrl', 'K'], does: 'Find anything' },
      { keys: ['?'], does: 'This list' },
      { keys: ['Esc'], does: 'Close' },
    ],
  },
]
