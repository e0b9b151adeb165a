// The runtime's own events, among those that its actors emit.

/** What a runtime itself reports to `emit`. */
export type RuntimeEvent =
  /** An actor crashed. */
  | { readonly name: 'actorCrashed'; readonly data: { readonly actor: string; readonly error: Error } }
  /** User effects did not settle by the stop deadline: they may still act. */
  | { readonly name: 'orphaned'; readonly data: { readonly actor: string; readonly effects: readonly string[] } }
  /** A hook, an intercept or a listener of the application threw. */
  | { readonly name: 'warning'; readonly data: { readonly message: string; readonly error: Error } };
