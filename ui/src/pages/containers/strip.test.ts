import { describe, expect, it } from 'vitest'
import { pieces, share } from './strip'

const at = (minute: number) => new Date(1_795_000_000_000 + minute * 60_000).toISOString()
const span = (from: number, to: number, state: string) => ({ from: at(from), to: at(to), state })

describe('a strip of health', () => {
  it('covers its time without gaps', () => {
    const found = pieces([span(0, 30, 'unknown'), span(30, 45, 'healthy'), span(45, 60, 'unhealthy')])
    expect(found.map((one) => [one.left, one.width, one.look])).toEqual([
      [0, 50, 'unknown'],
      [50, 25, 'well'],
      [75, 25, 'bad'],
    ])
    expect(pieces([])).toEqual([])
  })

  it('counts only what is known', () => {
    expect(share([span(0, 30, 'unknown'), span(30, 57, 'running'), span(57, 60, 'exited')])).toBe(90)
    expect(share([span(0, 30, 'unknown')])).toBeNull()
  })
})
