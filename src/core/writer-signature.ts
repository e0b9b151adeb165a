// How `kinactWriter` tells kinact's workers from Java workers. A Java worker's take leaves the attribute in place, so its presence
// alone proves nothing. Therefore the text begins with a digest of the id of the worker that wrote it. If the digest does not match
// the row's owner, a worker that does not know the attribute has taken the row. Related: write-refusal.ts classifies a refused write.

/** FNV-1a, 32 bits: enough to tell the handful of workers of one table apart. */
function digest(workerId: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < workerId.length; index++) hash = Math.imul(hash ^ workerId.charCodeAt(index), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** The start of every `kinactWriter` of a process: the digest of its worker id, and a text that is unique to the process. */
export function writerPrefixOf(workerId: string, processNonce: string): string {
  return `${digest(workerId)}.${processNonce}`;
}

/** The `kinactWriter` of one keeper. `incarnation` is never used twice in a process. */
export function writerOf(writerPrefix: string, incarnation: number | string): string {
  return `${writerPrefix}/${incarnation}`;
}

/** Whether the process with this writerPrefix wrote this `kinactWriter`. */
export function isWriterOf(writerPrefix: string, writer: string | undefined): boolean {
  return writer !== undefined && writer.startsWith(`${writerPrefix}/`);
}

/** Whether the owner is a Java worker: the plan must then follow the KCL's formula. */
export function isForeign(row: { readonly leaseOwner?: string; readonly kinactWriter?: string }): boolean {
  if (row.leaseOwner === undefined) return false;
  return row.kinactWriter === undefined || !row.kinactWriter.startsWith(`${digest(row.leaseOwner)}.`);
}

/** Whether a Java worker has made or taken the row. */
export function isOfJava(row: { readonly leaseOwner?: string; readonly kinactWriter?: string }): boolean {
  return row.leaseOwner === undefined ? row.kinactWriter === undefined : isForeign(row);
}
