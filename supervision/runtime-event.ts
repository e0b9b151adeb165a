// The runtime's own events. The listener `emit` gets them along with the events of actors.

/** An event that a runtime itself passes to `emit`. */
export type RuntimeEvent =
  /** An actor crashed. */
  | {
      readonly name: 'actorCrashed';
      /** Who, and why. */
      readonly data: {
        /** The actor's path. */
        readonly actor: string;
        /** What it crashed with. */
        readonly error: Error;
      };
    }
  /** User effects did not end by the stop deadline: they may still act. */
  | {
      readonly name: 'orphaned';
      /** Who, and what still runs. */
      readonly data: {
        /** The actor's path. */
        readonly actor: string;
        /** The names of the effects that still run. */
        readonly effects: readonly string[];
      };
    }
  /** A hook, an intercept or a listener of the application threw. */
  | {
      readonly name: 'warning';
      /** What happened. */
      readonly data: {
        /** Which of them threw, in words. */
        readonly message: string;
        /** What was thrown. */
        readonly error: Error;
      };
    };
