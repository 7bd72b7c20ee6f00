/** Debian's Chromium, driven as a visitor would: signs in by the one-time link, clicks what a person can see. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const SCREENSHOTS = fileURLToPath(new URL('../../target/screenshots/', import.meta.url));

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export class Visitor {
  /** @param {import('playwright-core').Browser} browser @param {import('playwright-core').Page} page */
  constructor(browser, page) {
    this.browser = browser;
    this.page = page;
    /** @type {string[]} */
    this.complaints = [];
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
  }

  /** @param {{ width?: number, height?: number, dark?: boolean }} [screen] */
  static async open({ width = 1280, height = 800, dark = false } = {}) {
    const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
    const browser = await chromium.launch({ executablePath, headless: true, args: ARGS });
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: dark ? 'dark' : 'light',
      reducedMotion: 'reduce',
    });
    return new Visitor(browser, await context.newPage());
  }

  /** @param {import('./stead.mjs').Stead} stead */
  async signIn(stead) {
    await this.page.goto(await stead.loginLink());
    await this.page.getByRole('navigation').first().waitFor();
  }

  /** Into target/screenshots, for people to look at. @param {string} name */
  look(name) {
    return this.page.screenshot({ path: `${SCREENSHOTS}${name}.png`, fullPage: false });
  }

  /** Serious findings of axe on the page as it stands. @returns {Promise<string[]>} */
  async barriers() {
    const script = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    await this.page.evaluate(script);
    const { violations } = await this.page.evaluate('axe.run()');
    return violations
      .filter((/** @type {any} */ found) => ['serious', 'critical'].includes(found.impact))
      .map((/** @type {any} */ found) => `${found.id}: ${found.nodes.map((/** @type {any} */ n) => n.target).join(', ')}`);
  }

  /** How many pixels the page is wider than the screen; 0 or less: it does not scroll sideways. @returns {Promise<number>} */
  sideways() {
    return this.page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
  }

  remove() {
    return this.browser.close();
  }
}
