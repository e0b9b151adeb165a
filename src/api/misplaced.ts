// Functions of kinact that are easily given in the wrong place: a sink as a policy, or `park` without its call. A refusal says what was
// given, and what to write. The mark works for every copy of the package.
import { KinactError } from './errors.js';
import { show } from './refusal.js';

const mark = Symbol.for('kinact.misplaced');

/** What a function is, and what to write instead of it. */
export interface Misplaced {
  /** For messages: `a sink made by fileSink`. */
  readonly name: string;
  /** What to write where a policy belongs. */
  readonly asPolicy: string;
  /** What to write where a sink belongs. Absent: it is a sink, or nothing like one. */
  readonly asSink?: string;
  /** Of a sink: what it is and where it keeps items, for messages: `fileSink of /var/parked`. */
  readonly place?: string;
}

/** Marks a function, and returns it. */
export function marked<Marked extends (...args: never[]) => unknown>(it: Marked, as: Misplaced): Marked {
  return Object.defineProperty(it, mark, { value: as });
}

/** What a marked function is; undefined for anything else. */
export function misplaced(value: unknown): Misplaced | undefined {
  return typeof value === 'function' ? (value as { readonly [mark]?: Misplaced })[mark] : undefined;
}

/** Marks a maker of sinks, which must be called. */
export function markMaker(maker: (...args: never[]) => unknown, name: string, options: string): void {
  const call = `${name}(${options})`;
  marked(maker, { name: `the function ${name} itself`, asPolicy: `park(${call})`, asSink: call });
}

/** Shows what was given where a policy belongs, with the cure if there is one. */
export function shownPolicy(value: unknown): string {
  const known = misplaced(value);
  if (known !== undefined) return `${known.name}: write ${known.asPolicy}`;
  if (value === 'retry') return "'retry': write retry()";
  if (value === 'park') return "'park': write park(fileSink({ path: … }))";
  if (hasAny(value, ['type'])) return `${show(value)} of type ${show((value as { readonly type: unknown }).type)}`;
  if (hasAny(value, ['attempts', 'minMs', 'maxMs', 'then'])) return `${show(value)}: write retry({ … })`;
  return show(value);
}

/** Shows what was given where a sink belongs, with the cure if there is one. */
export function shownSink(value: unknown): string {
  const known = misplaced(value);
  if (known !== undefined) return `${known.name}${known.asSink === undefined ? '' : `: write park(${known.asSink})`}`;
  if (hasAny(value, ['path'])) return 'an object with path: write park(fileSink({ path: … }))';
  if (hasAny(value, ['streamName', 'streamArn'])) return 'the name of a stream: write park(kinesisSink({ … }))';
  if (hasAny(value, ['sink'])) return 'the policy of park(): park takes a sink, such as fileSink({ path: … })';
  if (hasAny(value, ['attempts'])) return 'the policy of retry(): write retry({ then: park(sink) })';
  return `${show(value)}: a sink is fileSink({ path: … }), kinesisSink({ streamName: … }) or a function`;
}

function hasAny(value: unknown, names: readonly string[]): boolean {
  return typeof value === 'object' && value !== null && names.some((name) => name in value);
}

/** Refuses a value whose text already says what was given. */
export function refuseShown(path: string, expected: string, shown: string): never {
  throw new KinactError('INVALID_OPTION', `${path}: expected ${expected}, got ${shown}`, { data: { option: path } });
}
