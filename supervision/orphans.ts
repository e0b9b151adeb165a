// The user effects that outlived a stop, by the actor that started them. Every ending also names the orphans of all actors below.
// They are kept as a tree and listed on demand, because lists at each of 10,000 levels would copy every name that often.

export interface Orphans {
  /** The orphans of the actor itself. */
  names: readonly string[];
  /** Those of its children, if they have any, in the order in which the children ended. */
  readonly below: Orphans[];
}

export function noOrphans(): Orphans {
  return { names: [], below: [] };
}

export function anyOrphans({ names, below }: Orphans): boolean {
  return names.length > 0 || below.length > 0;
}

/** Lists all names: those of the actors below first, in the order in which they ended. */
export function listOrphans(orphans: Orphans): readonly string[] {
  if (orphans.below.length === 0) return orphans.names;
  const reversed: string[] = [];
  const pending = [orphans];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (let at = next.names.length - 1; at >= 0; at -= 1) reversed.push(next.names[at] as string);
    for (const each of next.below) pending.push(each);
  }
  return reversed.reverse();
}
