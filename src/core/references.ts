// What a message of a pipe stands for: its items. An item may be settled only when everything that stands for it is done. So the items
// travel with the message as a set of references, and never as one number. The three kinds:
// - an item: the message stands for this item alone. It costs nothing: the item is its own reference.
// - a split: the message is one of several outputs of one input. All of them share the split, which counts those that are not done.
// - a bundle: the message, or a state, stands for many items, as ranges of ordinals, and for shares of splits.
// References move: they must not be used again where they were passed on.
//
// Ordinals mean nothing outside the process. So a bundle also notes the sequence numbers of the first and the last record of each tenure.
// These are two texts per tenure, whatever it holds.
import {
  addNumber,
  addRanges,
  countNumbers,
  emptyRanges,
  forEachNumber,
  hasNumber,
  type NumberRanges,
} from './number-ranges.js';

/**
 * What is known here of a tenure (actors/protocol/tenure.ts), the right to deliver a shard's records. Once ended, it never revives. The
 * actors' own type has more members, so it is the parameter `Tenure` of the types below.
 */
export interface EndableTenure {
  readonly ended: boolean;
}

/** One item. `stage`: where its disposition goes. `index`: its place among the items of its record. */
export interface Reference<Tenure extends EndableTenure, Stage> {
  readonly tenure: Tenure;
  readonly stage: Stage;
  readonly ordinal: number;
  readonly index: number;
  /** The sequence number of its record, which rises with the ordinal. Absent: not known. */
  readonly sequenceNumber?: string | undefined;
}

/** `open`: how many shares are not settled yet. The references behind the shares settle with the last one. */
export interface Split<Tenure extends EndableTenure, Stage> {
  readonly kind: 'split';
  /** Undefined: all of its tenures have ended. */
  of: References<Tenure, Stage> | undefined;
  open: number;
  /** The tenures that have been taken out of `of`: the holders of the other shares must learn of them, too. */
  lost: Set<Tenure> | undefined;
  /**
   * All tenures of a bundle in `of`, and perhaps some that have ended. Undefined: not known. Each of many shares asks for them, before
   * every call, so looking through the bundle each time would cost the square of its size.
   */
  tenures: ReadonlySet<Tenure> | undefined;
}

/** The items of one tenure and stage in a bundle: the ordinals of their records, by the index of the item in its record. */
interface Part<Stage> {
  readonly stage: Stage;
  readonly byIndex: Map<number, NumberRanges>;
  /** The first and the last of these records. No item ever leaves a part. */
  span: Span;
}

/**
 * The first and the last of some records: their ordinals (`low`, `high`), and their sequence numbers, as far as they are known. If there
 * are no records, `low` is above `high`.
 */
interface Span {
  low: number;
  high: number;
  first: string | undefined;
  last: string | undefined;
}

export interface Bundle<
  Tenure extends EndableTenure,
  Stage,
  Item extends Reference<Tenure, Stage> = Reference<Tenure, Stage>,
> {
  readonly kind: 'bundle';
  readonly parts: Map<Tenure, Part<Stage>[]>;
  /** How many shares of each split the bundle has. */
  readonly shares: Map<Split<Tenure, Stage>, number>;
  /** The item that was added first: it names the bundle in texts. */
  first: Item | undefined;
}

export type References<Tenure extends EndableTenure, Stage> =
  | Reference<Tenure, Stage>
  | Split<Tenure, Stage>
  | Bundle<Tenure, Stage>;

/** Gets each item that is settled. */
export type Settle<Tenure extends EndableTenure, Stage> = (
  tenure: Tenure,
  stage: Stage,
  ordinal: number,
  index: number,
) => void;

export function emptyBundle<Tenure extends EndableTenure, Stage>(): Bundle<Tenure, Stage> {
  return { kind: 'bundle', parts: new Map(), shares: new Map(), first: undefined };
}

export function isEmptyBundle<Tenure extends EndableTenure, Stage>({ parts, shares }: Bundle<Tenure, Stage>): boolean {
  return parts.size === 0 && shares.size === 0;
}

function isSplit<Tenure extends EndableTenure, Stage>(
  references: References<Tenure, Stage>,
): references is Split<Tenure, Stage> {
  return 'kind' in references && references.kind === 'split';
}

export function isBundle<Tenure extends EndableTenure, Stage>(
  references: References<Tenure, Stage>,
): references is Bundle<Tenure, Stage> {
  return 'kind' in references && references.kind === 'bundle';
}

/** Divides references among `shares` messages. Each of them gets what is returned, as one share of it. */
export function splitInto<Tenure extends EndableTenure, Stage>(
  references: References<Tenure, Stage>,
  shares: number,
): References<Tenure, Stage> {
  return shares === 1
    ? references
    : { kind: 'split', of: references, open: shares, lost: undefined, tenures: undefined };
}

