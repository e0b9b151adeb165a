// A set of whole numbers as ranges. Numbers that come in rising order, the usual case, cost O(1) each, and a run of neighbours costs two
// numbers in all.

/** `bounds` has the first and the last number of each range, in rising order. Neighbouring ranges are one. */
export interface NumberRanges {
  bounds: number[];
}

export function emptyRanges(): NumberRanges {
  return { bounds: [] };
}

/** Adds a number. A number that is there already changes nothing. */
export function addNumber(ranges: NumberRanges, number: number): void {
  const { bounds } = ranges;
  const newest = bounds[bounds.length - 1];
  if (newest === undefined || number > newest + 1) bounds.push(number, number);
  else if (number === newest + 1) bounds[bounds.length - 1] = number;
  else insertNumber(bounds, number);
}

function insertNumber(bounds: number[], number: number): void {
  const at = firstEndingAt(bounds, number - 1);
  const from = bounds[at] as number;
  const to = bounds[at + 1] as number;
  if (number < from - 1) bounds.splice(at, 0, number, number);
  else if (number === from - 1) bounds[at] = number;
  else if (number === to + 1) {
    const touchesNext = bounds[at + 2] === number + 1;
    if (touchesNext) bounds.splice(at + 1, 2);
    else bounds[at + 1] = number;
  }
}

/** The place of the first range whose last number is not below `number`. There is one. */
function firstEndingAt(bounds: readonly number[], number: number): number {
  let low = 0;
  let high = bounds.length / 2 - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((bounds[2 * middle + 1] as number) < number) low = middle + 1;
    else high = middle;
  }
  return 2 * low;
}

/** Adds all numbers of `others`. */
export function addRanges(ranges: NumberRanges, others: NumberRanges): void {
  const added = others.bounds;
  const newest = ranges.bounds[ranges.bounds.length - 1];
  if (newest === undefined || (added[0] ?? Infinity) > newest + 1) for (const bound of added) ranges.bounds.push(bound);
  else ranges.bounds = merged(ranges.bounds, added);
}

function merged(left: readonly number[], right: readonly number[]): number[] {
  const bounds: number[] = [];
  let leftAt = 0;
  let rightAt = 0;
  while (leftAt < left.length || rightAt < right.length) {
    const takesLeft = (left[leftAt] ?? Infinity) <= (right[rightAt] ?? Infinity);
    const from = (takesLeft ? left[leftAt] : right[rightAt]) as number;
    const to = (takesLeft ? left[leftAt + 1] : right[rightAt + 1]) as number;
    if (takesLeft) leftAt += 2;
    else rightAt += 2;
    const newest = bounds[bounds.length - 1];
    if (newest === undefined || from > newest + 1) bounds.push(from, to);
    else if (to > newest) bounds[bounds.length - 1] = to;
  }
  return bounds;
}

export function hasNumber({ bounds }: NumberRanges, number: number): boolean {
  if (bounds.length === 0 || number > (bounds[bounds.length - 1] as number)) return false;
  return number >= (bounds[firstEndingAt(bounds, number)] as number);
}

export function countNumbers({ bounds }: NumberRanges): number {
  let count = 0;
  for (let at = 0; at < bounds.length; at += 2) count += (bounds[at + 1] as number) - (bounds[at] as number) + 1;
  return count;
}

export function forEachNumber({ bounds }: NumberRanges, visit: (number: number) => void): void {
  for (let at = 0; at < bounds.length; at += 2) {
    const to = bounds[at + 1] as number;
    for (let number = bounds[at] as number; number <= to; number += 1) visit(number);
  }
}
