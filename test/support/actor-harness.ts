// Runs behaviours against a clock that only the test moves, without nact: effects are carried out at once and in order, and
// results come back as messages. Several "processes" share one harness; `kill` ends an actor and its children as SIGKILL
// would. For tests of coordinator and keeper together.
import type { Behaviour, Effect, Ending, Ref, ReplyTo } from '../../actors/protocol/actor.js';
import { KinactError } from '../../src/api/errors.js';
import type { KinactEvent } from '../../src/api/events.js';

interface Actor {
  readonly ref: Ref<never>;
  readonly behaviour: Behaviour<unknown, unknown>;
  readonly parent: Actor | undefined;
  readonly timers: Map<string, { at: number; message: unknown }>;
  readonly running: Map<string, AbortController>;
  readonly watchers: ((how: Ending) => void)[];
  readonly children: Actor[];
  state: unknown;
  ending: Ending | undefined;
}

interface Asked {
  readonly asker: Actor;
  readonly answered: (answer: unknown) => unknown;
  readonly failed: (error: Error) => unknown;
  readonly to: Actor | undefined;
}

export interface Harness {
  readonly clock: { now(): number; wallNow(): number };
  readonly random: { next(): number };
  readonly events: KinactEvent[];
  readonly counts: Map<string, number>;
  spawn<State, Message>(name: string, behaviour: Behaviour<State, Message>): Ref<Message>;
  tell<Message>(to: Ref<Message>, message: NoInfer<Message>): Promise<void>;
  /** Asks and settles. `answer` is undefined if there is none yet; `later` returns an answer that comes later. */
  ask<Message, A>(
    to: Ref<Message>,
    question: (replyTo: ReplyTo<A>) => NoInfer<Message>,
  ): Promise<{ answer: A | undefined; later: () => A | undefined; hasAnswer: () => boolean }>;
  /** Ends an actor and all its descendants without calling `stopped`. */
  kill(ref: Ref<never>, how?: Partial<Ending>): Promise<void>;
  endingOf(ref: Ref<never>): Ending | undefined;
  statusOf(ref: Ref<never>): object | undefined;
  /** The actor as plain functions, to call one of them by hand. */
  insideOf(ref: Ref<never>): { readonly behaviour: Behaviour<unknown, unknown>; readonly state: unknown };
  advance(ms: number): Promise<void>;
  settle(): Promise<void>;
  eventsOf<Name extends KinactEvent['name']>(name: Name): Extract<KinactEvent, { name: Name }>['data'][];
}

