// How the value of a pipe's message becomes bytes, and comes back from them. Only parking writes values.

/** Where a value failed, or comes back. */
export interface MessagePlace {
  /** The name of the node that gets the value, without its number: `aggregate`. */
  readonly node: string;
}

/**
 * Says how the values of a pipe become bytes, so that `park` can set them aside. `json` is one. Both functions are synchronous. What
 * `serialize` returns is read back at once: a value is parked only if `deserialize` does not throw.
 */
export interface MessageFormat {
  /** The bytes of a value, or a text, which is written as UTF-8. Throw if the value cannot be written: it is not parked then. */
  readonly serialize: (value: unknown, place: MessagePlace) => Uint8Array | string;
  /** The value that these bytes were made of. */
  readonly deserialize: (bytes: Buffer, place: MessagePlace) => unknown;
}
