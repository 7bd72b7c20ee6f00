/**
 * One clock for every relative time on the page: ticks once a second while the page is looked at. While the past is looked
 * at, "3 min ago" is before the instant that is shown.
 */
import { past } from '../past/past.svelte'

class Clock {
  #wall = $state(new Date())
  get now(): Date {
    const date = past.date
    return date && !Number.isNaN(date.getTime()) ? date : this.#wall
  }
  /** The present, whatever is looked at, in milliseconds since 1970. */
  get wall(): number {
    return this.#wall.getTime()
  }
  constructor() {
    setInterval(() => {
      if (document.visibilityState === 'visible') this.#wall = new Date()
    }, 1000)
    document.addEventListener('visibilitychange', () => (this.#wall = new Date()))
  }
}

export const clock = new Clock()