export function actorHarness(seed = 1): Harness {
  const actors = new Map<number, Actor>();
  const asked = new Map<number, Asked>();
  const queue: { to: Actor; message: unknown }[] = [];
  let now = 1_000;
  let state = seed;
  let ids = 0;
  let questions = 0;

  const post = (to: Actor, message: unknown): void => void queue.push({ to, message });

  function finish(actor: Actor, how: Ending, silent = false): void {
    if (actor.ending !== undefined) return;
    actor.ending = how;
    for (const child of [...actor.children]) finish(child, { reason: 'shutdown', orphans: [] }, silent);
    for (const controller of actor.running.values()) controller.abort();
    actor.timers.clear();
    if (!silent) for (const effect of actor.behaviour.stopped?.(actor.state, how.reason) ?? []) perform(actor, effect);
    for (const watcher of actor.watchers) watcher(how);
    for (const [id, { asker, failed, to }] of asked) {
      if (to !== actor) continue;
      asked.delete(id);
      post(asker, failed(new KinactError('ACTOR_STOPPED', 'stopped')));
    }
  }

  function start(
    name: string,
    behaviour: Behaviour<unknown, unknown>,
    parent: Actor | undefined,
    born: (actor: Actor) => void,
  ): void {
    const id = ++ids;
    const actor: Actor = {
      ref: { path: `${name}#${id}`, id },
      behaviour,
      parent,
      timers: new Map(),
      running: new Map(),
      watchers: [],
      children: [],
      state: undefined,
      ending: undefined,
    };
    actors.set(id, actor);
    parent?.children.push(actor);
    const [first, effects] = behaviour.initial(actor.ref as Ref<unknown>);
    actor.state = first;
    born(actor);
    carryOut(actor, effects);
  }

  function carryOut(actor: Actor, effects: readonly Effect<unknown>[]): void {
    // As in the runtime: an actor that has ended or failed has no further effects.
    for (const effect of effects) if (actor.ending === undefined) perform(actor, effect);
  }

  function perform(actor: Actor, effect: Effect<unknown>): void {
    switch (effect.type) {
      case 'send': {
        const to = actors.get(effect.to.id);
        if (to === undefined || to.ending !== undefined)
          harness.counts.set('deadLetter', (harness.counts.get('deadLetter') ?? 0) + 1);
        else post(to, effect.message);
        return;
      }
      case 'ask': {
        const id = ++questions;
        const to = actors.get(effect.to.id);
        if (to === undefined || to.ending !== undefined)
          return post(actor, effect.failed(new KinactError('ACTOR_STOPPED', 'stopped')));
        asked.set(id, {
          asker: actor,
          answered: effect.answered as (answer: unknown) => unknown,
          failed: effect.failed,
          to,
        });
        return post(to, effect.question({ asker: actor.ref, question: id }));
      }
      case 'reply': {
        const found = asked.get((effect.to as ReplyTo<unknown>).question);
        asked.delete((effect.to as ReplyTo<unknown>).question);
        if (found !== undefined) post(found.asker, found.answered(effect.answer));
        return;
      }
      case 'run': {
        const controller = new AbortController();
        if (actor.running.has(effect.name)) throw new Error(`two effects named ${effect.name}`);
        actor.running.set(effect.name, controller);
        const over = (message: () => unknown): void => {
          if (actor.running.get(effect.name) === controller) actor.running.delete(effect.name);
          if (actor.ending === undefined) post(actor, message());
        };
        void (async () => effect.start(controller.signal))().then(
          (result) => over(() => effect.done(result as never)),
          (error: unknown) => over(() => effect.failed(error)),
        );
        return;
      }
      case 'abort':
        actor.running.get(effect.name)?.abort(effect.reason);
        actor.running.delete(effect.name);
        return;
      case 'after':
        return void actor.timers.set(effect.key, { at: now + effect.ms, message: effect.message });
      case 'cancel':
        return void actor.timers.delete(effect.key);
      case 'emit':
        return void harness.events.push(effect.event);
      case 'count':
        return void harness.counts.set(effect.what, (harness.counts.get(effect.what) ?? 0) + (effect.by ?? 1));
      case 'watch': {
        const watched = actors.get(effect.actor.id);
        const tell = (how: Ending): void => post(actor, effect.down(how));
        if (watched?.ending !== undefined) tell(watched.ending);
        else watched?.watchers.push(tell);
        return;
      }
      case 'spawn':
        return start(effect.name, effect.behaviour as unknown as Behaviour<unknown, unknown>, actor, (child) => {
          post(actor, effect.spawned(child.ref));
          child.watchers.push((how) => post(actor, effect.down(child.ref, how)));
        });
      case 'stopChild':
        return finish(actors.get(effect.child.id)!, { reason: 'shutdown', orphans: [] });
      case 'started':
        return;
      case 'end':
        return finish(actor, { reason: 'normal', orphans: [] });
      case 'fail':
        return finish(actor, { reason: 'crash', error: effect.error, orphans: [] });
    }
  }

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < 2; quiet++) {
      for (let due = nextTimer(now); due !== undefined; due = nextTimer(now)) fire(due);
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        quiet = 0;
        if (next.to.ending !== undefined) continue;
        const [after, effects] = next.to.behaviour.receive(next.to.state, next.message);
        next.to.state = after;
        carryOut(next.to, effects);
      }
      await turn();
    }
  }

  function nextTimer(until: number): { actor: Actor; key: string; at: number } | undefined {
    let best: { actor: Actor; key: string; at: number } | undefined;
    for (const actor of actors.values()) {
      for (const [key, { at }] of actor.timers)
        if (at <= until && (best === undefined || at < best.at)) best = { actor, key, at };
    }
    return best;
  }

  function fire({ actor, key }: { readonly actor: Actor; readonly key: string }): void {
    const timer = actor.timers.get(key)!;
    actor.timers.delete(key);
    post(actor, timer.message);
  }

  const asker: Behaviour<undefined, () => void> = {
    kind: 'test',
    initial: () => [undefined, []],
    receive(nothing, act) {
      act();
      return [nothing, []];
    },
  };
  let test: Actor | undefined;

  const harness: Harness = {
    clock: { now: () => now, wallNow: () => 1_700_000_000_000 + now },
    random: {
      next() {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
      },
    },
    events: [],
    counts: new Map(),
    spawn<State, Message>(name: string, behaviour: Behaviour<State, Message>): Ref<Message> {
      let made: Actor | undefined;
      start(name, behaviour as unknown as Behaviour<unknown, unknown>, undefined, (actor) => (made = actor));
      return made!.ref as Ref<unknown>;
    },
    async tell(to, message) {
      post(actors.get(to.id)!, message);
      await settle();
    },
    async ask<Message, A>(to: Ref<Message>, question: (replyTo: ReplyTo<A>) => NoInfer<Message>) {
      test ??= actors.get(harness.spawn('test', asker).id)!;
      let answer: A | undefined;
      let hasAnswer = false;
      perform(test, {
        type: 'ask',
        to,
        question: question as (replyTo: ReplyTo<unknown>) => unknown,
        answered: (given: never) => () => {
          answer = given;
          hasAnswer = true;
        },
        failed: () => () => undefined,
      });
      await settle();
      return { answer, later: () => answer, hasAnswer: () => hasAnswer };
    },
    async kill(ref, how) {
      finish(actors.get(ref.id)!, { reason: 'crash', orphans: [], ...how }, true);
      await settle();
    },
    endingOf: (ref) => actors.get(ref.id)?.ending,
    statusOf: (ref) => actors.get(ref.id)!.behaviour.status?.(actors.get(ref.id)!.state),
    insideOf: (ref) => actors.get(ref.id)!,
    async advance(ms) {
      const until = now + ms;
      await settle();
      for (let due = nextTimer(until); due !== undefined; due = nextTimer(until)) {
        now = Math.max(now, due.at);
        fire(due);
        await settle();
      }
      now = until;
    },
    settle,
    eventsOf: (name) => harness.events.flatMap((event) => (event.name === name ? [event.data as never] : [])),
  };
  return harness;
}
