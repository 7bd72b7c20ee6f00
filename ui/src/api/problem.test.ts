import { expect, it } from 'vitest'
import { asProblem, problemOf } from './problem'

it('keeps the server’s words', () => {
  const body = { type: '/errors/plan-changed', title: 'The plan changed', status: 409, code: 'plan-changed', detail: 'It has 2 steps now.', remedy: 'Read it again.' }
  expect(asProblem(problemOf(409, body))).toEqual(body)
})

it('a proxy’s page is not shown as if Stead had said it', () => {
  const problem = problemOf(502, `<html>${'x'.repeat(500)}</html>`).problem
  expect(problem.code).toBe('http-502')
  expect(problem.detail).not.toContain('<html>')
  expect(problem.remedy).not.toBe('')
})

it('silence is explained with what to do', () => {
  const problem = asProblem(new TypeError('Failed to fetch'))
  expect(problem.code).toBe('server-unreachable')
  expect(problem.remedy).toContain('systemctl')
})
