// What the pages do, in a real browser against the mock: keys, palette, filters and history, the live tail, a lost
// connection, approving. Run by `npm run behave` after `npm run build`; the real server is tested in ../e2e.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { chromium } from 'playwright-core'

const PORT = 18_100 + (process.pid % 800)
const BASE = `http://127.0.0.1:${PORT}`
let mock
let browser

before(async () => {
  mock = spawn(process.execPath, [new URL('mock.mjs', import.meta.url).pathname], { env: { ...process.env, PORT: String(PORT) }, stdio: ['ignore', 'pipe', 'inherit'] })
  await once(mock.stdout, 'data')
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
})
after(async () => {
  await browser?.close()
  mock?.kill()
})

async function open(path, mood = 'trouble', viewport = { width: 1440, height: 900 }) {
  const context = await browser.newContext({ viewport, reducedMotion: 'reduce' })
  await context.addCookies([{ name: 'mood', value: mood, url: BASE }])
  const page = await context.newPage()
  page.setDefaultTimeout(8000)
  const complaints = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  await page.goto(BASE + path)
  await page.locator('h1').first().waitFor()
  return { page, complaints, close: () => context.close() }
}

test('keys lead from page to page, along rows and into them', async () => {
  const { page, complaints, close } = await open('/')
  await page.getByText('Since you last looked').or(page.getByText('In the last 24 hours')).waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('s')
  await page.waitForURL('**/services')
  await page.getByRole('link', { name: 'zigbee2mqtt' }).waitFor()
  await page.keyboard.press('j')
  await page.keyboard.press('j')
  await page.keyboard.press('k')
  assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ''), /zigbee2mqtt/)
  await page.keyboard.press('Enter')
  await page.waitForURL('**/services/piha/zigbee2mqtt')
  assert.match(await page.title(), /zigbee2mqtt on piha · Stead/)
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor()
  await page.keyboard.press('Escape')
  assert.deepEqual(complaints, [])
  await close()
})

test('the palette takes what is typed before it is there', async () => {
  const { page, complaints, close } = await open('/')
  await page.keyboard.press('Control+k')
  await page.keyboard.type('umami')
  await page.getByRole('option').first().waitFor()
  assert.equal(await page.getByLabel('Find anything').first().inputValue().catch(() => page.getByRole('combobox').inputValue()), 'umami')
  await page.getByRole('option', { name: /umami/ }).first().waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL('**/services/vps-fra/umami')
  assert.deepEqual(complaints, [])
  await close()
})

test('filters stand in the address, and back undoes them', async () => {
  const { page, close } = await open('/events')
  await page.getByText('game-1 has stopped reporting').waitFor()
  await page.getByLabel('Severity').selectOption('critical')
  await page.waitForURL('**/events?severity=critical')
  await page.getByText('umami is missing').waitFor({ state: 'detached' })
  await page.getByLabel('Node').selectOption('game-1')
  await page.waitForURL('**node=game-1**')
  await page.goBack()
  await page.waitForURL((url) => url.search === '?severity=critical')
  await page.reload()
  await page.getByText('game-1 has stopped reporting').waitFor()
  assert.equal(await page.getByLabel('Severity').inputValue(), 'critical')
  await close()
})

test('a lost connection is said within a second, and the page catches up', async () => {
  const { page, close } = await open('/')
  await page.getByRole('banner').getByText('Live').waitFor()
  const began = Date.now()
  await fetch(`${BASE}/mock/drop`)
  await page.getByText('Reconnecting').waitFor()
  assert(Date.now() - began < 1000, `took ${Date.now() - began} ms`)
  await page.getByRole('banner').getByText('Live').waitFor()
  await close()
})

test('low risk is approved at once, and the page follows until it is completed', async () => {
  const { page, complaints, close } = await open('/actions/container-restart-piha-zigbee2mqtt')
  await page.getByRole('button', { name: 'Approve' }).waitFor()
  await page.getByPlaceholder(/Note/).fill('go on')
  await page.getByPlaceholder(/Note/).blur()
  await page.keyboard.press('a')
  await page.getByText('Approved: Restart container zigbee2mqtt').waitFor()
  await page.locator('[data-state=running]').first().waitFor()
  await page.locator('[data-state=completed]').first().waitFor({ timeout: 15_000 })
  assert.equal(await page.getByRole('button', { name: 'Approve' }).count(), 0)
  await page.getByText('go on').waitFor()
  assert.deepEqual(complaints, [])
  await close()
})

