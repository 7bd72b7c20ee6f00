/** Whether what stands on the wall is of now. Pure: the clock is an argument. */
import { span } from '../../format/time'

/** The answer is asked for anew this often, whatever the feed says. */
export const ASK_MS = 60_000
/** An answer older than this is not of now: two were missed. */
export const OLD_MS = 150_000

export interface Freshness {
  /** Whoever looks must not take it for the present. */
  old: boolean
  text: string
}

/** `answered`: when the last answer came, 0 for never; both in milliseconds since 1970. */
export function freshness(link: 'connecting' | 'live' | 'lost', answered: number, now: number): Freshness {
  const age = Math.max(0, now - answered)
  if (answered === 0) return { old: link === 'lost', text: link === 'lost' ? 'No connection' : 'Connecting' }
  if (link === 'lost') return { old: true, text: `No connection. This is ${span(age / 1000)} old` }
  if (age > OLD_MS) return { old: true, text: `No answer for ${span(age / 1000)}` }
  return { old: false, text: link === 'live' ? 'Live' : 'Connecting' }
}
