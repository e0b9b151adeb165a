// Places the mailboxes of a runtime in nact, under one actor: the holder. The holder lives under the application's parent, or in
// a nact system of our own. nact gives no notice when the application stops that parent, so this file probes for it. Called by
// `incarnation.ts`.
import { KinactError } from '../src/api/errors.js';
import { count, type Engine } from './cell.js';
import { nextHolder } from './package-copy.js';
import {
  isReachable,
  mailboxName,
  spawnMailbox,
  startNactSystem,
  stopMailbox,
  type Mailbox,
  type NactReference,
} from './nact.js';
import { beginStop } from './actor-stop.js';

/** Opens a mailbox for an actor. Throws PARENT_STOPPED when the application has stopped the parent of all mailboxes. */
export function openMailbox(engine: Engine, name: string, receive: (mail: unknown) => void): Mailbox<unknown> {
  const holder = holderOf(engine);
  try {
    return spawnMailbox(holder, name, receive);
  } catch (cause) {
    stopOrphanedTree(engine);
    throw parentStopped(cause);
  }
}

/** The nact actor above all mailboxes of a runtime, the only child that this runtime adds to the application's parent. */
function holderOf(engine: Engine): NactReference {
  if (engine.holder !== undefined) return engine.holder;

  const parent = engine.options.parent ?? (engine.system ??= startNactSystem());
  try {
    engine.holder = spawnMailbox(parent, mailboxName('kinact', '', nextHolder()), () =>
      count(engine, 'unknownMessage'),
    );
  } catch (cause) {
    throw parentStopped(cause);
  }

  if (engine.options.parent !== undefined) scheduleProbe(engine);
  return engine.holder;
}

/** Checks every `probeMs` whether nact still finds the holder. If not, the application has stopped our parent; everything stops. */
function scheduleProbe(engine: Engine): void {
  engine.stopProbe = engine.timers.after(engine.options.probeMs, () => {
    if (engine.holder === undefined) return;
    if (isReachable(engine.holder)) scheduleProbe(engine);
    else stopOrphanedTree(engine);
  });
}

function stopOrphanedTree(engine: Engine): void {
  for (const root of [...engine.roots]) beginStop(root, 'shutdown', parentStopped(), root.shutdownMs);
}

/** After the last root has stopped, removes everything of ours from the application's nact. */
export function releaseHolder(engine: Engine): void {
  if (engine.roots.size > 0) return;
  engine.stopProbe?.();
  if (engine.holder !== undefined) stopMailbox(engine.holder);
  if (engine.system !== undefined) stopMailbox(engine.system);
  engine.holder = undefined;
  engine.system = undefined;
}

function parentStopped(cause?: unknown): KinactError {
  return new KinactError('PARENT_STOPPED', 'The application has stopped the nact parent or system.', {
    ...(cause === undefined ? {} : { cause }),
  });
}
