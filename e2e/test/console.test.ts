/** Watching a run from outside: the page at /console in a real browser, and curl, where they are installed. */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { chromium, type Browser, type Page } from 'playwright-core'
import type { World } from '../operations.ts'
import { openWorld } from './world.ts'

const browserPath = [
  process.env['CHROME_PATH'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
].find((path) => existsSync(path))

function inTheBrowser(this: Mocha.Suite) {
  this.timeout(60_000)
  let browser: Browser
  let world: World
  let key: string
  before(async () => {
    browser = await chromium.launch({
      executablePath: String(browserPath),
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    })
    world = await openWorld()
    key = await world.onboard('acme_corp')
  })
  after(async () => {
    // Either is missing when it could not be opened.
    await (browser as Browser | undefined)?.close()
    await (world as World | undefined)?.end()
  })

  const inPage = async (act: (page: Page) => Promise<void>): Promise<void> => {
    const context = await browser.newContext()
    const page = await context.newPage()
    const faults: string[] = []
    page.on('pageerror', (error) => {
      faults.push(error.message)
    })
    page.on('console', (message) => {
      if (message.type() === 'error' && /Content Security Policy/.test(message.text())) faults.push(message.text())
    })
    try {
      await page.goto(`${world.url}/console`)
      await act(page)
      expect(faults).to.deep.equal([])
    } finally {
      await context.close()
    }
  }
  const enter = async (page: Page, text = key) => {
    await page.fill('#key', text)
    await page.click('text=Show runs')
  }
  const texts = (page: Page, selector: string) => page.locator(selector).allInnerTexts()

  it('runs a pipeline and shows its steps and events as they happen, to the end', () =>
    inPage(async (page) => {
      await enter(page)
      await page.selectOption('#pipeline', 'custom/bench/three_steps')
      await page.click('#run-form button')
      await page.locator('#run-status.COMPLETED').waitFor()
      expect(await page.locator('#steps tr').count()).to.equal(3)
      expect((await texts(page, '#events b')).map((text) => text.split(' ')[0])).to.deep.equal([
        'run-requested',
        'run-admitted',
        'step-completed',
        'step-completed',
        'step-completed',
        'run-completed',
      ])
      await page.locator('#runs tr[aria-selected=true] .COMPLETED').waitFor()
      expect(await page.locator('#cancel').isVisible()).to.equal(false)
      expect(new URL(page.url()).hash).to.match(/^#r_[a-z2-7]{26}$/)
    }))
  it('shows in the list what the stream said of a run, also when the list is older', () =>
    inPage(async (page) => {
      let asked = 0
      await page.route('**/api/v1/pipelines/runs?*', async (route) => {
        asked += 1
        const response = await route.fetch()
        await route.fulfill({ response, body: (await response.text()).replaceAll('"COMPLETED"', '"RUNNING"') })
      })
      await enter(page)
      await page.selectOption('#pipeline', 'custom/bench/three_steps')
      await page.click('#run-form button')
      await page.locator('#run-status.COMPLETED').waitFor()
      await page.locator('#runs tr[aria-selected=true] .COMPLETED').waitFor()
      const before = asked
      await page.click('#refresh')
      while (asked === before)
        await new Promise((resolve) => {
          setTimeout(resolve, 10)
        })
      await page.waitForLoadState('networkidle')
      expect(await texts(page, '#runs tr[aria-selected=true] .status')).to.deep.equal(['COMPLETED'])
    }))
  it('goes on where it was when the stream breaks, without losing or repeating an event', () =>
    inPage(async (page) => {
      const id = await world.start(key, 'acme_corp', 'custom/bench/three_steps')
      await world.ended(key, id)
      const asked: (string | undefined)[] = []
      await page.route('**/events', async (route) => {
        const last = route.request().headers()['last-event-id']
        asked.push(last)
        const response = await route.fetch()
        const whole = await response.text()
        // Cut off after two events and a half; then after one more.
        const ends = [...whole.matchAll(/\n\n/g)].map(({ index }) => index + 2)
        const cut = asked.length === 1 ? Number(ends[1]) + 20 : asked.length === 2 ? Number(ends[0]) : whole.length
        await route.fulfill({ response, body: whole.slice(0, cut) })
      })
      await enter(page)
      await page.locator(`#runs tr[data-run="${id}"]`).click()
      await page.locator('#run-status.COMPLETED').waitFor()
      await page.getByText('run-completed').waitFor()
      expect(await page.locator('#steps tr').count()).to.equal(3)
      expect(await page.locator('#events li').count()).to.equal(6)
      expect(asked.map((last) => last?.split('-')[0])).to.deep.equal([undefined, '2', '3'])
    }))
  it('says what is wrong with a key and with a parameter, and shows no run', () =>
    inPage(async (page) => {
      await enter(page, 'acme_corp_api_000000000000000000000000000000000000000000')
      await page.getByText('401 UNAUTHENTICATED').waitFor()
      expect(await page.locator('#list').isVisible()).to.equal(false)
      await enter(page)
      await page.selectOption('#pipeline', 'gcp/cost/billing')
      await page.locator('#parameters input').first().fill('yesterday <img src=x onerror=alert(1)>')
      await page.click('#run-form button')
      await page.getByText('400 ').waitFor()
      expect(await page.locator('#problem img').count()).to.equal(0)
      expect(await page.locator('#run').isVisible()).to.equal(false)
    }))
  it('keeps the key for the tab and forgets it when asked to', () =>
    inPage(async (page) => {
      await enter(page)
      await page.locator('#list').waitFor()
      await page.reload()
      await page.locator('#list').waitFor()
      await page.click('#forget')
      await page.locator('#list').waitFor({ state: 'hidden' })
      expect(await page.inputValue('#key')).to.equal('')
      expect(await page.evaluate('JSON.stringify({ ...sessionStorage })')).to.equal('{}')
    }))
}
if (browserPath === undefined) console.log('SKIPPED the page at /console: no Chromium or Chrome; CHROME_PATH names one')
else describe('the page at /console', inTheBrowser)

function inCurl() {
  it('streams every event of a run and ends when it ends', async () => {
    const world = await openWorld()
    try {
      const key = await world.onboard('acme_corp')
      const id = await world.start(key, 'acme_corp', 'custom/bench/forty_steps')
      const { stdout } = await promisify(execFile)('curl', [
        '-sSN',
        `${world.url}/api/v1/pipelines/runs/${id}/events`,
        '-H',
        `X-API-Key: ${key}`,
      ])
      const events = [...stdout.matchAll(/^event: (.*)$/gm)].map((match) => match[1])
      expect(events).to.deep.equal([
        'run-requested',
        'run-admitted',
        ...Array.from({ length: 40 }, () => 'step-completed'),
        'run-completed',
      ])
    } finally {
      await world.end()
    }
  })
}
if (spawnSync('curl', ['--version']).status !== 0)
  console.log('SKIPPED the event stream with curl: it is not installed')
else describe('curl', inCurl)