test('in a list the first press of a key only chooses', async () => {
  const { page, close } = await open('/actions')
  await page.getByRole('button', { name: 'Reject' }).first().waitFor()
  await page.keyboard.press('r')
  assert.equal(await page.getByRole('dialog').count(), 0)
  assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ''), /Clean up disk/)
  await page.keyboard.press('r')
  await page.getByRole('dialog', { name: /Reject: Clean up disk/ }).waitFor()
  await close()
})

test('guarded work shows its plan before it is approved, on a telephone too', async () => {
  const { page, close } = await open('/actions', 'trouble', { width: 360, height: 740 })
  const row = page.locator('li', { hasText: 'Clean up disk of vps-fra' })
  await row.getByRole('button', { name: 'Approve' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('Remove the build cache and dangling images').waitFor()
  await dialog.getByText(/starts without a cache/).waitFor()
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  await dialog.waitFor({ state: 'detached' })
  await row.getByRole('button', { name: 'Reject' }).click()
  await page.getByRole('dialog').getByLabel(/Note/).fill('later')
  await page.getByRole('dialog').getByRole('button', { name: 'Reject' }).click()
  await page.getByText('Rejected: Clean up disk of vps-fra').waitFor()
  await close()
})

test('a long table draws only what is seen, sorts and filters', async () => {
  const { page, close } = await open('/services', 'many')
  await page.getByRole('link', { name: 'service-1', exact: true }).first().waitFor()
  assert((await page.locator('tbody tr[data-row]').count()) < 80)
  await page.getByRole('button', { name: 'Service', exact: true }).click()
  await page.waitForURL('**/services?sort=name')
  await page.getByRole('main').getByPlaceholder('Filter').fill('node-7 service-20')
  await page.getByText('1 of 1,200 rows').waitFor()
  await page.getByRole('main').getByPlaceholder('Filter').fill('')
  await page.locator('[role=region][aria-label=Rows]').evaluate((frame) => frame.scrollTo({ top: frame.scrollHeight }))
  await page.getByRole('link', { name: 'service-20', exact: true }).first().waitFor()
  // Far down, a filter that leaves few rows still shows them.
  await page.getByRole('main').getByPlaceholder('Filter').fill('node-7 service-20')
  await page.getByText('1 of 1,200 rows').waitFor()
  await page.getByRole('link', { name: 'service-20', exact: true }).waitFor()
  await close()
})

test('columns are chosen by keyboard, remembered, and the box closes without a trace', async () => {
  const { page, complaints, close } = await open('/services')
  const button = page.getByRole('button', { name: 'Choose columns' })
  await button.focus()
  await page.keyboard.press('Enter')
  const box = page.getByRole('dialog', { name: 'Choose columns' })
  await box.getByRole('checkbox', { name: 'State' }).press('Space')
  await page.getByRole('columnheader', { name: 'State' }).waitFor({ state: 'detached' })
  await page.keyboard.press('Escape')
  await box.waitFor({ state: 'detached' })
  assert.equal(await button.evaluate((one) => one === document.activeElement), true)
  await page.reload()
  await page.getByRole('columnheader', { name: 'Service' }).waitFor()
  assert.equal(await page.getByRole('columnheader', { name: 'State' }).count(), 0)
  await button.click()
  await page.locator('h1').click()
  await box.waitFor({ state: 'detached' })
  assert.deepEqual(complaints, [])
  await close()
})

test('a lost point opens what was measured and leads to its chart, by keyboard alone', async () => {
  const { page, complaints, close } = await open('/nodes/vps-fra?range=7d')
  const disk = page.getByRole('button', { name: /^Disk 0 of 15 points/ })
  await disk.focus()
  await page.keyboard.press('Enter')
  await page.waitForURL('**range=7d&score=disk')
  await page.getByText('Start the disk cleanup').waitFor()
  await page.getByRole('link', { name: 'Where to look' }).focus()
  await page.keyboard.press('Enter')
  await page.waitForURL('**range=7d&score=disk#disk')
  await page.waitForFunction(() => document.activeElement?.id === 'disk')
  await page.locator('figure#disk').getByText('Disk used').waitFor()
  assert.deepEqual(complaints, [])
  await close()
})

test('a fix from elsewhere finds its part though the page grows meanwhile', async () => {
  const { page, close } = await open('/nodes/vps-fra#memory')
  await page.locator('figure#memory').waitFor()
  await page.waitForFunction(() => {
    const box = document.querySelector('figure#memory')?.getBoundingClientRect()
    return box && box.top > 0 && box.top < 300
  })
  await page.goto(`${BASE}/nodes/vps-fra#maintenance`)
  await page.locator('#maintenance').waitFor()
  await close()
})

test('the range stands in the address, and what happened is told on the chart and in a list', async () => {
  const { page, complaints, close } = await open('/nodes/vps-fra')
  await page.locator('figure#cpu').waitFor()
  await page.getByText(/reaches 80.% in 2 to 4.days/).waitFor()
  await page.getByRole('button', { name: '30 d' }).click()
  await page.waitForURL('**/nodes/vps-fra?range=30d')
  await page.getByText('A point is 2 h').waitFor()
  await page.locator('figure#cpu [data-mark]').first().hover()
  await page.locator('[data-mark-words]').getByText('away for 38 s').waitFor()
  await page.getByText('What happened meanwhile').click()
  await page.getByRole('link', { name: 'vps-fra rebooted cleanly, away for 38 s' }).waitFor()
  await page.goBack()
  await page.getByText('A point is 5 min').waitFor()
  assert.deepEqual(complaints, [])
  await close()
})

test('a history that cannot be read says what to do, and the rest of the page stays', async () => {
  const { page, close } = await open('/nodes')
  const problem = { type: '/errors/no-history', title: 'The history is not open', status: 503, code: 'no-history', detail: 'the history is not open', remedy: 'try again in a moment; if it stays, the overview shows why' }
  await page.route('**/api/v1/history?**', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify(problem) }))
  await page.goto(`${BASE}/nodes/vps-fra#cpu`)
  const history = page.locator('#history')
  await history.getByRole('alert').getByText('if it stays, the overview shows why').waitFor()
  await page.waitForFunction(() => document.activeElement?.id === 'history')
  await page.locator('[data-score]').waitFor()
  await page.unroute('**/api/v1/history?**')
  await history.getByRole('button', { name: 'Try again' }).click()
  await page.locator('figure#cpu').waitFor()
  await close()
})

