// The runtime's own events. The listener `emit` gets them along with the events of actors.

/** An event that a runtime itself passes to `emit`. */
export type RuntimeEvent =
  /** An actor crashed. */
  | { readonly name: 'actorCrashed'; readonly data: { readonly actor: string; readonly error: Error } }
  /** User effects did not settle by the stop deadline: they may still act. */
  | { readonly name: 'orphaned'; readonly data: { readonly actor: string; readonly effects: readonly string[] } }
  /** A hook, an intercept or a listener of the application threw. */
  | { readonly name: 'warning'; readonly data: { readonly message: string; readonly error: Error } };
