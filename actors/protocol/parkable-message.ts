// A message of a pipe that has failed, or a batch of them, as `park` sets it aside. Invariant: its idempotency key is that of no other
// message. A message that stands for one whole item has the item's key, because only one message at a time stands for an item. Any other
// may have the same first item, node, route and value as another one, such as two equal parts of one record: these are counted.
import type { DeliveredItem } from './item.js';
import { SentMessage, type ItemReferences, type Route } from './pipe-message.js';
import type { Tenure } from './tenure.js';
import { NonRetryableError } from '../../src/api/failure-policy.js';
import type { MessageFormat } from '../../src/api/message-format.js';
import type { ParkedItem, ParkedRange } from '../../src/api/parking.js';
import { show } from '../../src/api/refusal.js';
import { HeldBundle } from '../../src/core/holding.js';
import { isThenable } from '../../src/core/callback.js';
import { murmur3, murmur3Bytes } from '../../src/core/murmur3.js';
import { countItems, firstOf, forEachTenure } from '../../src/core/references.js';
import { spansOf } from '../../src/core/spans.js';

/** The node on which it failed. */
export interface FailedNode {
  /** Its name without its number, and its place among `nodes`. */
  readonly node: string;
  readonly index: number;
  /** The names of all nodes of the pipe. */
  readonly nodes: readonly string[];
}

interface Failed {
  readonly of: readonly (SentMessage | HeldBundle)[];
  readonly at: FailedNode;
  readonly route: Route | undefined;
  /** Undefined: it is the record as it came, which `of` stands for alone. */
  readonly values: readonly unknown[] | undefined;
  readonly format: MessageFormat | undefined;
  /** Unlike any other text: it names what stands for nothing, and what was fed. */
  readonly unique: string;
  /** Other messages may have the same items: those of another pipe that was fed, with offsets from 0, too. */
  readonly isFed: boolean;
}

type Written = Pick<ParkedItem, 'data' | 'idempotencyKey' | 'message'>;
type Place = Pick<
  ParkedItem,
  | 'source'
  | 'stream'
  | 'shardId'
  | 'sequenceNumber'
  | 'subSequenceNumber'
  | 'itemIndex'
  | 'key'
  | 'partitionKey'
  | 'explicitHashKey'
  | 'arrivedAt'
>;

export class ParkableMessage {
  readonly #failed: Failed;
  /** All tenures that it belonged to when it failed. */
  readonly tenures: ReadonlySet<Tenure>;
  readonly items: number;
  readonly #first: DeliveredItem | undefined;
  /** It stands for this whole item, and nothing else. */
  readonly #whole: DeliveredItem | undefined;
  #key: string | undefined;

  constructor(failed: Failed) {
    this.#failed = failed;
    const tenures = new Set<Tenure>();
    let items = 0;
    let first: DeliveredItem | undefined;
    for (const references of this.#references()) {
      forEachTenure(references, (tenure) => void tenures.add(tenure));
      items += countItems(references);
      first ??= firstOf(references) as DeliveredItem | undefined;
    }
    const { of, values } = failed;
    const [only] = of;
    this.tenures = tenures;
    this.items = items;
    this.#first = first;
    // One of several values is not the whole item, so it does not get the key of the item.
    const isOne = of.length === 1 && (values === undefined || values.length === 1);
    this.#whole = isOne && SentMessage.isMessage(only) ? SentMessage.itemOf(only) : undefined;
  }

  /** What it stands for is that of these. */
  get of(): Failed['of'] {
    return this.#failed.of;
  }

