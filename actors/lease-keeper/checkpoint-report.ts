// Reports a checkpoint once the row has it: as an event, and to the application's `onCheckpoint`.
import { effect } from '../protocol/actor.js';
import type { Message, LeaseKeeperMessage } from './messages.js';
import { count, emit, warn, type KeeperTurn } from './turn.js';
import { checkpointOf, compareCheckpoints, positionOf } from '../../src/core/checkpoint.js';
import { durableCheckpoint } from '../../src/core/lease-state.js';

/** For SHARD_END, reports the last frontier, which SHARD_END covers. */
export function reportDurable(turn: KeeperTurn): void {
  const { options, state, effects } = turn;
  const { row, frontier } = state.lease;
  const durable =
    row.checkpoint === 'SHARD_END' && frontier !== undefined ? checkpointOf(frontier) : durableCheckpoint(row);
  if (compareCheckpoints(durable, state.timing.reportedCheckpoint) <= 0) return;

  state.timing.reportedCheckpoint = durable;
  const position = positionOf(durable);
  if (position === undefined) return;

  const { source, shardId, onCheckpoint } = options;
  emit(turn, { name: 'checkpoint', data: { source, shardId, ...position } });
  if (onCheckpoint === undefined) return;
  state.leftovers.hookCalls += 1;
  state.leftovers.onCheckpointCallsMade += 1;
  effects.push(
    effect.run({
      name: `onCheckpoint#${state.leftovers.onCheckpointCallsMade}`,
      kind: 'user',
      start: () => onCheckpoint({ source, shardId, ...position }),
      done: (): LeaseKeeperMessage => ({ type: 'onCheckpointSettled', failure: undefined }),
      failed: (error): LeaseKeeperMessage => ({ type: 'onCheckpointSettled', failure: { error } }),
    }),
  );
}

/** Notes that an `onCheckpoint` call has ended. If the call failed, the error is only counted and reported. */
export function onCheckpointSettled(turn: KeeperTurn, { failure }: Message<'onCheckpointSettled'>): void {
  const { state, effects } = turn;
  state.leftovers.hookCalls -= 1;
  if (failure !== undefined) {
    count(turn, 'onCheckpointFailed');
    warn(turn, 'onCheckpoint failed; the checkpoint stands.', failure.error);
  }
  if (state.phase === 'over' && state.leftovers.hookCalls === 0) effects.push(effect.end());
}
