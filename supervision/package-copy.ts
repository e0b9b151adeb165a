// Several copies of this package may run in one process: two versions, or one that a bundler included twice. Each copy works by
// itself. It refuses references and runtimes of another copy with an error that says so. Their nact actors have different names.
import { KinactError } from '../src/api/errors.js';
import { refuse } from '../src/options/option-table.js';
import type { Ref } from './actor.js';
import { cellOf, isRuntime } from './cell.js';

interface Copy {
  /** The location of the copy's code. */
  readonly url: string;
  owns(value: object): boolean;
}

/** This shape must never change: other versions read it. */
interface Process {
  readonly copies: Copy[];
  lastHolder: number;
}

const key = Symbol.for('kinact.process');
const shared = ((globalThis as { [key]?: Process })[key] ??= { copies: [], lastHolder: 0 });
const own: Copy = {
  url: import.meta.url,
  owns: (value) => isRuntime(value) || cellOf(value as Ref<never>) !== undefined,
};
shared.copies.push(own);

/** A number that no copy in this process has had before. */
export function nextHolder(): number {
  shared.lastHolder += 1;
  return shared.lastHolder;
}

/** Throws INVALID_OPTION for a value that another copy has made. */
export function refuseForeign(value: unknown, path: string): void {
  if (typeof value !== 'object' || value === null || own.owns(value)) return;
  const other = shared.copies.find((copy) => copy !== own && copy.owns(value));
  if (other === undefined) return;

  throw new KinactError(
    'INVALID_OPTION',
    `${path}: expected an object of this copy of kinact (${own.url}), got one of another copy in this process (${other.url}); \`npm ls kinact\` shows both, and all parts of an application must share one copy`,
    { data: { option: path } },
  );
}

/** Throws INVALID_OPTION for a value that is not a reference, or is another copy's. */
export function checkRef(ref: unknown, path = 'ref'): void {
  const { path: named, id } = (ref ?? {}) as Partial<Ref<never>>;
  if (typeof named !== 'string' || typeof id !== 'number') refuse(path, 'a reference to an actor', ref);
  refuseForeign(ref, path);
}

/** Throws INVALID_OPTION for a value that is not a runtime, or is another copy's. */
export function checkRuntime(runtime: unknown): void {
  refuseForeign(runtime, 'runtime');
  if (!isRuntime(runtime)) refuse('runtime', 'a runtime made by createRuntime', runtime);
}
