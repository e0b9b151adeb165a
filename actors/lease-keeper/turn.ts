// A turn is one call of `receive`, with its inputs and its effects. Every part of the keeper takes a turn and adds to its
// effects.
import { effect, type Effect } from '../protocol/actor.js';
import type { KeeperNews } from '../protocol/lease-messages.js';
import type { LeaseKeeperOptions } from './options.js';
import type { LeaseKeeperState, Write } from './state.js';
import type { LeaseKeeperMessage } from './messages.js';
import { backoffMs, type Backoff } from '../../src/core/backoff.js';
import type { KinactEvent } from '../../src/api/events.js';

export interface KeeperTurn {
  readonly options: LeaseKeeperOptions;
  readonly state: LeaseKeeperState;
  /** Monotonic. */
  readonly now: number;
  readonly effects: Effect<LeaseKeeperMessage>[];
}

export function notifyCoordinator({ options, state, effects }: KeeperTurn, news: KeeperNews): void {
  effects.push(
    effect.send(options.coordinator, { type: 'keeperNotice', keeper: state.self, leaseKey: options.leaseKey, news }),
  );
}

export function emit({ effects }: KeeperTurn, event: KinactEvent): void {
  effects.push(effect.emit(event));
}

export function count({ effects }: KeeperTurn, what: string): void {
  effects.push(effect.count(what));
}

export function warn(turn: KeeperTurn, message: string, error?: unknown): void {
  const { source, shardId } = turn.options;
  emit(turn, { name: 'warning', data: { message, source, shardId, ...(error === undefined ? {} : { error }) } });
}

/** The name of the effect that sends this write. */
export function effectName({ kind, id }: Pick<Write, 'kind' | 'id'>): string {
  return `${kind}#${id}`;
}

/** How long to wait after a failed write to the table: full jitter, up to a sixth of `failoverMs`. */
export function retryDelayMs({ options, state }: Pick<KeeperTurn, 'options' | 'state'>): number {
  return backoffMs(retryShapeOf(options), state.writes.failed, options.random);
}

export function retryShapeOf({ failoverMs }: LeaseKeeperOptions): Backoff {
  return { baseMs: failoverMs / 40, capMs: failoverMs / 6 };
}
