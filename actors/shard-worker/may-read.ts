// Whether a shard worker may read at all. Room is another question (`isHeldUp` in pending-limit.ts). Asked before each read, and by those
// that watch for a reading that stands still.
import { isIntakePaused } from './options.js';
import type { ShardWorkerTurn } from './turn.js';

/** Whether the shard worker may read, now or as soon as there is room. */
export function mayRead({ options, state }: ShardWorkerTurn): boolean {
  return !state.finished && !state.pausedForHandOver && state.ending === undefined && !isIntakePaused(options);
}
