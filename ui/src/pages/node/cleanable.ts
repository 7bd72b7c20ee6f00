import type { NodeDetail } from '../../api/generated'

/** The disk can be cleaned up from here: the agent is there, may do it, and reaches an engine. Pure. */
export function cleanable(node: NodeDetail): boolean {
  return node.connected && !node.read_only && node.access !== 'inspector' && node.sources.some((source) => source.name === 'docker' && source.state === 'up')
}
