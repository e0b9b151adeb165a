// How a shard worker ends: at its keeper's order (keeper-orders.ts), with its tenure, or by itself at the end of its shard.
// `beginEnding` stops the reading, and `finish` ends the shard worker once it has drained.
import { effect } from '../protocol/actor.js';
import type { Tenure, ShardWorkerEnd } from '../protocol/tenure.js';
import { noteDropped } from './lag.js';
import { abandon, isEmpty, nextToAdmit } from './record-admission.js';
import type { ShardWorkerTurn } from './turn.js';

/** Stops reading. Drops the records that are fetched but not admitted: no stage has them, and they will be read again. */
export function beginEnding({ state, effects }: ShardWorkerTurn, ending: ShardWorkerEnd): void {
  if (state.ending !== undefined && isEmpty(state.admission)) return;

  state.ending = ending;
  noteDropped(state, nextToAdmit(state.admission));
  state.admission = abandon(state.admission, state.ledger);
  // The bytes that the reader has fetched ahead count in the byte budget until the reader is closed.
  state.reader?.close();
  if (state.reading) effects.push(effect.abort('read', new Error('draining')));
}

export function endWithTenure(turn: ShardWorkerTurn): void {
  const { ending, ledger } = turn.state;
  const tenure = turn.state.tenure as Tenure;
  const how: ShardWorkerEnd =
    tenure.stopError !== undefined
      ? { type: 'stopShard', error: tenure.stopError }
      : ending?.type === 'drained'
        ? { type: 'drained', open: ledger.openRecords, isCut: true }
        : { type: 'tenureEnded' };

  finish(turn, tenure, how);
}

export function finish({ state, effects }: ShardWorkerTurn, tenure: Tenure, how: ShardWorkerEnd): void {
  // End the tenure first: no reducer may hand out an item of a shard worker that has ended.
  tenure.ended = true;
  state.finished = true;
  state.reader?.close();

  const { shardWorkerNumber: shardWorker, fence } = tenure;
  for (const { stage } of state.channels) effects.push(effect.send(stage, { type: 'retire', shardWorker }));
  effects.push(effect.send(state.keeper, { type: 'shardWorkerEnded', shardWorker, fence, end: how }), effect.end());
}
