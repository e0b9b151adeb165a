// The model with which the ledger is compared: every record ever admitted, with the list of its open items, searched from the start each
// time. It is slow and obvious, and shares no code with src/core/ledger.ts: positions are compared as BigInt.
export interface NaiveRecord {
  readonly sequenceNumber: string;
  readonly subSequenceNumber: number;
  readonly bytes: number;
  readonly checkpointable: boolean;
  expected: number | undefined;
  openItems: number[];
}

export interface NaiveLedger {
  readonly maxPending: number;
  readonly maxPendingBytes: number;
  readonly maxSpan: number;
  readonly records: NaiveRecord[];
}

export function naiveLedger(bounds: {
  readonly maxPending: number;
  readonly maxPendingBytes: number;
  readonly maxSpan: number;
}): NaiveLedger {
  return { ...bounds, records: [] };
}

export function naiveIsDuplicate(ledger: NaiveLedger, sequenceNumber: string, subSequenceNumber: number): boolean {
  return ledger.records.some((record) => {
    const known = BigInt(record.sequenceNumber);
    const offered = BigInt(sequenceNumber);
    return offered < known || (offered === known && subSequenceNumber <= record.subSequenceNumber);
  });
}

export function naiveAdmit(ledger: NaiveLedger, record: Omit<NaiveRecord, 'expected' | 'openItems'>): number {
  if (naiveIsDuplicate(ledger, record.sequenceNumber, record.subSequenceNumber)) return -1;
  ledger.records.push({ ...record, expected: undefined, openItems: [0] });
  return ledger.records.length - 1;
}

/** Whether `expectItems` with this number of items is allowed for the record now. */
export function naiveMayExpect(record: NaiveRecord, items: number): boolean {
  return record.expected === items || (record.expected === undefined && record.openItems.length === 1);
}

export function naiveExpectItems(record: NaiveRecord, items: number): void {
  if (record.expected !== undefined) return;
  record.expected = items;
  record.openItems = Array.from({ length: items }, (_, item) => item);
}

export function naiveSettle(ledger: NaiveLedger, ordinal: number, item: number): boolean {
  const record = ledger.records[ordinal];
  if (record === undefined || !record.openItems.includes(item)) return false;
  record.openItems = record.openItems.filter((open) => open !== item);
  return true;
}

export function isOpen(record: NaiveRecord): boolean {
  return record.openItems.length > 0;
}

export function naiveOpen(ledger: NaiveLedger): NaiveRecord[] {
  return ledger.records.filter(isOpen);
}

export function naiveOpenBytes(ledger: NaiveLedger): number {
  return naiveOpen(ledger).reduce((sum, record) => sum + record.bytes, 0);
}

/** The ordinal of the oldest open record; the number of records if none is open. */
export function naiveHead(ledger: NaiveLedger): number {
  const oldest = ledger.records.findIndex(isOpen);
  return oldest === -1 ? ledger.records.length : oldest;
}

/** The ordinal of the last record before the head that a checkpoint may name; -1 if there is none. */
export function naiveFrontier(ledger: NaiveLedger): number {
  return ledger.records.slice(0, naiveHead(ledger)).findLastIndex((record) => record.checkpointable);
}

export function naiveRoom(ledger: NaiveLedger, bytes: number): boolean {
  const open = naiveOpen(ledger).length;
  if (open === 0) return true;
  const span = ledger.records.length - naiveHead(ledger);
  return open < ledger.maxPending && naiveOpenBytes(ledger) + bytes <= ledger.maxPendingBytes && span < ledger.maxSpan;
}
