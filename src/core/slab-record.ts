// Records that lie packed in one buffer. A consumer that catches up holds a hundred thousand records that nobody has looked at. As objects
// with members of their own they would be five times as large, and the garbage collector would copy them again and again. So a record is a
// place in a slab, and its members are made when somebody looks.

/** A buffer with the bytes of some records, and where they are. */
export interface Slab {
  readonly bytes: Buffer;
  /**
   * `placeLength` numbers for each record: start and end of sequence number, partition key and data. The last two are not used: in the
   * memory that made them, they are the record's time.
   */
  readonly places: Int32Array;
  /** The times of arrival, epoch milliseconds, at every `timeLength`th place from `firstTime` on; NaN if unknown. */
  readonly times: Float64Array;
  /** What the places count from. */
  readonly base: number;
}

export const placeLength = 8;
const timeLength = placeLength / 2;
const firstTime = 3;

/** One record of a slab. It has the members of a `RawRecord`. If it is no aggregate, it serves as its own `UserRecord`, too. */
export class SlabRecord {
  readonly slab: Slab;
  private readonly index: number;
  /** The same Buffer at every look: values are compared by identity. */
  private view: Buffer | undefined = undefined;

  constructor(slab: Slab, index: number) {
    this.slab = slab;
    this.index = index;
  }

  get sequenceNumber(): string {
    return this.text(0);
  }

  /** A key has at least one character: an empty one counts as none. */
  get partitionKey(): string | undefined {
    const key = this.text(2);
    return key === '' ? undefined : key;
  }

  get data(): Buffer {
    if (this.view === undefined) {
      const { bytes } = this.slab;
      this.view = bytes.subarray(this.place(4), this.place(5));
    }
    return this.view;
  }

  get arrivedAt(): number | undefined {
    const time = this.slab.times[this.index * timeLength + firstTime] as number;
    return Number.isNaN(time) ? undefined : time;
  }

  /** The bytes of data and key together. */
  get totalBytes(): number {
    return this.place(5) - this.place(4) + this.place(3) - this.place(2);
  }

  /** The byte at `offset` of the data; undefined behind its end. */
  byteAt(offset: number): number | undefined {
    const at = this.place(4) + offset;
    return at < this.place(5) ? this.slab.bytes[at] : undefined;
  }

  private place(member: number): number {
    return (this.slab.places[this.index * placeLength + member] as number) - this.slab.base;
  }

  /** All texts are ASCII: other answers are not packed. */
  private text(member: number): string {
    return this.slab.bytes.toString('latin1', this.place(member), this.place(member + 1));
  }
}

/** The records of some slabs, in order. Each look makes a record, so a caller looks once, and keeps what it got. */
export class SlabRecords {
  readonly length: number;
  /** The bytes of data and keys together. */
  readonly totalBytes: number;
  private readonly slabs: readonly Slab[];
  /** The slab of the last look, and the index of its first record: the next look is mostly at its neighbor. */
  private lookedAt = 0;
  private first = 0;

  constructor(slabs: readonly Slab[]) {
    this.slabs = slabs;
    let length = 0;
    let bytes = 0;
    for (const { places } of slabs) {
      length += places.length / placeLength;
      for (let at = 0; at < places.length; at += placeLength)
        bytes += places[at + 5]! - places[at + 4]! + places[at + 3]! - places[at + 2]!;
    }
    this.length = length;
    this.totalBytes = bytes;
  }

  at(index: number): SlabRecord | undefined {
    const sought = index < 0 ? index + this.length : index;
    if (!(sought >= 0 && sought < this.length)) return undefined;
    if (sought < this.first) {
      this.lookedAt = 0;
      this.first = 0;
    }
    for (;;) {
      const slab = this.slabs[this.lookedAt] as Slab;
      const count = slab.places.length / placeLength;
      if (sought < this.first + count) return new SlabRecord(slab, sought - this.first);
      this.first += count;
      this.lookedAt += 1;
    }
  }

  *[Symbol.iterator](): Generator<SlabRecord, void> {
    for (let index = 0; index < this.length; index += 1) yield this.at(index) as SlabRecord;
  }
}

/** The record with members of its own, as code expects that spreads it. Other records are returned as they are. */
export function unpacked<R extends object>(record: R): R {
  if (!(record instanceof SlabRecord)) return record;
  const { sequenceNumber, partitionKey, data, arrivedAt } = record;
  return {
    sequenceNumber,
    ...(partitionKey === undefined ? {} : { partitionKey }),
    data,
    ...(arrivedAt === undefined ? {} : { arrivedAt }),
  } as unknown as R;
}
