// Makes mutants: a behaviour with a step before or after each of its messages, or an options object with another clock or store.
// Production code has no part in it.
import type { Behaviour, Effect } from '../../../actors/protocol/actor.js';
import { actors, type Actors } from '../../../src/consumer/wiring.js';
import type { Tenure } from '../../../actors/protocol/tenure.js';
import type { Machine } from '../machine.js';
import type { Kind } from '../pool.js';
import type { Link } from '../subscribing.js';

export type AnyMessage = { readonly type: string } & Record<string, any>;
export type AnyEffect = Effect<any>;

/** Without `readonly`: a mutant may change what production code may not. */
type Writable<T> = T extends (...given: never) => unknown
  ? T
  : T extends ReadonlyMap<infer Key, infer Value>
    ? Map<Key, Writable<Value>>
    : T extends ReadonlySet<infer Member>
      ? Set<Member>
      : T extends object
        ? { -readonly [Key in keyof T]: Writable<T[Key]> }
        : T;

type Parts<Kind extends keyof Actors> =
  ReturnType<Actors[Kind]> extends Behaviour<infer State, infer Message, infer _> ? [State, Message] : never;

interface Typed {
  readonly type: string;
}

/** The types of production code, so that tsc finds a mutant of what no longer exists. */
export type StateOf<Kind extends keyof Actors> = Writable<Parts<Kind>[0]>;
export type MessageTo<Kind extends keyof Actors> = Writable<Extract<Parts<Kind>[1], Typed>>;

export interface Around<State, Message extends Typed> {
  /** The message that the behaviour gets instead; undefined: none. */
  readonly before?: (state: State, message: Message) => Message | undefined;
  readonly after?: (state: State, message: Message, effects: readonly AnyEffect[]) => readonly AnyEffect[];
}

export type AroundOf<Kind extends keyof Actors> = Around<StateOf<Kind>, MessageTo<Kind> & Typed>;

export function around<B, State, Message extends Typed>(behaviour: B, { before, after }: Around<State, Message>): B {
  const inner = behaviour as Behaviour<State, Message>;
  const outer: Behaviour<State, Message> = {
    ...inner,
    receive(state, message) {
      const given = (before === undefined ? message : before(state, message)) as Message | undefined;
      if (given === undefined) return [state, []];
      const [next, effects] = inner.receive(state, given);
      return [next, after === undefined ? effects : after(next, given, effects)];
    },
  };
  return outer as B;
}

/** A part that is made as usual and then wrapped. */
export const wrapped = <Kind extends keyof Actors>(kind: Kind, how: AroundOf<Kind>, base: Actors = actors): Actors => ({
  ...base,
  [kind]: (options: never) => around((base[kind] as (given: never) => unknown)(options), how),
});

type OptionsOf<Kind extends keyof Actors> = Parameters<Actors[Kind]>[0];
type Known<Others> = [Others] extends [never] ? unknown : never;

/** A part that is made with changed options. An option that does not exist is an error, because it would change nothing. */
export const given = <Kind extends keyof Actors, Changed extends OptionsOf<Kind>>(
  kind: Kind,
  change: ((options: OptionsOf<Kind>) => Changed) & Known<Exclude<keyof Changed, keyof OptionsOf<Kind>>>,
  base: Actors = actors,
): Actors => ({
  ...base,
  [kind]: (options: Parameters<Actors[Kind]>[0]) => (base[kind] as (given: unknown) => unknown)(change(options)),
});

/** Replaces messages that an actor sends. */
export function resent(
  effects: readonly AnyEffect[],
  change: (message: AnyMessage) => AnyMessage | undefined,
): readonly AnyEffect[] {
  const sent: AnyEffect[] = [];
  for (const effect of effects) {
    const message = effect.type === 'send' ? change(effect.message as AnyMessage) : undefined;
    if (effect.type !== 'send') sent.push(effect);
    else if (message !== undefined) sent.push({ ...effect, message });
  }
  return sent;
}

/** A reducer that sees only the deadline of a tenure, and not that the tenure has ended earlier. */
export const blindToEnds = (base: Actors = actors): Actors => {
  const blind = (tenure: Tenure): Tenure => {
    let last = tenure.deadline;
    return Object.create(tenure, {
      ended: { get: () => false, set: () => {} },
      deadline: { get: () => (last = tenure.deadline || last) },
    }) as Tenure;
  };
  return wrapped(
    'reducer',
    {
      before: (_state, message) => {
        if (message.type !== 'items') return message;
        for (const item of message['items'] as { tenure: Tenure }[]) item.tenure = blind(item.tenure);
        return message;
      },
    },
    base,
  );
};

type MakeActors = (process: { readonly machine: Machine }) => Actors & { readonly link?: Link };

export interface Mutant {
  readonly name: string;
  /** Makes the parts of one process; called once for each process. */
  readonly make: MakeActors;
  /** What is simulated with it. Default: `cluster`. */
  readonly kind?: Kind;
  /** Only a Java worker shows this mutant: seeds without one are skipped. */
  readonly besideJava?: true;
  /** Only a pipe shows this mutant: seeds without one are skipped. */
  readonly piped?: true;
  /**
   * Set if a second defence is known to mask the mutant. `by` is the defence, `make` makes the mutant with the defence off as well,
   * and `off` turns only the defence off. If `off` alone breaks an invariant in a seed, the seed proves nothing about the mutant.
   */
  readonly masked?: { readonly by: string; readonly make: MakeActors; readonly off?: MakeActors };
}
