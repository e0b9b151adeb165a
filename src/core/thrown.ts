// What is thrown need not be an error, but code that handles a failure needs one, or its text.

/** The error itself, or one that has what was thrown as its cause. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}

/** What the error says, or what was thrown as text. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
