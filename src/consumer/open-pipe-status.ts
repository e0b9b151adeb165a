// What an open pipe shows: the states of its actors, read from outside.
import type { PipeOriginStatus } from '../../actors/pipe-origin/pipe-origin.js';
import type { PipeNodeStatus } from '../../actors/pipe-node/pipe-node.js';
import type { Ref } from '../../actors/protocol/actor.js';
import { statusOf } from '../../supervision/index.js';
import type { OpenPipeStatus } from './open-pipe-report.js';

export function originStatusOf(origin: Ref<never>): PipeOriginStatus | undefined {
  return statusOf(origin)?.state as PipeOriginStatus | undefined;
}

/** The nodes in the order of the pipe: the last one has started first. */
export function nodesOf(origin: Ref<never>): OpenPipeStatus['nodes'] {
  const [pipe] = statusOf(origin)?.children ?? [];
  return [...(pipe?.children ?? [])].reverse().flatMap(({ state }) => {
    if (state === undefined) return [];
    const { holding: _, ...shown } = state as PipeNodeStatus;
    return [shown];
  });
}

/** Which node has not ended in time, and what is left. */
export function undrainedText({ nodes, open, settled }: OpenPipeStatus, deadlineMs: number): string {
  const left = `${open} ${open === 1 ? 'message is' : 'messages are'} not done, from offset ${settled + 1} on`;
  const isBusy = (node: (typeof nodes)[number]): boolean =>
    node.calling !== undefined || node.failing !== undefined || node.waiting > 0 || node.queued > 0;
  // A node that has drained waits for those behind it.
  const node = nodes.find(isBusy) ?? nodes.at(-1);
  const text = `the pipe has not drained within ${deadlineMs} ms`;
  if (node === undefined) return `${text}: onSettled has not returned; ${left}`;
  const { failing, calling } = node;
  const called = calling === undefined ? '' : `, whose ${calling.callback} has run for ${calling.forMs} ms`;
  const failed = failing === undefined ? '' : `, whose call has failed ${failing.attempts} times (${failing.error})`;
  return `${text}: node ${node.node} has not ended${called}${failed}; ${left}`;
}
