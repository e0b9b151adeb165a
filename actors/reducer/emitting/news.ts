// What the pipe behind a reducer reports: what it has taken, what is settled there, and whether a failed call holds it. And lost leases.
import { effect } from '../../protocol/actor.js';
import type { MessageOf } from '../../protocol/handlers.js';
import { reportEndedOf, reportSettled } from '../../protocol/open-records.js';
import type { PipeNews } from '../../protocol/pipe-feed.js';
import { creditAllQueued } from '../failures/attempts.js';
import type { PipeBehind } from './pipe-behind.js';
import { sendToPipe } from './sending.js';
import type { ReducerTurn } from '../state.js';

/** Returns false for a repeated message of the pipe. Otherwise what it has taken would count twice. */
export function acceptNews({ state: { behind }, effects }: ReducerTurn, message: { readonly type: string }): boolean {
  if (!isNews(message)) return true;
  if (behind === undefined || message.number <= behind.lastReceived) {
    effects.push(effect.count('repeatedMessages'));
    return false;
  }
  behind.lastReceived = message.number;
  return true;
}

function isNews(message: { readonly type: string }): message is PipeNews {
  return message.type === 'pipeNews' || message.type === 'markPassed';
}

export function pipeNews(turn: ReducerTurn, news: MessageOf<PipeNews, 'pipeNews'>): void {
  const { options, state, now, effects } = turn;
  const { reports } = state;
  // A cast, because `acceptNews` accepts no news without a pipe.
  const behind = state.behind as PipeBehind;
  behind.newsAt = now;
  behind.untaken -= news.taken;
  // Shares of bytes are fractions, so what is left at the end may not be exactly 0.
  behind.untakenBytes = behind.untaken === 0 ? 0 : behind.untakenBytes - news.takenBytes;
  const { done, stale } = reportSettled(behind.open, reports, news.settled);
  options.progress.settled += done;
  if (stale > 0) effects.push(effect.count('staleSettles', stale));
  // A node may have ended tenures, and the stages must hear of it.
  reportEndedOf(behind.open, reports);
  const begins = news.isWaiting && !behind.isWaiting;
  behind.isWaiting = news.isWaiting;
  // While a failed call holds a node, this reducer may stand still: otherwise the punctuation behind its items would never come.
  if (begins) creditAllQueued(state);
}

/** The tenure of this shard worker has ended: the next owner processes what was emitted for it. */
export function forgetEmitted({ state, effects }: ReducerTurn, shardWorker: number): void {
  const { behind, self } = state;
  if (behind === undefined) return;
  behind.open.delete(shardWorker);
  for (const item of behind.shares.keys())
    if (item.tenure.shardWorkerNumber === shardWorker) behind.shares.delete(item);
  for (const item of behind.acknowledgedInCall)
    if (item.tenure.shardWorkerNumber === shardWorker) behind.acknowledgedInCall.delete(item);
  sendToPipe(effects, behind, (number) => ({ type: 'emittedLost', number, reducer: self, shardWorker }));
}
