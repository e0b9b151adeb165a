// What `park` sets aside of a failed call: entries for the sink, each with values that come back to this node, and with all that they stand
// for. Invariant: the entries stand for everything that has failed with the call, because all of it is settled with them.
import type { Parkable } from '../protocol/parkable.js';
import { ParkableMessage } from '../protocol/parkable-message.js';
import { SentMessage } from '../protocol/pipe-message.js';
import type { Call } from './calls.js';
import type { Held } from './result.js';
import type { RouteState } from './route-states.js';
import type { NodeTurn } from './state.js';
import { HeldBundle } from '../../src/core/holding.js';

const noValues =
  'it cannot be parked, because only its state has the values: throw a NodeFailure with values (docs/pipes.md)';
const noFormat =
  'it cannot be parked, because nothing says how its value becomes bytes: write pipe({ format: json }), or give a format of your own';

/** What has failed: what the application says, or the message of the call, or without one all that the state keeps. */
export function heldOf({ message, parts, routeState }: Call): readonly Held[] {
  return parts?.of ?? (message === undefined ? [...routeState.kept, ...routeState.holdings] : [message]);
}

/**
 * Why it cannot be parked, as a text. None: nothing that stands for anything has failed, or a sink keeps it already, since before the call
 * was repeated because of a lost lease.
 */
export function parkablesOf(turn: NodeTurn, call: Call): readonly Parkable[] | string {
  const of = heldOf(call).filter((held) => call.parked?.has(held) !== true && !isGone(call.routeState, held));
  const { values } = call.parts ?? {};
  if (of.length === 0) return [];
  if (values !== undefined)
    return turn.options.format === undefined ? noFormat : [parkable(turn, call, heldOf(call), values)];

  const parkables: Parkable[] = [];
  for (const held of of) {
    if (!SentMessage.isMessage(held)) {
      if (!HeldBundle.isEmpty(held)) return noValues;
      continue;
    }
    if (isAsItCame(turn, held)) parkables.push(parkable(turn, call, [held], undefined));
    else if (turn.options.format === undefined) return noFormat;
    else parkables.push(parkable(turn, call, [held], [SentMessage.contentOf(held)]));
  }
  return parkables;
}

/** All its leases have ended: the next owners process it. */
export function isGone({ withLost }: RouteState, held: Held): boolean {
  if (!SentMessage.isMessage(held)) return HeldBundle.isGone(held);
  return withLost.has(held) && SentMessage.referencesOf(held) === undefined;
}

/**
 * Whether the value can be made again from the bytes of the record. It stands for one item, and no node or reducer before can have
 * changed its value in place.
 */
function isAsItCame({ options }: NodeTurn, message: SentMessage): boolean {
  const value = SentMessage.contentOf(message);
  const item = SentMessage.itemOf(message);
  if (options.isFed === true || item === undefined || value !== item.value) return false;
  return value === item.record.data || (options.index === 0 && options.isBehindReducer !== true);
}

function parkable(
  { options }: NodeTurn,
  { routeState }: Call,
  of: readonly Held[],
  values: readonly unknown[] | undefined,
): ParkableMessage {
  const { index, nodeNames, format, clock, random, isFed = false } = options;
  const node = nodeNames[index] as string;
  const unique = `-/${Math.round(clock.wallNow())}-${random.next().toString(36).slice(2)}`;
  const at = { node, index, nodes: nodeNames };
  return new ParkableMessage({ of, at, route: routeState.route, values, format, unique, isFed });
}
