// The moments at which an actor can be killed: right before or after it handles a message, and around each of its effects. First a
// run is watched for its moments. Then a run of the same scenario is struck at one of them.
import { attachIntercept, crash, type Delivery, type Intercept, type Ref } from '../../supervision/index.js';
import { cellOf } from '../../supervision/cell.js';
import type { Member, World } from './world.js';

/** `unstarted`: the effect never begins. `under way`: it has begun. `settled`: it has settled, and its actor does not know yet. */
export type When = 'before' | 'after' | 'unstarted' | 'under way' | 'settled';

export interface Moment {
  readonly kind: string;
  /** `reply tenure/granted`: how it came and what it is; `effect renew`: the effect's name. */
  readonly what: string;
  readonly when: When;
  /** Which of its occurrences, from 0. */
  readonly nth: number;
}

/** By kind, by what, by when: for each occurrence whether anything was open then. */
export type Observed = Map<string, Map<string, Map<When, boolean[]>>>;

export function kindOf({ path }: Ref<never>): string {
  return path.split(/[/#]/, 1)[0] as string;
}

const isRunning = (ref: Ref<never>): boolean => cellOf(ref)?.phase === 'running';

/** The type of the message and, if it has several meanings, which of them. */
export function typeOf(message: unknown): string {
  const { type, news, answer, result, outcome, end, plan } = message as Record<string, { type?: string } & string>;
  const part =
    type === 'childEnding' || type === 'childDown' ? undefined : (news ?? answer ?? result ?? outcome ?? end ?? plan);
  return typeof part?.type === 'string' ? `${type as string}/${part.type}` : String(type);
}

/** The kind of an effect: `renew#7` and `parents/shardId-000000000000/3` are the seventh and the third of their kinds. */
export function effectOf(name: string): string {
  return name.split(/[/#]/, 1)[0] as string;
}

/** Whether to kill the actor at this moment. */
type Listener = (actor: Ref<never>, what: string, when: When) => boolean;

/** Calls the listener at every moment of this consumer's actors. */
function listen(member: Member, listener: Listener): void {
  const struck = (actor: Ref<never>, what: string, when: When): boolean => {
    if (!isRunning(actor) || !listener(actor, what, when)) return false;
    crash(actor, new Error(`killed ${when} ${what}`));
    return true;
  };
  const intercept: Intercept = {
    receive: ({ to, via, message }: Delivery, receive) => {
      const what = `${via} ${typeOf(message)}`;
      if (struck(to, what, 'before')) return;
      receive();
      struck(to, what, 'after');
    },
    startEffect: (actor, { name }, start) => {
      const what = `effect ${effectOf(name)}`;
      if (struck(actor, what, 'unstarted')) throw new Error('its actor was killed');
      const result = start() as PromiseLike<unknown> | undefined;
      struck(actor, what, 'under way');
      if (typeof result?.then !== 'function') return result;
      const settled = (): void => void struck(actor, what, 'settled');
      void result.then(settled, settled);
      return result;
    },
  };
  attachIntercept(member.consumer.runtime, intercept);
}

/** Notes every moment of a run. */
export function observe(world: World, observed: Observed): (member: Member) => void {
  return (member) =>
    listen(member, (actor, what, when) => {
      const whats = entry(observed, kindOf(actor), () => new Map<string, Map<When, boolean[]>>());
      const whens = entry(whats, what, () => new Map<When, boolean[]>());
      entry(whens, when, () => []).push(world.oracle.hasOpen());
      return false;
    });
}

export const middle = (from: readonly number[]): number => from[from.length >> 1] as number;

/** One moment for each kind, message and place. `pick` chooses among those at which something is open. */
export function momentsIn(observed: Observed, pick: (from: readonly number[]) => number): Moment[] {
  const moments: Moment[] = [];
  for (const [kind, whats] of observed) {
    for (const [what, whens] of whats) {
      for (const [when, open] of whens) {
        moments.push({ kind, what, when, nth: pick(indices(open)) });
      }
    }
  }
  return moments;
}

/** The occurrences at which something was open; all occurrences if nothing ever was. */
export function indices(open: readonly boolean[]): readonly number[] {
  const good = open.flatMap((isOpen, at) => (isOpen ? [at] : []));
  return good.length > 0 ? good : open.map((_, at) => at);
}

export interface Strike {
  kills: number;
  /** Whether the consumer had been asked to stop by the time of the first kill. */
  stopping: boolean;
  attach(member: Member): void;
}

/** Kills an actor each time that `chooses` returns true. */
export function strikeWhere(chooses: (member: Member, ...at: Parameters<Listener>) => boolean): Strike {
  const strike: Strike = {
    kills: 0,
    stopping: false,
    attach: (member) =>
      listen(member, (...at) => {
        if (!chooses(member, ...at)) return false;
        if (strike.kills === 0) strike.stopping = member.stopping !== undefined;
        strike.kills += 1;
        return true;
      }),
  };
  return strike;
}

/** A listener that returns true once, for the actor that comes to this moment. */
export function comes(moment: Moment): Listener {
  let left = moment.nth;
  let isOver = false;
  return (actor, what, when) => {
    if (isOver || when !== moment.when || what !== moment.what || kindOf(actor) !== moment.kind || left-- > 0)
      return false;
    isOver = true;
    return true;
  };
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