  *#references(): Generator<ItemReferences> {
    for (const held of this.#failed.of) {
      const references = SentMessage.isMessage(held)
        ? SentMessage.referencesOf(held)
        : (HeldBundle.peek(held) as ItemReferences);
      if (references !== undefined) yield references;
    }
  }

  /** All of it belongs to leases that have ended: the next owners process it. */
  get isLate(): boolean {
    if (this.tenures.size === 0) return false;
    for (const { ended } of this.tenures) if (!ended) return false;
    return true;
  }

  /** The item that it stands for, or the first of several. Empty texts if it stands for none. */
  get place(): Place {
    const first = this.#first;
    if (first === undefined) {
      const [range] = this.#ranges();
      const { source = '', stream, shardId = '', first: sequenceNumber = '' } = range ?? {};
      return { source, stream, shardId, sequenceNumber };
    }
    const { source, shardId, sequenceNumber, subSequenceNumber, tenure, record } = first;
    const of = { source, stream: tenure.stream, shardId, sequenceNumber, subSequenceNumber };
    if (this.#whole === undefined) return of;
    const { partitionKey, explicitHashKey, arrivedAt } = record;
    return { ...of, itemIndex: first.index, key: first.key, partitionKey, explicitHashKey, arrivedAt };
  }

  /** Undefined before `write` has succeeded. */
  get idempotencyKey(): string | undefined {
    return this.#key ?? this.#whole?.idempotencyKey;
  }

  /** Throws if a value cannot be written. */
  write(): Written {
    const { at, route, values, isFed, unique } = this.#failed;
    const heads: string[] = [];
    for (let each = route; each !== undefined; each = each.tail) heads.unshift(each.head);
    const message = { ...at, route: heads, standsFor: this.#ranges() };
    if (values === undefined) {
      const { record, idempotencyKey } = this.#whole as DeliveredItem;
      return { data: record.data, idempotencyKey, message };
    }
    const written = values.map((value) => this.#bytesOf(value));
    const data = written.length === 1 ? (written[0] as Buffer) : Buffer.concat(written);
    const itemKey = this.#whole?.idempotencyKey;
    const key = (this.#key ??= (itemKey ?? this.#keyOf(data)) + (isFed ? `/${unique}` : ''));
    const own = isFed && itemKey !== undefined ? { itemKey } : {};
    const valueBytes = written.map(({ length }) => length);
    return { data, idempotencyKey: key, message: { ...message, ...own, valueBytes } };
  }

  #bytesOf(value: unknown): Buffer {
    const { at, format } = this.#failed;
    const place = { node: at.node };
    const made: unknown = (format as MessageFormat).serialize(value, place);
    if (isThenable(made) || !(typeof made === 'string' || made instanceof Uint8Array))
      throw new NonRetryableError(`serialize must return a Uint8Array or a text, got ${show(made)}`);
    // A copy: the next call of `serialize` may write into the same memory, before the sink has written this.
    const bytes = Buffer.from(made);
    try {
      (format as MessageFormat).deserialize(bytes, place);
    } catch (cause) {
      throw new NonRetryableError('deserialize cannot read what serialize has written', { cause });
    }
    return bytes;
  }

  #ranges(): readonly ParkedRange[] {
    return Array.from(spansOf(this.#references()), ([tenure, { first = '', last = '', items }]) => {
      const { source, stream, shardId, fence } = tenure;
      return { source, stream, shardId, fence, first, last, items };
    });
  }

  #keyOf(data: Buffer): string {
    const { at, route, unique } = this.#failed;
    const hash = [1, 2].map((seed) =>
      murmur3Bytes(data, murmur3(route?.id ?? '', seed))
        .toString(16)
        .padStart(8, '0'),
    );
    // The index, too, because two nodes may have one name.
    const end = `${at.index}/${at.node}/${hash.join('')}`;
    const first = this.#first;
    if (first !== undefined) return counted(first, `${first.idempotencyKey}/${end}`);
    // The item that came first is lost, or there was none: the first span that is left names the message.
    const [left] = spansOf(this.#references());
    if (left === undefined) return `${unique}/${end}`;
    const [tenure, span] = left;
    return counted(tenure, `${tenure.idempotencyPrefix}/${span.first}/-/+/${end}`);
  }
}

/** How many messages have each key, by the item that names them. The item goes with the pipeline, and so do its counts. */
const counts = new WeakMap<object, Map<string, number>>();

function counted(owner: object, key: string): string {
  let ofOwner = counts.get(owner);
  if (ofOwner === undefined) counts.set(owner, (ofOwner = new Map()));
  const count = (ofOwner.get(key) ?? 0) + 1;
  ofOwner.set(key, count);
  return count === 1 ? key : `${key}.${count}`;
}
