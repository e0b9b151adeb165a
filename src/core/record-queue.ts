// The records that a shard worker has read and not admitted, by the answers that brought them. A record is made when its turn comes: until
// then an answer is a few buffers, whatever the number of its records.
import { buffered } from './buffer-view.js';
import { createDeque } from './deque.js';

/** The records of an answer, as `RecordList` in src/api/ports.ts. */
interface Answer<Entry> {
  readonly length: number;
  at(index: number): Entry | undefined;
}

interface Bytes {
  readonly data: Uint8Array;
}

export interface RecordQueue<Entry extends Bytes> {
  /** How many records wait. */
  readonly length: number;
  /** Puts the records of an answer behind the others. The bytes of each come out as a Buffer, whatever the source gave. */
  push(records: Answer<Entry>): void;
  /** Takes the oldest record. */
  shift(): Buffered<Entry> | undefined;
  /** The oldest record, which stays. */
  peek(): Buffered<Entry> | undefined;
}

type Buffered<Entry> = Entry & { readonly data: Buffer };

export function createRecordQueue<Entry extends Bytes>(): RecordQueue<Entry> {
  const answers = createDeque<Answer<Entry>>();
  let length = 0;
  /** The index of the next record in the oldest answer. */
  let next = 0;

  function peek(): Buffered<Entry> | undefined {
    const record = answers.peek()?.at(next);
    return record === undefined ? undefined : buffered(record);
  }

  return {
    get length() {
      return length;
    },
    push(records) {
      if (records.length === 0) return;
      // A source may use its array again.
      answers.push(Array.isArray(records) ? (records as readonly Entry[]).slice() : records);
      length += records.length;
    },
    shift() {
      const record = peek();
      if (record === undefined) return undefined;
      length -= 1;
      next += 1;
      if (next === answers.peek()?.length) {
        answers.shift();
        next = 0;
      }
      return record;
    },
    peek,
  };
}
