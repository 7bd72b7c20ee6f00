/** What went wrong, in the server's own words where it had any. */
import type { Problem } from './generated'

export class ProblemError extends Error {
  readonly problem: Problem
  constructor(problem: Problem) {
    super(problem.detail || problem.title)
    this.name = 'ProblemError'
    this.problem = problem
  }
}

/** No answer at all: ours to explain, since the server cannot. */
export function unreachable(cause: unknown): ProblemError {
  return new ProblemError({
    type: '/errors/server-unreachable',
    title: 'Stead does not answer',
    status: 0,
    code: 'server-unreachable',
    detail: `The server could not be reached${cause instanceof Error && cause.message ? ` (${cause.message})` : ''}.`,
    remedy: 'Check that it runs (systemctl status stead) and that nothing between it and this browser is in the way. This page tries again by itself.',
  })
}

/** An answer that is not a problem document, such as a proxy's own error page. */
export function problemOf(status: number, body: unknown): ProblemError {
  if (typeof body === 'object' && body !== null && 'code' in body && 'detail' in body) {
    return new ProblemError({ title: '', type: 'about:blank', status, remedy: '', ...(body as Partial<Problem>) } as Problem)
  }
  return new ProblemError({
    type: 'about:blank',
    title: `The server answered ${status}`,
    status,
    code: `http-${status}`,
    detail: typeof body === 'string' && body.length > 0 && body.length < 300 ? body : `The server answered with status ${status}.`,
    remedy: status >= 500 ? 'Look into the server’s log (journalctl -u stead), then try again.' : 'Reload the page; if it stays, the page may be older than the server.',
  })
}

export function asProblem(error: unknown): Problem {
  return error instanceof ProblemError ? error.problem : unreachable(error).problem
}
