// The sink of `park` in a simulated pipe, for values. An entry says which values it has only by their bytes: the format notes the values as
// they are written, right before the sink is called. I50: it gets only what has failed. I57: no two values of a tenure have one key.
import type { MessageFormat } from '../../../src/api/message-format.js';
import type { ParkedItem } from '../../../src/api/parking.js';
import { finish, itemsOf, type GrainItem, type Piece } from './grain.js';

export interface MessageSink {
  readonly format: MessageFormat;
  /** These values have failed. */
  failed(pieces: readonly Piece[]): void;
  /** The values of the entry that the sink is called with; undefined if it is a record. Called at once. */
  valuesOf(entry: ParkedItem): readonly Piece[] | undefined;
  /** A sink keeps these values. An item is done with the last of its values. */
  kept(pieces: readonly Piece[], done: (item: GrainItem) => void): void;
}

const textOf = ({ grains }: Piece): string => JSON.stringify(grains.map(({ id }) => id));

export function createMessageSink(violate: (invariant: string, text: string) => void): MessageSink {
  let written: Piece[] = [];
  const failed = new WeakSet<Piece>();
  const kept = new WeakSet<Piece>();
  const byKey = new Map<string, Piece>();

  const checkKey = ({ idempotencyKey }: ParkedItem, piece: Piece): void => {
    const other = byKey.get(idempotencyKey);
    byKey.set(idempotencyKey, piece);
    if (other === undefined || other === piece) return;
    const [one, two] = [itemsOf([other])[0], itemsOf([piece])[0]];
    if (one === undefined || one.tenure === two?.tenure)
      violate('I57', `two values have the idempotency key ${idempotencyKey}: ${textOf(other)} and ${textOf(piece)}`);
  };

  return {
    format: {
      // Equal parts of one item have equal bytes.
      serialize: (value) => {
        written.push(value as Piece);
        return textOf(value as Piece);
      },
      deserialize: (bytes) => JSON.parse(bytes.toString()) as unknown,
    },
    failed: (pieces) => {
      for (const piece of pieces) failed.add(piece);
    },
    valuesOf: (entry) => {
      const pieces = written;
      written = [];
      if (entry.message?.valueBytes === undefined) return undefined;
      for (const piece of pieces)
        if (!failed.has(piece)) violate('I50', `${textOf(piece)} was parked, but it has not failed`);
      const [only, more] = pieces;
      if (only !== undefined && more === undefined) checkKey(entry, only);
      const text = pieces.map(textOf).join('');
      if (text !== entry.data.toString())
        violate('I50', `the values of an entry are ${entry.data.toString()}, and not ${text}`);
      return pieces;
    },
    kept: (pieces, done) => {
      for (const piece of pieces) {
        if (kept.has(piece)) continue;
        kept.add(piece);
        finish(piece, done);
      }
    },
  };
}