test('the history of the past ends at the instant that is looked at', async () => {
  const { page, close } = await open('/nodes')
  const asked = page.waitForRequest((request) => request.url().includes('/api/v1/history?'))
  await page.goto(`${BASE}/nodes/vps-fra?range=1h&at=2026-11-21T08:30:00Z`)
  const query = new URL((await asked).url()).searchParams
  assert.equal(query.get('from'), '2026-11-21T07:30:00.000Z')
  assert.equal(query.get('to'), '2026-11-21T08:30:00.000Z')
  assert.equal(query.has('at'), false)
  await page.locator('#history').waitFor()
  assert.equal(await page.locator('[data-score]').count(), 0)
  await close()
})

test('the fleet’s score leads to the lowest of its nodes', async () => {
  const { page, close } = await open('/')
  await page.getByRole('link', { name: /^vps-fra \d+$/ }).click()
  await page.waitForURL('**/nodes/vps-fra?score=*')
  await page.getByRole('button', { expanded: true }).waitFor()
  await close()
})

test('nothing measured is not zero: no score, no lines, and what comes next', async () => {
  const { page, close } = await open('/nodes/piha', 'young')
  await page.getByText('No score now').waitFor()
  await page.getByText('Nothing is recorded yet').waitFor()
  assert.equal(await page.locator('figure#cpu').count(), 0)
  await close()
})

test('who is not signed in signs in and comes to where they wanted', async () => {
  const { page, close } = await open('/events?severity=critical', 'signedout')
  await page.waitForURL('**/login?next=**')
  await page.getByLabel('Access token').fill('wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('was used already').waitFor()
  await page.getByLabel('Access token').fill('right')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL('**/events?severity=critical')
  await page.getByRole('navigation').first().waitFor()
  await close()
})

test('the printed link signs in, leaves no secret in the address, and never leads off the site', async () => {
  const { page, close } = await open('/login?next=//evil.example/#right', 'signedout')
  await page.getByRole('navigation').first().waitFor()
  assert.equal(new URL(page.url()).origin, BASE)
  assert.equal(page.url().includes('right'), false)
  await close()
})
