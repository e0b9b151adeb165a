// Checks that every id that a test put in was also seen. Nothing but ids is compared.
import { visible } from '../core/visible.js';
import { refuse } from '../options/option-table.js';

/** The verdict of `expectNothingLost`. */
export interface NothingLost {
  /** Always 0, because a loss throws. */
  readonly lost: 0;
  /** How many ids were seen more than once: replays, which at-least-once delivery allows. */
  readonly moreThanOnce: number;
}

const shown = 20;

/**
 * Throws unless every id of `input` occurs in `seen`. The error names the first missing ids, in the order of `input`, and has
 * all of them in `missing`. Ids that are only in `seen` are ignored, because other tests may share the stream.
 *
 * Throws INVALID_OPTION if `input` is empty or has an id twice, because a loss might then go unnoticed.
 *
 * @example
 * ```ts
 * const { moreThanOnce } = expectNothingLost(written.map(({ id }) => id), sink.ids);
 * ```
 */
export function expectNothingLost(input: Iterable<string>, seen: Iterable<string>): NothingLost {
  const times = new Map<string, number>();
  for (const id of ids(input, 'input')) {
    // If two records had the same id, one of them could be lost unnoticed.
    if (times.has(id)) refuse('input', 'every id once', `${id} (twice)`);
    times.set(id, 0);
  }
  if (times.size === 0) refuse('input', 'at least one id: an empty input shows no loss', input);

  for (const id of ids(seen, 'seen')) {
    const before = times.get(id);
    if (before !== undefined) times.set(id, before + 1);
  }

  const missing: string[] = [];
  let moreThanOnce = 0;
  for (const [id, count] of times) {
    if (count === 0) missing.push(id);
    else if (count > 1) moreThanOnce += 1;
  }

  if (missing.length > 0) throw lostError(missing, times.size);
  return { lost: 0, moreThanOnce };
}

function* ids(given: Iterable<string>, path: string): Generator<string> {
  const isIterable = typeof (given as Partial<Iterable<string>> | undefined)?.[Symbol.iterator] === 'function';
  if (!isIterable || typeof given === 'string') refuse(path, 'an iterable of ids', given);
  for (const id of given) yield typeof id === 'string' ? id : refuse(path, 'ids that are texts', id);
}

function lostError(missing: readonly string[], total: number): Error {
  const first = visible(missing.slice(0, shown).join(', '));
  const rest = missing.length > shown ? `, and ${missing.length - shown} more` : '';
  return Object.assign(new Error(`${missing.length} of ${total} lost: ${first}${rest}`), { missing });
}
