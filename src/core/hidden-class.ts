// Classes whose objects user code gets. What a class has as static members would be within its reach, by the constructor of an object.

/** No object of the class leads to the class, and nobody can change its prototype. Printing an object shows what its getters say. */
export function hideClass({ prototype }: { readonly prototype: object }): void {
  delete (prototype as { constructor?: unknown }).constructor;
  const own = Object.entries(Object.getOwnPropertyDescriptors(prototype));
  const getters = own.flatMap(([name, descriptor]) => (descriptor.get === undefined ? [] : [name]));
  Object.defineProperty(prototype, Symbol.for('nodejs.util.inspect.custom'), {
    value(this: Readonly<Record<string, unknown>>) {
      return Object.fromEntries(getters.map((name) => [name, name === 'token' ? '[Token]' : this[name]]));
    },
  });
  Object.freeze(prototype);
}
