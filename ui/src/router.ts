/** Every address of the UI. */
import { createRouter } from 'sv-router'
import Overview from './pages/Overview.svelte'

export const { navigate, route, isActive, preload } = createRouter({
  '/': Overview,
  '/nodes': () => import('./pages/Nodes.svelte'),
  '/nodes/:node': () => import('./pages/Node.svelte'),
  '/services': () => import('./pages/Services.svelte'),
  '/services/:node/:service': () => import('./pages/Service.svelte'),
  '/containers': () => import('./pages/Containers.svelte'),
  '/containers/:node/:container': () => import('./pages/Container.svelte'),
  '/models': () => import('./pages/Models.svelte'),
  '/inventory': () => import('./pages/Inventory.svelte'),
  '/actions': () => import('./pages/Actions.svelte'),
  '/actions/:id': () => import('./pages/Action.svelte'),
  '/events': () => import('./pages/Events.svelte'),
  '/events/:seq': () => import('./pages/Event.svelte'),
  '/autonomy': () => import('./pages/Autonomy.svelte'),
  '/rollouts/:id': () => import('./pages/Rollout.svelte'),
  '/tv': () => import('./pages/Tv.svelte'),
  '/about': () => import('./pages/About.svelte'),
  '/login': () => import('./pages/SignIn.svelte'),
  '*notfound': () => import('./pages/NotFound.svelte'),
})

export interface Place {
  path: '/' | '/nodes' | '/services' | '/containers' | '/models' | '/inventory' | '/actions' | '/events' | '/autonomy' | '/about'
  title: string
  icon: 'overview' | 'node' | 'service' | 'container' | 'model' | 'inventory' | 'action' | 'event' | 'autonomy' | 'about'
  key: string
}

/** The rail, the bottom bar and the palette show these. */
export const PLACES: Place[] = [
  { path: '/', title: 'Overview', icon: 'overview', key: 'o' },
  { path: '/nodes', title: 'Nodes', icon: 'node', key: 'n' },
  { path: '/services', title: 'Services', icon: 'service', key: 's' },
  { path: '/containers', title: 'Containers', icon: 'container', key: 'c' },
  { path: '/models', title: 'Models', icon: 'model', key: 'm' },
  { path: '/inventory', title: 'Inventory', icon: 'inventory', key: 'v' },
  { path: '/actions', title: 'Actions', icon: 'action', key: 'a' },
  { path: '/events', title: 'Events', icon: 'event', key: 'e' },
  { path: '/autonomy', title: 'Autonomy', icon: 'autonomy', key: 'u' },
  { path: '/about', title: 'About', icon: 'about', key: 'i' },
]

export function isAt(place: Place): boolean {
  return place.path === '/' ? route.pathname === '/' : route.pathname === place.path || route.pathname.startsWith(`${place.path}/`)
}
