// The only file that imports nact (7.6.2): it wraps four functions in types of our own. nact's reset, query and typings are not
// used (docs/actors-on-nact.md). nact actors resume after a crash, but no throw should ever reach nact.
import { dispatch, spawn, start, stop } from 'nact';

/**
 * A reference of the application's own nact: an actor or a system. nact's typings declare its references as an empty class. So
 * the shape can only be checked at run time (`isNactReference`).
 */
export interface NactReference {
  /** nact's word for what it is: `actor` or `system`. */
  readonly type?: string;
  /** The actor system that the reference belongs to. */
  readonly system?: {
    /** The system's name. */
    readonly name?: string | undefined;
  };
}

declare const accepts: unique symbol;

/** A nact actor that we spawned. */
export interface Mailbox<in Message> extends NactReference {
  readonly [accepts]?: (message: Message) => void;
}

/** True for a reference to an actor or a system, whichever copy of nact made it. */
export function isNactReference(value: unknown): value is NactReference {
  if (typeof value !== 'object' || value === null) return false;
  const { type, system } = value as NactReference;
  return (type === 'actor' || type === 'system') && typeof system?.name === 'string';
}

/**
 * The classes of references that our copy of nact makes. References of another copy have other classes, and cannot reach our
 * actors.
 */
let classes: readonly unknown[] | undefined;

/** Whether the copy of nact that this package uses made the reference. */
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
export function spawnMailbox<Message>(
  parent: NactReference,
  name: string,
  receive: (message: Message) => void,
): Mailbox<Message> {
  const handle = (_state: unknown, message: Message): void => receive(message);
  return spawn(parent as never, handle, name, {
    onCrash: (_message, _error, context) => context.resume,
  }) as Mailbox<Message>;
}

/** Queues a message. If the mailbox is gone, the message is lost silently, because nact gives no notice. */
export function dispatchMail<Message>(mailbox: Mailbox<Message>, message: Message): void {
  dispatch(mailbox as never, message as never);
}

/** Stops only this mailbox or system. Its queued messages are dropped; its children continue to run. */
export function stopMailbox(mailbox: NactReference): void {
  stop(mailbox as never);
}

/**
 * Whether messages still reach this mailbox. A spawn is nact's only synchronous test. nact refuses to spawn under an actor that
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

/** Replaces all characters that nact refuses. Names stay unique, because each ends in its incarnation's number. */
export function mailboxName(kind: string, name: string, incarnation: number): string {
  const readable = name === '' ? kind : `${kind}.${name}`;
  return `${readable.replaceAll(':', '!').replaceAll(/[^\w\-$.+!*'(),]/g, '_')}.n${incarnation}`;
}
