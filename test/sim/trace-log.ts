// The trace of a run: a hash of all entries, and the last ones, to explain a violation.
import type { TraceEntry } from '../../supervision/intercept.js';
import type { World } from './world.js';

/** How many trace entries are kept, to explain a violation. */
const remembered = 80;

export function note(world: World, name: string, { at, what, to, from, type }: TraceEntry): void {
  const line = `${name} ${Math.round(at)} ${what} ${from === undefined ? '' : `${from} > `}${to} ${type ?? ''}`;
  world.trace.hash = hash(world.trace.hash, line);
  remember(world, line);
}

export function remember({ trace: { last } }: World, line: string): void {
  last.push(line);
  if (last.length >= 2 * remembered) last.splice(0, remembered);
}

function hash(before: number, text: string): number {
  let value = before | 0;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}