/** Moves references into a bundle. */
export function addTo<Tenure extends EndableTenure, Stage>(
  bundle: Bundle<Tenure, Stage>,
  references: References<Tenure, Stage>,
): void {
  bundle.first ??= firstOf(references);
  if (isSplit(references)) addShares(bundle, references, 1);
  else if (isBundle(references)) {
    for (const [tenure, parts] of references.parts)
      for (const { stage, byIndex, span } of parts) {
        const part = partOf(bundle, tenure, stage);
        for (const [index, ranges] of byIndex) addRanges(rangesOf(part, index), ranges);
        part.span = spanOfBoth(part.span, span);
      }
    for (const [split, count] of references.shares) addShares(bundle, split, count);
  } else {
    const { tenure, stage, index, ordinal, sequenceNumber } = references;
    const part = partOf(bundle, tenure, stage);
    addNumber(rangesOf(part, index), ordinal);
    widen(part, ordinal, sequenceNumber);
  }
}

function widen({ span }: Part<unknown>, ordinal: number, sequenceNumber: string | undefined): void {
  if (ordinal > span.high) [span.high, span.last] = [ordinal, sequenceNumber];
  if (ordinal < span.low) [span.low, span.first] = [ordinal, sequenceNumber];
}

/** A new span of both. */
function spanOfBoth(one: Span, other: Span): Span {
  const [lower, higher] = [one.low <= other.low ? one : other, one.high >= other.high ? one : other];
  return { low: lower.low, high: higher.high, first: lower.first, last: higher.last };
}

function addShares<Tenure extends EndableTenure, Stage>(
  { shares }: Bundle<Tenure, Stage>,
  split: Split<Tenure, Stage>,
  count: number,
): void {
  shares.set(split, (shares.get(split) ?? 0) + count);
}

function partOf<Tenure extends EndableTenure, Stage>(
  { parts }: Bundle<Tenure, Stage>,
  tenure: Tenure,
  stage: Stage,
): Part<Stage> {
  let ofTenure = parts.get(tenure);
  if (ofTenure === undefined) parts.set(tenure, (ofTenure = []));
  let part = ofTenure.find((each) => each.stage === stage);
  if (part === undefined) {
    const span = { low: Infinity, high: -Infinity, first: undefined, last: undefined };
    ofTenure.push((part = { stage, byIndex: new Map(), span }));
  }
  return part;
}

function rangesOf<Stage>({ byIndex }: Part<Stage>, index: number): NumberRanges {
  let ranges = byIndex.get(index);
  if (ranges === undefined) byIndex.set(index, (ranges = emptyRanges()));
  return ranges;
}

/** Settles references: their message is done. Items of ended tenures are passed to `settle`, too: it may leave them out. */
export function settleReferences<Tenure extends EndableTenure, Stage>(
  references: References<Tenure, Stage>,
  settle: Settle<Tenure, Stage>,
): void {
  // Splits of splits may be as deep as a pipe is long: a loop, because a pipe may be long.
  const due: References<Tenure, Stage>[] = [references];
  const settleShares = (split: Split<Tenure, Stage>, count: number): void => {
    split.open -= count;
    if (split.open === 0 && split.of !== undefined) due.push(split.of);
  };
  for (let next = due.pop(); next !== undefined; next = due.pop()) {
    if (isSplit(next)) settleShares(next, 1);
    else if (isBundle(next)) {
      for (const [tenure, parts] of next.parts)
        for (const { stage, byIndex } of parts)
          for (const [index, ranges] of byIndex)
            forEachNumber(ranges, (ordinal) => settle(tenure, stage, ordinal, index));
      for (const [split, count] of next.shares) settleShares(split, count);
    } else settle(next.tenure, next.stage, next.ordinal, next.index);
  }
}

/** What is left of references once the ended tenures are taken out. */
export interface LiveReferences<Tenure extends EndableTenure, Stage> {
  /** Undefined: nothing is left. */
  readonly live: References<Tenure, Stage> | undefined;
  /** Whether something was taken out. */
  readonly hasLost: boolean;
}

/** Takes out what belongs to ended tenures. A bundle and a split are changed in place. */
export function withoutEnded<Tenure extends EndableTenure, Stage>(
  references: References<Tenure, Stage>,
): LiveReferences<Tenure, Stage> {
  if (isSplit(references)) {
    if (references.of === undefined) return { live: undefined, hasLost: true };
    if (isBundle(references.of) && !someEnded(tenuresBehind(references, references.of)))
      return { live: references, hasLost: false };
    references.tenures = undefined;
    forEachEndedTenure(references.of, (tenure) => void (references.lost ??= new Set()).add(tenure));
    const { live, hasLost } = withoutEnded(references.of);
    references.of = live;
    return { live: live === undefined ? undefined : references, hasLost };
  }
  if (!isBundle(references)) {
    const isLost = references.tenure.ended;
    return { live: isLost ? undefined : references, hasLost: isLost };
  }
  let hasLost = false;
  for (const tenure of references.parts.keys()) if (tenure.ended) hasLost = references.parts.delete(tenure);
  for (const split of references.shares.keys()) {
    const ofSplit = withoutEnded(split);
    hasLost ||= ofSplit.hasLost;
    if (ofSplit.live === undefined) references.shares.delete(split);
  }
  if (references.first?.tenure.ended === true) references.first = undefined;
  return { live: isEmptyBundle(references) ? undefined : references, hasLost };
}

