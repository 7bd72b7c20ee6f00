import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import tailwindcss from '@tailwindcss/vite'
import { defineConfig, type Plugin } from 'vite'

const server = process.env.STEAD_URL ?? 'http://127.0.0.1:18180'

/** Leaves `.gz` and `.br` beside every text file, so that the server never compresses while it serves. */
function compressed(): Plugin {
  const brotli = promisify(brotliCompress)
  const gz = promisify(gzip)
  let folder = 'dist'
  return {
    name: 'stead-compressed',
    apply: 'build',
    configResolved: (config) => {
      folder = config.build.outDir
    },
    async closeBundle() {
      const files = await readdir(folder, { recursive: true })
      for (const name of files.filter((file) => /\.(js|css|html|svg|json|webmanifest)$/.test(file))) {
        const path = join(folder, name)
        const bytes = await readFile(path)
        await writeFile(`${path}.gz`, await gz(bytes, { level: 9 }))
        const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
        await writeFile(`${path}.br`, await brotli(bytes, { params }))
      }
    },
  }
}

export default defineConfig({
  plugins: [tailwindcss(), svelte(), compressed()],
  server: {
    port: 5173,
    proxy: { '/api': { target: server, ws: true }, '/summary': server, '/healthz': server },
  },
  build: {
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    manifest: true,
    // Inlined files would be data: URLs, which the content security policy refuses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
})
