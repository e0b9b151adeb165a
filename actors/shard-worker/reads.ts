// Whether reads of the shard succeed, as the worker tells its keeper: once when the first one has, and again after failures;
// while they fail one after the other, that too. The coordinator decides what it means.
import { send } from '../protocol/actor.js';
import type { Turn } from './state.js';
import type { SourceNotice } from '../../src/api/ports.js';

/**
 * Failures for so long are told, and again so often while they last. Soon, for whoever gives back another shard of this source
 * after a minute of failures has to know that this one is not read either.
 */
const failingMs = 5_000;
const againMs = 10_000;
/** What is told then must not come late: the shard may be given back. */
const longMs = 60_000;

type ReadTurn = Pick<Turn, 'state' | 'now' | 'effects'>;

/** Throttling is an answer of the service: another worker would fare no better. */
export function readFails(turn: ReadTurn, notice: SourceNotice): void {
  const { state, now } = turn;
  if (notice.type !== 'retrying' || notice.delayMs === 0) return;
  state.failingSince ??= now;
  const forMs = now - state.failingSince;
  if (forMs < failingMs || now < state.sayFailingAt) return;
  const again = now + againMs;
  state.sayFailingAt = forMs < longMs ? Math.min(again, state.failingSince + longMs) : again;
  tell(turn, forMs);
}

export function readSucceeds(turn: ReadTurn): void {
  const { state } = turn;
  if (state.hasRead && state.failingSince === undefined) return;
  state.hasRead = true;
  state.failingSince = undefined;
  state.sayFailingAt = 0;
  tell(turn, 0);
}

function tell({ state: { keeper, tenure }, effects }: ReadTurn, forMs: number): void {
  if (tenure === undefined) return;
  const { worker, fence } = tenure;
  effects.push(send(keeper, { type: 'reads', worker, fence, forMs }));
}
