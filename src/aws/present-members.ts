// What an answer of the service really says. A member that the model calls optional may be absent, null or an empty
// string, depending on who wrote it and whose client read it. Here all three are absent. Called for every small answer
// of Kinesis, and for descriptions of tables. GetRecords, whose records come by the thousand, does the same by itself
// (get-records.ts).

/** A copy without members that say nothing, at every depth. Lists keep their length: an entry that is null stays. */
export function presentMembers<Answer>(answer: Answer): Partial<Answer> {
  return (present(answer) ?? {}) as Partial<Answer>;
}

function present(value: unknown): unknown {
  if (value === null || value === '') return undefined;
  if (Array.isArray(value)) return value.map((entry) => present(entry) ?? null);
  // Dates, bytes and everything else with a class of its own is a value.
  if (typeof value !== 'object' || !isPlain(value)) return value;
  const members = Object.entries(value).map(([name, member]) => [name, present(member)] as const);
  return Object.fromEntries(members.filter(([, member]) => member !== undefined));
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
