// Looks at every page: light and dark, telephone and desk. Needs `npm run build` and `npm run mock` in another window.
//   node dev/shots.mjs OUT [page…] [--axe]
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const BASE = process.env.BASE ?? 'http://127.0.0.1:18180'
const args = process.argv.slice(2)
const axe = args.includes('--axe')
const [out = 'shots', ...only] = args.filter((one) => !one.startsWith('--'))
const axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

/** Name, address, mood, and what to do before looking. */
const PAGES = [
  ['overview', '/', 'trouble'],
  ['overview-well', '/', 'well'],
  ['overview-empty', '/', 'empty'],
  ['overview-error', '/', 'error'],
  ['overview-loading', '/', 'loading'],
  ['overview-tv', '/?tv=1', 'trouble'],
  ['tv', '/tv', 'trouble'],
  ['tv-well', '/tv', 'well'],
  ['tv-empty', '/tv', 'empty'],
  ['nodes', '/nodes', 'trouble'],
  ['node', '/nodes/vps-fra', 'trouble'],
  ['node-score', '/nodes/vps-fra?score=disk&range=30d', 'trouble'],
  ['node-year', '/nodes/chelsty-infra?range=1y', 'well'],
  ['node-partial', '/nodes/piha?range=7d&score=llm', 'trouble'],
  ['node-young', '/nodes/piha', 'young'],
  ['node-mark', '/nodes/vps-fra', 'trouble', async (page) => { await page.locator('[data-mark]').first().scrollIntoViewIfNeeded(); await page.locator('[data-mark]').first().hover() }],
  ['node-stale', '/nodes/game-1', 'trouble'],
  ['node-containers', '/nodes/piha?tab=containers', 'trouble'],
  ['node-units', '/nodes/vps-fra?tab=units', 'trouble'],
  ['containers', '/containers', 'trouble'],
  ['containers-empty', '/containers', 'empty'],
  ['models', '/models', 'trouble'],
  ['models-empty', '/models', 'empty'],
  ['inventory', '/inventory', 'trouble'],
  ['inventory-images', '/inventory?tab=images', 'trouble'],
  ['services', '/services', 'trouble'],
  ['services-many', '/services', 'many'],
  ['service', '/services/piha/zigbee2mqtt', 'trouble'],
  ['service-well', '/services/vps-fra/nginx', 'well'],
  ['service-missing', '/services/vps-fra/umami', 'trouble'],
  ['actions', '/actions', 'trouble'],
  ['actions-empty', '/actions', 'empty'],
  ['action', '/actions/container-restart-piha-zigbee2mqtt?occurrence=3', 'trouble'],
  ['action-running', '/actions/redeploy-vps-fra-web-shop', 'trouble'],
  ['action-dialog', '/actions', 'trouble', (page) => page.locator('li', { hasText: 'Clean up disk' }).getByRole('button', { name: 'Approve' }).click()],
  ['overview-brake', '/', 'brake'],
  ['autonomy', '/autonomy', 'trouble'],
  ['autonomy-empty', '/autonomy', 'empty'],
  ['autonomy-locks', '/autonomy?tab=locks', 'trouble'],
  ['autonomy-locks-none', '/autonomy?tab=locks', 'well'],
  ['autonomy-messages', '/autonomy?tab=messages', 'trouble'],
  ['autonomy-messages-none', '/autonomy?tab=messages', 'well'],
  ['autonomy-rollouts', '/autonomy?tab=rollouts', 'trouble'],
  ['autonomy-drills', '/autonomy?tab=drills', 'trouble'],
  ['autonomy-drills-none', '/autonomy?tab=drills', 'well'],
  ['rollout', '/rollouts/roll-2', 'trouble'],
  ['lock', '/services/piha/mosquitto', 'trouble', (page) => page.getByRole('button', { name: 'Lock', exact: true }).click()],
  ['service-held', '/services/chelsty-infra/gitea', 'trouble'],
  ['events', '/events', 'trouble'],
  ['events-none', '/events?q=nothing+like+this', 'trouble'],
  ['event', '/events/48118', 'trouble'],
  ['about', '/about', 'trouble'],
  ['past-open', '/', 'trouble', (page) => page.getByRole('button', { name: 'Look at the past' }).click()],
  ['past', `/?at=${new Date(Date.now() - 7_200_000).toISOString()}`, 'trouble'],
  ['past-actions', `/actions?at=${new Date(Date.now() - 3 * 86_400_000).toISOString()}`, 'trouble'],
  ['past-wrong', '/?at=soon', 'well'],
  ['palette', '/', 'trouble', (page) => page.keyboard.press('Control+k')],
  ['keys', '/', 'trouble', (page) => page.keyboard.press('?')],
  ['notfound', '/nowhere', 'well'],
  ['signin', '/login', 'well'],
  ['signin-refused', '/login#wrong', 'well'],
]
const VIEWS = [
  ['desk-light', { width: 1440, height: 900 }, 'light'],
  ['desk-dark', { width: 1440, height: 900 }, 'dark'],
  ['phone-light', { width: 390, height: 844 }, 'light'],
  ['phone-dark', { width: 390, height: 844 }, 'dark'],
  ['small', { width: 360, height: 740 }, 'light'],
  ['tablet', { width: 834, height: 1112 }, 'light'],
  ['wall', { width: 3840, height: 2160 }, 'dark'],
]

await mkdir(out, { recursive: true })
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
let bad = 0
for (const [view, viewport, colorScheme] of VIEWS.filter(([name]) => !process.env.VIEW || name.includes(process.env.VIEW))) {
  for (const [name, path, mood, act] of PAGES.filter(([one]) => only.length === 0 || only.some((wanted) => (wanted.endsWith('*') ? one.startsWith(wanted.slice(0, -1)) : one === wanted)))) {
    const context = await browser.newContext({ viewport, colorScheme, reducedMotion: 'reduce', bypassCSP: axe })
    await context.addCookies([{ name: 'mood', value: mood, url: BASE }])
    const page = await context.newPage()
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && !/status of (401|404|409|503)/.test(message.text()) && console.log(`${name} ${view}: ${message.text()}`))
    page.on('pageerror', (error) => console.log(`${name} ${view}: ${error.message}`))
    await page.goto(BASE + path, { waitUntil: 'load' })
    await page.waitForTimeout(Number(process.env.WAIT ?? (name.startsWith('node') || name.startsWith('overview') ? 1800 : 900)))
    if (act) {
      await act(page)
      await page.waitForTimeout(500)
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    if (wide > 0) console.log(`${name} ${view}: scrolls sideways by ${wide}px`)
    await page.screenshot({ path: `${out}/${name}.${view}.png`, fullPage: !act && !name.endsWith('tv') && process.env.FULL !== '0' })
    if (axe) {
      await page.addScriptTag({ path: axePath })
      const found = await page.evaluate(async () => (await globalThis.axe.run(document, { resultTypes: ['violations'] })).violations.map((v) => ({ id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 160)} ${n.any[0]?.message ?? ''}`), count: v.nodes.length })))
      for (const v of found.filter((one) => !process.env.SERIOUS || ['serious', 'critical'].includes(one.impact))) {
        if (['serious', 'critical'].includes(v.impact)) bad += 1
        console.log(`axe ${v.impact} ${name} ${view}: ${v.id} (${v.count}) ${v.help}\n   ${v.nodes.join('\n   ')}`)
      }
    }
    await context.close()
  }
}
await browser.close()
if (axe) console.log(bad === 0 ? 'axe: no serious findings' : `axe: ${bad} serious findings`)
process.exit(bad === 0 ? 0 : 1)
