import { expect, it } from 'vitest'
import { csv } from './csv'

it('quotes what must be quoted and nothing else', () => {
  expect(csv(['a', 'b'], [['x', 1], ['say "hi", twice', null], ['two\nlines', undefined]])).toBe(
    'a,b\r\nx,1\r\n"say ""hi"", twice",\r\n"two\nlines",\r\n',
  )
})

it('never hands a spreadsheet a formula', () => {
  expect(csv(['a'], [['=HYPERLINK("http://x")'], ['-1+2'], ['@cmd']])).toBe(
    'a\r\n"\'=HYPERLINK(""http://x"")"\r\n\'-1+2\r\n\'@cmd\r\n',
  )
  expect(csv(['n'], [[-5]])).toBe('n\r\n-5\r\n')
})
