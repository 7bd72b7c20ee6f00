/** State that lives in the URL's query: read it, change it, and the back button undoes it. */
import { searchParams } from 'sv-router'
import { navigate, route } from '../router'

/** The query, reactive. */
export function query(): URLSearchParams {
  return searchParams.toURLSearchParams()
}

/** An address on its way: what is chosen meanwhile is chosen on top of it. */
let underWay: URL | null = null

/**
 * Changes some parameters; null or an empty text removes one. `replace` for what is typed letter by letter, so that
 * going back leaves the page's filter as a whole.
 */
export function setQuery(change: Record<string, string | null>, options: { replace?: boolean } = {}): void {
  const next = underWay?.pathname === route.pathname ? new URLSearchParams(underWay.search) : query()
  for (const [key, value] of Object.entries(change)) {
    if (value === null || value === '') next.delete(key)
    else next.set(key, value)
  }
  const search = next.toString()
  void go(route.pathname + (search ? `?${search}` : ''), options)
}

/** To any address of this site, written as people see it. */
export function go(address: string, options: { replace?: boolean; top?: boolean } = {}): Promise<unknown> {
  const url = new URL(address, location.origin)
  underWay = url
  const there = (navigate as (path: string, options: object) => Promise<unknown>)(url.pathname, {
    replace: options.replace ?? false,
    search: url.search,
    hash: url.hash,
    scrollToTop: url.pathname === route.pathname ? false : 'instant',
  })
  return there.finally(() => {
    if (underWay === url) underWay = null
  })
}
