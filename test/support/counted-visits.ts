// Counts how many elements of built-in collections are visited, copied or searched while a function runs. Unlike time, this measure of
// work is the same on every machine.

const arrays = [
  'map',
  'filter',
  'slice',
  'splice',
  'concat',
  'flatMap',
  'some',
  'every',
  'find',
  'findIndex',
  'indexOf',
];
const more = ['includes', 'reverse', 'forEach', 'sort', 'shift', 'unshift', 'toReversed', 'reduce', 'reduceRight'];

/** Each call counts with the size of its collection. All calls in the process count. */
export async function countVisits(run: () => Promise<void>): Promise<number> {
  let visits = 0;
  const undo: (() => void)[] = [];
  const watch = (prototype: object, name: PropertyKey, sizeOf: (of: never) => number): void => {
    const original = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor;
    const method = original.value as (...args: unknown[]) => unknown;
    const counted = function (this: never, ...args: unknown[]): unknown {
      visits += sizeOf(this);
      return Reflect.apply(method, this, args);
    };
    Object.defineProperty(prototype, name, { ...original, value: counted });
    undo.push(() => Object.defineProperty(prototype, name, original));
  };
  const length = (array: { readonly length: number }): number => array.length;
  const size = (collection: { readonly size: number }): number => collection.size;
  for (const name of [...arrays, ...more, Symbol.iterator]) watch(Array.prototype, name, length);
  for (const prototype of [Map.prototype, Set.prototype]) {
    for (const name of ['keys', 'values', 'entries', 'forEach', Symbol.iterator]) watch(prototype, name, size);
  }
  try {
    await run();
  } finally {
    for (const each of undo) each();
  }
  return visits;
}
