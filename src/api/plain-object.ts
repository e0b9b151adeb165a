// What the definitions of reducers and nodes have in common: they are plain objects of members, and some members are times.
import { misplaced } from './misplaced.js';
import { refuse, refuseName } from './refusal.js';

/** A longer timer of Node fires at once. */
export const maxTimerMs = 2_147_483_647;

/** A class and its instances are refused: members are called without `this`, and those of the prototype would be lost. */
export function checkPlainObject(definition: unknown, path: string, expected: string): asserts definition is object {
  if (typeof definition === 'function') refuseName(path, `expected ${expected}, got ${shownFunction(definition)}`);
  if (typeof definition !== 'object' || definition === null || Array.isArray(definition))
    refuse(path, expected, definition);
  if (typeof (definition as { readonly then?: unknown }).then === 'function')
    refuseName(path, `expected ${expected}, got a promise: await it first`);
  const prototype: unknown = Object.getPrototypeOf(definition);
  // The last prototype of a chain is that of plain objects, in every realm.
  if (prototype === null || Object.getPrototypeOf(prototype) === null) return;
  const name = String((prototype as { readonly constructor?: { readonly name?: unknown } }).constructor?.name);
  refuseName(path, `expected ${expected}, got an instance of ${name}: \`this\` is not set in its members`);
}

/** What a function is, with what to write instead of it, if that is known. */
function shownFunction(definition: { readonly name: string }): string {
  const source = Function.prototype.toString.call(definition);
  if (source.startsWith('class')) return `the class ${definition.name}`;
  const known = misplaced(definition);
  if (known !== undefined) return known.name;
  const isAsync = Object.prototype.toString.call(definition) === '[object AsyncFunction]';
  return isAsync ? 'an async function: await what it returns' : 'a function: pass what it returns';
}
