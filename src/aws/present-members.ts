// Removes the empty members of an answer. A member that the model calls optional may be absent, null or an empty string,
// depending on the service and on the client. Here all three become absent. Used for every Kinesis answer but GetRecords, and for
// descriptions of tables. GetRecords returns records by the thousand, so get-records-answer.ts checks them itself.

/** A copy without null and empty members, at every depth. Lists keep their length: an empty entry becomes null. */
export function presentMembers<Answer>(answer: Answer): Partial<Answer> {
  return (present(answer) ?? {}) as Partial<Answer>;
}

function present(value: unknown): unknown {
  if (value === null || value === '') return undefined;
  if (Array.isArray(value)) return value.map((entry) => present(entry) ?? null);
  // Dates, bytes and other instances of classes are values.
  if (typeof value !== 'object' || !isPlain(value)) return value;
  const members = Object.entries(value).map(([name, member]) => [name, present(member)] as const);
  return Object.fromEntries(members.filter(([, member]) => member !== undefined));
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
