// The messages of an origin, which stands in the place of the stages, to its pipe. It also sends `items` and `punctuation`, as
// a stage does.

export type OriginRequest =
  /** Nothing more comes: when the first node has processed what is here, each node flushes, drains, and ends, and so does the pipe. */
  | { readonly type: 'upstreamFailed' }
  /** A failed call that waits for another attempt does not wait out its pause. */
  | { readonly type: 'hurry' };
