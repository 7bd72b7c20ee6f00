/** What was done, as the overview groups it. Pure. */
import type { Did, DidEntry } from '../../api/generated'

/** The time somebody can choose to look back over; the first is the one since the last visit. */
export const PERIODS = [
  { value: '', text: 'Since last visit' },
  { value: 'night', text: 'Last night' },
  { value: '24h', text: '24 h' },
  { value: '7d', text: '7 days' },
]

const WORDS: Record<string, { word: string; state: string }> = {
  repair: { word: 'Repaired', state: 'healthy' },
  chore: { word: 'Chore', state: 'healthy' },
  for_people: { word: 'As asked', state: 'completed' },
  failure: { word: 'Failed', state: 'failed' },
  resolved: { word: 'Resolved', state: 'cancelled' },
  declined: { word: 'Declined', state: 'rejected' },
  left_alone: { word: 'Left alone', state: 'held' },
}

/** The word and the state an entry is drawn by. */
export function shown(entry: Pick<DidEntry, 'kind'>): { word: string; state: string } {
  return WORDS[entry.kind] ?? { word: entry.kind, state: 'unknown' }
}

/** Where an entry leads: its action, else what it is about. */
export function leads(entry: DidEntry, subject: (text: string) => string | null): string | null {
  if (entry.action) return `/actions/${encodeURIComponent(entry.action)}?occurrence=${entry.occurrence ?? 1}`
  return subject(entry.subject)
}

/** The first letter large: the server writes parts of sentences. */
export const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

/** Which time the answer is about, in words. */
export function period(asked: string, did: Pick<Did, 'since' | 'until'>, visited: boolean): string {
  if (asked === 'night') return did.until ? 'Last night, 22:00 to 07:00' : 'Since last night, 22:00'
  if (asked === '7d') return 'In the last 7 days'
  if (asked === '24h' || !visited) return 'In the last 24 hours'
  return 'Since you last looked'
}
