// The state of the benchmark's reducer, the same on both sides: the number of records, their bytes, and a sum over some of the
// bytes. The sum proves that a side has read the data of each record.

export interface Tally {
  records: number;
  bytes: number;
  /** The first and the last byte of each record's data, added up. */
  byteSum: number;
}

export function createTally(): Tally {
  return { records: 0, bytes: 0, byteSum: 0 };
}

/** The work per record. */
export function count(tally: Tally, data: Uint8Array): Tally {
  tally.records += 1;
  tally.bytes += data.length;
  tally.byteSum += (data[0] ?? 0) + (data[data.length - 1] ?? 0);
  return tally;
}

export function sum(tallies: Iterable<Tally>): Tally {
  const total = createTally();
  for (const { records, bytes, byteSum } of tallies) {
    total.records += records;
    total.bytes += bytes;
    total.byteSum += byteSum;
  }
  return total;
}

export function sameTally(left: Tally, right: Tally): boolean {
  return left.records === right.records && left.bytes === right.bytes && left.byteSum === right.byteSum;
}
