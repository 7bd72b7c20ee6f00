/** What this browser remembers: theme, hidden columns, when its reader last looked. Storage may be off; then it forgets. */

import { MediaQuery } from 'svelte/reactivity'

export type Theme = 'system' | 'light' | 'dark'

function load(key: string): string | null {
  try {
    return localStorage.getItem(`stead.${key}`)
  } catch {
    return null
  }
}

function store(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`stead.${key}`)
    else localStorage.setItem(`stead.${key}`, value)
  } catch {
    // Private windows and locked-down browsers: the choice holds until the page is closed.
  }
}

const system = new MediaQuery('(prefers-color-scheme: dark)', false)

class Settings {
  #theme = $state<Theme>(((t) => (t === 'light' || t === 'dark' ? t : 'system'))(load('theme')))

  get theme(): Theme {
    return this.#theme
  }
  set theme(theme: Theme) {
    this.#theme = theme
    store('theme', theme === 'system' ? null : theme)
    if (theme === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = theme
  }

  /** Light, dark or what the system says: what is to be seen now. */
  get dark(): boolean {
    return this.#theme === 'dark' || (this.#theme === 'system' && system.current)
  }
}

export const settings = new Settings()

export function hiddenColumns(table: string): string[] {
  return (load(`columns.${table}`) ?? '').split(',').filter(Boolean)
}

export function hideColumns(table: string, columns: string[]): void {
  store(`columns.${table}`, columns.length > 0 ? columns.join(',') : null)
}

/** A visit ends when the page has not been looked at for this long. */
const AWAY_MS = 10 * 60_000

/** When the visit before this one ended; fixed while this visit lasts, so that the page does not empty itself. */
export const lastLook: string | null = (() => {
  const seen = load('seen')
  const began = load('visit')
  if (seen && Date.now() - Date.parse(seen) < AWAY_MS) return began
  store('visit', seen)
  return seen
})()

function looking(): void {
  if (document.visibilityState === 'visible') store('seen', new Date().toISOString())
}

looking()
setInterval(looking, 30_000)
document.addEventListener('visibilitychange', () => store('seen', new Date().toISOString()))
