// Suggests the name that a person meant who misspelled an option or a member.

/** The error text for an unknown name. It suggests the nearest known name; if none is near, it lists all names. */
export function unknownName(what: 'option' | 'member', given: string, names: readonly string[]): string {
  const nearest = nearestName(given, names);
  return `no such ${what}; ${nearest === undefined ? `known: ${names.join(', ')}` : `did you mean ${nearest}?`}`;
}

/** The name nearest to `given`: at most a third of the letters, but at least one, may differ. Undefined if no name is that near. */
export function nearestName(given: string, names: readonly string[]): string | undefined {
  const most = Math.max(1, Math.floor(given.length / 3));
  let nearest: string | undefined;
  let least = most + 1;
  for (const name of names) {
    // The lengths alone show that this name cannot be nearer.
    if (Math.abs(name.length - given.length) >= least) continue;
    const steps = distance(given.toLowerCase(), name.toLowerCase());
    if (steps < least) [nearest, least] = [name, steps];
  }
  return nearest;
}

/** The Levenshtein distance. The lengths bound its time and space, and both names are short. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, place) => place);
  for (let at = 1; at <= one.length; at += 1) {
    const next = [at];
    for (let place = 1; place <= other.length; place += 1) {
      const changed = (row[place - 1] as number) + (one[at - 1] === other[place - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[place] as number) + 1, (next[place - 1] as number) + 1));
    }
    row = next;
  }
  return row[other.length] as number;
}
