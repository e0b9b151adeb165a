// What the definitions of reducers and nodes have in common: they are plain objects of members, and some members are times.
import { refuse, refuseName } from './refusal.js';

/** A longer timer of Node fires at once. */
export const maxTimerMs = 2_147_483_647;

/** A class and its instances are refused: members are called without `this`, and those of the prototype would be lost. */
export function checkPlainObject(definition: unknown, path: string, expected: string): asserts definition is object {
  if (typeof definition === 'function') {
    const isClass = Function.prototype.toString.call(definition).startsWith('class');
    refuseName(path, `expected ${expected}, got ${isClass ? `the class ${definition.name}` : 'a function'}`);
  }
  if (typeof definition !== 'object' || definition === null || Array.isArray(definition))
    refuse(path, expected, definition);
  const prototype: unknown = Object.getPrototypeOf(definition);
  // The last prototype of a chain is that of plain objects, in every realm.
  if (prototype === null || Object.getPrototypeOf(prototype) === null) return;
  const name = String((prototype as { readonly constructor?: { readonly name?: unknown } }).constructor?.name);
  refuseName(path, `expected ${expected}, got an instance of ${name}: \`this\` is not set in its members`);
}
