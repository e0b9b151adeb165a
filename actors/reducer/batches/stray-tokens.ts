// Calls of `ctx.ack` and `ctx.fail` that have no effect: a token of nobody, a copy of a token, an item that is settled already. The first
// of each kind is a warning that names the record and says what to do. All are counted.
import { effect } from '../../protocol/actor.js';
import { DeliveredItem } from '../../protocol/item.js';
import type { ReducerTurn } from '../state.js';
import { excerpt } from '../../../src/core/visible.js';

interface Stray {
  readonly call: 'ack' | 'fail';
  readonly token: unknown;
  /** What `ctx.fail` was called with. */
  readonly error?: unknown;
}

export function noteStray({ options, state, effects }: ReducerTurn, stray: Stray): void {
  effects.push(effect.count('strayAcknowledgements'));
  const { call, token, error } = stray;
  // The lease is lost, and the application cannot know it in time.
  if (token instanceof DeliveredItem && token.tenure.ended) return;
  const { acknowledge, behaviour } = options.definition;
  const isManual = acknowledge === 'manual' || behaviour !== undefined;
  const cause = causeOf(token, isManual);
  const kind = `${call} ${cause}`;
  if (state.strayKinds.has(kind)) return;
  state.strayKinds.add(kind);
  const place = token instanceof DeliveredItem ? { source: token.source, shardId: token.shardId } : {};
  const message = `ctx.${call} has no effect for ${nameOf(token)}: ${texts[cause][call]}`;
  effects.push(effect.emit({ name: 'warning', data: { message, ...place, ...(call === 'fail' ? { error } : {}) } }));
}

type Cause = 'noToken' | 'copy' | 'twice' | 'automatic';

const passToken = 'pass item.token itself';

const texts: Readonly<Record<Cause, Readonly<Record<'ack' | 'fail', string>>>> = {
  noToken: { ack: passToken, fail: passToken },
  copy: { ack: `a copy identifies no item, ${passToken}`, fail: `a copy identifies no item, ${passToken}` },
  twice: {
    ack: 'it is acknowledged, or has failed, already',
    fail: 'it is acknowledged, or has failed, already; call only one of the two, once',
  },
  automatic: {
    ack: "this reducer acknowledges by itself; leave ctx.ack out, or set acknowledge: 'manual'",
    fail: "it is acknowledged already, or another reducer has it; call it before reduce returns, throw, or set acknowledge: 'manual'",
  },
};

function causeOf(token: unknown, isManual: boolean): Cause {
  if (token instanceof DeliveredItem) return isManual ? 'twice' : 'automatic';
  return copied(token) === undefined ? 'noToken' : 'copy';
}

function nameOf(token: unknown): string {
  if (token instanceof DeliveredItem) return `record ${token.sequenceNumber} (key '${token.key}')`;
  const original = copied(token);
  if (original !== undefined) return `a copy of the token ${original}`;
  if (token === undefined || token === null) return String(token);
  return typeof token === 'object' ? 'an object' : `the ${typeof token} ${excerpt(String(token), 40)}`;
}

/** What a copy was made of; undefined if it is not a copy. `{ ...token }` has the members of the item, but not the computed ones. */
function copied(token: unknown): string | undefined {
  const { idempotencyKey, record } = Object(token) as { readonly idempotencyKey?: unknown; readonly record?: unknown };
  if (typeof idempotencyKey === 'string') return idempotencyKey;
  const { sequenceNumber } = Object(record) as { readonly sequenceNumber?: unknown };
  return typeof sequenceNumber === 'string' ? `of record ${sequenceNumber}` : undefined;
}
