// The only importer of nact (7.6.2): four of its functions behind types of our own. nact's reset, query and typings are used
// nowhere (docs/design.md section 4). Its crash policy resumes, and no throw may reach it.
import { dispatch, spawn, start, stop } from 'nact';

/**
 * A reference of the application's own nact: an actor or a system. nact's typings declare its references as an empty class.
 * So the shape can only be checked when the program runs (`isNactReference`).
 */
export interface NactReference {
  readonly type?: string;
  readonly system?: { readonly name?: string | undefined };
}

declare const accepts: unique symbol;

/** A nact actor that we spawned. */
export interface Mailbox<in M> extends NactReference {
  readonly [accepts]?: (message: M) => void;
}

/** True for a reference to an actor or a system, whichever copy of nact made it. */
export function isNactReference(value: unknown): value is NactReference {
  if (typeof value !== 'object' || value === null) return false;
  const { type, system } = value as NactReference;
  return (type === 'actor' || type === 'system') && typeof system?.name === 'string';
}

/** The classes of our nact's references. Those of another copy of nact, which can reach nothing of ours, have other classes. */
let classes: readonly unknown[] | undefined;

/** Whether the copy of nact that this package uses made it. */
export function isOfOurNact(reference: NactReference): boolean {
  if (classes === undefined) {
    const system = startNactSystem();
    classes = [system.constructor, spawnMailbox(system, 'probe', () => {}).constructor];
    stopMailbox(system);
  }
  return classes.includes(reference.constructor);
}

/** Starts a nact system of our own. */
export function startNactSystem(): NactReference {
  return start() as NactReference;
}

/**
 * Spawns a nact actor that hands each message to `receive`, one per `setImmediate`. `receive` must not throw. Throws when
 * the parent has stopped.
 */
export function spawnMailbox<M>(parent: NactReference, name: string, receive: (message: M) => void): Mailbox<M> {
  const handle = (_state: unknown, message: M): void => receive(message);
  return spawn(parent as never, handle, name, { onCrash: (_message, _error, context) => context.resume }) as Mailbox<M>;
}

/** Queues a message. Silent when the mailbox is gone: nact gives no notice. */
export function dispatchMail<M>(mailbox: Mailbox<M>, message: M): void {
  dispatch(mailbox as never, message as never);
}

/** Stops this one mailbox or system. What is queued in it is dropped; its children run on. */
export function stopMailbox(mailbox: NactReference): void {
  stop(mailbox as never);
}

/**
 * Whether messages still reach this mailbox. nact has one synchronous sign of life. It refuses to spawn under an actor that
 * it cannot find on the path from the system down, and dispatch makes the same search.
 */
export function isReachable(mailbox: NactReference): boolean {
  try {
    stopMailbox(spawnMailbox(mailbox, 'probe', () => {}));
    return true;
  } catch {
    return false;
  }
}

/** nact refuses any other character; names stay unique because each ends in its incarnation's number. */
export function mailboxName(kind: string, name: string, incarnation: number): string {
  const readable = name === '' ? kind : `${kind}.${name}`;
  return `${readable.replaceAll(':', '!').replaceAll(/[^\w\-$.+!*'(),]/g, '_')}.n${incarnation}`;
}