/** Visits every ended tenure that the references have belonged to, also those that were taken out through another share of a split. */
export function forEachEndedTenure<Tenure extends EndableTenure, Stage>(
  references: References<Tenure, Stage>,
  visit: (tenure: Tenure) => void,
): void {
  if (isSplit(references)) {
    references.lost?.forEach(visit);
    if (references.of !== undefined) forEachEndedTenure(references.of, visit);
  } else if (isBundle(references)) {
    for (const tenure of references.parts.keys()) if (tenure.ended) visit(tenure);
    for (const split of references.shares.keys()) forEachEndedTenure(split, visit);
  } else if (references.tenure.ended) visit(references.tenure);
}

function someEnded<Tenure extends EndableTenure>(tenures: ReadonlySet<Tenure>): boolean {
  for (const { ended } of tenures) if (ended) return true;
  return false;
}

function tenuresBehind<Tenure extends EndableTenure, Stage>(
  split: Split<Tenure, Stage>,
  of: Bundle<Tenure, Stage>,
): ReadonlySet<Tenure> {
  if (split.tenures !== undefined) return split.tenures;
  const tenures = new Set<Tenure>();
  forEachTenure(of, (tenure) => void tenures.add(tenure));
  // What another holder has taken out of a split behind it is not known here yet.
  forEachEndedTenure(of, (tenure) => void tenures.add(tenure));
  split.tenures = tenures;
  return tenures;
}

/** Visits every tenure that the references belong to, some perhaps more than once. */
export function forEachTenure<Tenure extends EndableTenure, Stage>(
  references: References<Tenure, Stage>,
  visit: (tenure: Tenure) => void,
): void {
  if (isSplit(references)) {
    const { of } = references;
    if (of === undefined) return;
    const known = isBundle(of) ? tenuresBehind(references, of) : undefined;
    // An ended tenure may have been taken out of `of` meanwhile, so the list is not trusted.
    if (known === undefined || someEnded(known)) forEachTenure(of, visit);
    else known.forEach(visit);
  } else if (isBundle(references)) {
    for (const tenure of references.parts.keys()) visit(tenure);
    for (const split of references.shares.keys()) forEachTenure(split, visit);
  } else visit(references.tenure);
}

/** Whether the references name this record of such a tenure. */
export function namesRecord<Tenure extends EndableTenure, Stage>(
  references: References<Tenure, Stage>,
  isTenure: (tenure: Tenure) => boolean,
  ordinal: number,
): boolean {
  if (isSplit(references)) return references.of !== undefined && namesRecord(references.of, isTenure, ordinal);
  if (!isBundle(references)) return isTenure(references.tenure) && references.ordinal === ordinal;
  for (const [tenure, parts] of references.parts) {
    if (!isTenure(tenure)) continue;
    for (const { byIndex } of parts) for (const ranges of byIndex.values()) if (hasNumber(ranges, ordinal)) return true;
  }
  for (const split of references.shares.keys()) if (namesRecord(split, isTenure, ordinal)) return true;
  return false;
}

/** Visits the lowest ordinal of each tenure, or several of them. */
export function forEachOldest<Tenure extends EndableTenure, Stage>(
  references: References<Tenure, Stage>,
  visit: (tenure: Tenure, ordinal: number) => void,
): void {
  if (isSplit(references)) {
    if (references.of !== undefined) forEachOldest(references.of, visit);
  } else if (isBundle(references)) {
    for (const [tenure, parts] of references.parts)
      for (const { byIndex } of parts)
        for (const { bounds } of byIndex.values()) if (bounds[0] !== undefined) visit(tenure, bounds[0]);
    for (const split of references.shares.keys()) forEachOldest(split, visit);
  } else visit(references.tenure, references.ordinal);
}

/** An item that names the references in texts: the one that came first, as far as it is known. */
export function firstOf<Tenure extends EndableTenure, Stage>(
  references: References<Tenure, Stage>,
): Reference<Tenure, Stage> | undefined {
  if (isSplit(references)) return references.of === undefined ? undefined : firstOf(references.of);
  return isBundle(references) ? references.first : references;
}

/** How many items the references name. Items behind a split count once for each of its shares here. */
export function countItems<Tenure extends EndableTenure, Stage>(references: References<Tenure, Stage>): number {
  if (isSplit(references)) return references.of === undefined ? 0 : countItems(references.of);
  if (!isBundle(references)) return 1;
  let count = 0;
  for (const parts of references.parts.values())
    for (const { byIndex } of parts) for (const ranges of byIndex.values()) count += countNumbers(ranges);
  for (const split of references.shares.keys()) count += countItems(split);
  return count;
}
