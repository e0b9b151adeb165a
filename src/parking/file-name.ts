// The names of the files of parked items: they sort by time, and say which process wrote the file. The file sink makes them, and the
// reader of a folder recognizes them.

const pattern = /^parked-\d{8}T\d{9}Z-\d+\.jsonl$/;

export function isParkedFileName(name: string): boolean {
  return pattern.test(name);
}

/** Returns a function that gives a new name with each call. The time in the names rises, even if the clock goes back. */
export function parkedFileName(processId: number, wallNow: () => number): () => string {
  let last = 0;
  return () => {
    last = Math.max(last + 1, wallNow());
    return `parked-${new Date(last).toISOString().replaceAll(/[-:.]/g, '')}-${processId}.jsonl`;
  };
}
