// What a first visit loads before it can show anything: index.html's scripts and everything they import statically.
// Fails above the budget, so that it is kept rather than hoped for.
import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'

const BUDGET = 150 * 1024
const dist = new URL('../dist/', import.meta.url)

async function read(name) {
  try {
    return await readFile(new URL(name, dist))
  } catch {
    console.error(`ui/dist/${name} is missing: run \`npm run build\` first`)
    process.exit(1)
  }
}

const manifest = JSON.parse(await read('.vite/manifest.json'))
const html = String(await read('index.html'))
const wanted = new Set()

function take(key) {
  const chunk = manifest[key]
  if (!chunk || wanted.has(chunk.file)) return
  wanted.add(chunk.file)
  for (const next of chunk.imports ?? []) take(next)
}

for (const [key, chunk] of Object.entries(manifest)) if (chunk.isEntry) take(key)
for (const [, file] of html.matchAll(/(?:src|href)="\/([^"]+\.js)"/g)) wanted.add(file)

let gz = 0
let br = 0
for (const file of wanted) {
  gz += gzipSync(await read(file), { level: 9 }).length
  br += (await read(`${file}.br`)).length
}
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`
console.log(`initial JavaScript: ${kib(gz)} gzip, ${kib(br)} brotli in ${wanted.size} files (budget ${kib(BUDGET)} gzip)`)
if (wanted.size === 0 || gz > BUDGET) {
  console.error(wanted.size === 0 ? 'no entry found in the manifest' : `over the budget by ${kib(gz - BUDGET)}`)
  process.exit(1)
}
