/**
 * What a first visit will need, asked for before anything is drawn: the page's own code and the long list it shows do not
 * have to wait for each other, nor for who is signed in. Nothing here is waited for; who is not signed in gets nothing.
 */
import * as queries from './api/queries'
import { preload } from './router'

/** Lists that a page is nothing without. */
const LISTS: Record<string, () => Promise<unknown>> = {
  '/nodes': () => queries.queryClient.prefetchQuery(queries.nodes()),
  '/services': () => queries.queryClient.prefetchQuery(queries.services()),
  '/actions': () => queries.queryClient.prefetchQuery(queries.actions()),
}

export function begin(path: string): void {
  if (path === '/login') return
  void queries.queryClient.prefetchQuery(queries.session())
  void LISTS[path]?.()
  void (preload as (path: string) => Promise<void>)(path).catch(() => {})
}
