// Listeners, intercepts, behaviours and user calls stop, crash, spawn, send and ask in the middle of the runtime's work, at moments
// drawn from a seed. Whatever they do, each actor ends once and does nothing afterwards, and nothing is left.
import { expect } from 'chai';
import type { Behaviour, Effect, Ending, Ref } from '../../supervision/actor.js';
import { openQuestions } from '../../supervision/ask.js';
import {
  actorsOf,
  ask,
  createRuntime,
  crash,
  send,
  spawn,
  stop,
  supervise,
  watch,
  type ChildSpec,
  type Runtime,
  type TraceEntry,
} from '../../supervision/index.js';
import { isKinactError } from '../../src/api/errors.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { seeded } from '../support/virtual-consumer.js';

type Told =
  | { readonly type: (typeof orders)[number] }
  | { readonly type: 'note' | 'silence' }
  | { readonly type: 'question'; readonly replyTo: never };

const orders = ['work', 'fetch', 'throw', 'end', 'ask', 'stop', 'wait', 'spawn'] as const;
const note = (): Told => ({ type: 'note' });

interface Worker {
  readonly self: Ref<Told>;
  started: number;
  over: boolean;
}

/** One run: a supervisor, its workers, and the calls in the middle of their work. */
class Run {
  readonly complaints: string[] = [];
  readonly #clock: ManualClock;
  /** The count is per process, and other tests leave questions open. */
  readonly #openBefore = openQuestions();
  readonly #random: { next(): number };
  readonly #runtime: Runtime;
  readonly #actors: Ref<Told>[] = [];
  readonly #endings = new Map<string, Ending[]>();
  readonly #ended = new Set<string>();
  readonly #rate: number;
  #crashes = 0;
  /** How many calls are left, and how deeply they are nested now. */
  #left = 0;
  #depth = 0;

  constructor(clock: ManualClock, seed: number) {
    this.#clock = clock;
    this.#random = seeded(seed);
    this.#rate = this.#pick([0.01, 0.03, 0.1]);
    const meddle = (): void => this.#meddle();
    const around = <T>(go: () => T): T => {
      meddle();
      const result = go();
      meddle();
      return result;
    };
    this.#runtime = createRuntime({
      clock,
      timers: clock,
      emit: ({ name }) => {
        if (name === 'actorCrashed') this.#crashes += 1;
        meddle();
      },
      trace: (entry) => (this.#check(entry), meddle()),
      ...(this.#random.next() < 0.5
        ? {}
        : {
            intercept: {
              deliver: (_delivery, go) => around(go),
              receive: (_delivery, go) => around(go),
              startEffect: (_actor, _info, go) => around(go),
            },
          }),
    });
  }

  async over(): Promise<void> {
    const children = Array.from({ length: 1 + this.#upTo(4) }, (_, index): ChildSpec => ({
      id: `c${index}`,
      start: () => this.#worker(),
      restart: this.#pick(['permanent', 'transient', 'temporary']),
      shutdown: this.#pick([0, 10, 100]),
    }));
    const root = supervise(this.#runtime, {
      strategy: this.#pick(['one-for-one', 'rest-for-one', 'one-for-all']),
      intensity: this.#pick([0, 1, 5]),
      stopChildren: this.#pick(['together', 'one-by-one']),
      children,
    });
    this.#know(root as unknown as Ref<Told>);
    this.#left = 3 + this.#upTo(10);
    for (let step = 0; step < 15; step += 1) {
      if (this.#random.next() < 0.6) this.#act();
      await this.#clock.advance(this.#upTo(30));
    }
    this.#left = 0;
    const stopped = stop(root, { deadlineMs: 500 });
    await this.#clock.advance(2_000);
    await stopped;
    await this.#clock.advance(0);
    this.#complainOfWhatIsLeft();
  }

  #complainOfWhatIsLeft(): void {
    for (const { path } of this.#actors) {
      const times = this.#endings.get(path)?.length;
      if (times !== 1) this.complaints.push(`${path} was said to have ended ${times} times`);
    }
    const crashed = [...this.#endings.values()].flat().filter(({ reason }) => reason === 'crash').length;
    if (crashed !== this.#crashes) this.complaints.push(`${this.#crashes} crashes were reported, ${crashed} ended so`);
    if (actorsOf(this.#runtime).length > 0) this.complaints.push('actors are left');
    if (openQuestions() > this.#openBefore) this.complaints.push('questions are open');
    if (this.#clock.pending() > 0) this.complaints.push('timers are left');
  }

  #pick<const T>(from: readonly T[]): T {
    return from[this.#upTo(from.length)] as T;
  }

  #upTo(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }

  #know(actor: Ref<Told>): void {
    this.#actors.push(actor);
    const { path } = actor;
    void watch(actor).then((how) => this.#endings.set(path, [...(this.#endings.get(path) ?? []), how]));
  }

  #check({ what, to }: TraceEntry): void {
    if (this.#ended.has(to) && what !== 'settled') this.complaints.push(`${what} of ${to}, which has stopped`);
    if (what === 'stopped') this.#ended.add(to);
  }

  #meddle(): void {
    if (this.#left === 0 || this.#depth > 3 || this.#random.next() > this.#rate) return;
    this.#left -= 1;
    this.#depth += 1;
    this.#act();
    this.#depth -= 1;
  }

  #act(): void {
    const actor = this.#pick(this.#actors);
    switch (this.#pick(['stop', 'stop', 'crash', 'spawn', 'send', 'send', 'ask'])) {
      case 'stop':
        return void stop(actor, { deadlineMs: this.#pick([0, 10, 1_000, Infinity]) });
      case 'crash':
        return crash(actor, new Error('for the test'));
      case 'spawn':
        return this.#spawn(actor);
      case 'send':
        return send(actor, { type: this.#pick(orders) });
      case 'ask':
        ask(actor, (replyTo) => ({ type: 'question', replyTo: replyTo as never })).catch(() => {});
    }
  }

  #spawn(parent: Ref<Told>): void {
    try {
      spawn(parent, this.#worker(), '', { shutdownMs: this.#pick([0, 5, 100]) });
    } catch (refused) {
      if (!isKinactError(refused) || !['ACTOR_STOPPED', 'START_FAILED'].includes(refused.code)) throw refused;
    }
  }

  #worker(): Behaviour<Worker, Told> {
    return {
      kind: 'worker',
      initial: (self) => {
        this.#know(self);
        this.#meddle();
        if (this.#random.next() < 0.05) throw new Error('no start');
        const worker = { self, started: 0, over: false };
        return [worker, this.#random.next() < 0.3 ? [this.#run(worker, 'user')] : []];
      },
      receive: (worker, told) => {
        if (worker?.over !== false) this.complaints.push('a message was handled after the end');
        this.#meddle();
        return [worker, this.#handle(worker, told)];
      },
      stopped: (worker) => {
        if (worker.over) this.complaints.push('a stop hook was called twice');
        worker.over = true;
        this.#meddle();
        return [{ type: 'emit', event: { name: 'warning', data: { message: 'the last words' } } }];
      },
    };
  }

  #handle(worker: Worker, told: Told): readonly Effect<Told>[] {
    const meddled = (): Told => (this.#meddle(), note());
    switch (told.type) {
      case 'work':
        return [this.#run(worker, 'user')];
      case 'fetch':
        return [this.#run(worker, 'io')];
      case 'throw':
        throw new Error('for the test');
      case 'end':
        return [{ type: 'end' }, this.#run(worker, 'user')];
      case 'stop':
        void stop(worker.self, { deadlineMs: this.#pick([0, 50]) });
        return [this.#run(worker, 'user')];
      case 'wait':
        return [{ type: 'after', key: 'wait', ms: this.#upTo(50), message: note() }];
      case 'ask': {
        const to = this.#pick(this.#actors);
        const question = (replyTo: unknown): Told => (this.#meddle(), { type: 'question', replyTo: replyTo as never });
        return [
          { type: 'ask', to, question, answered: note, failed: meddled, deadlineMs: 100 },
          { type: 'watch', actor: to, down: meddled },
        ];
      }
      case 'spawn': {
        const behaviour = this.#worker() as unknown as Behaviour<never, never>;
        const shutdownMs = this.#pick([0, 20]);
        return [{ type: 'spawn', name: 'child', behaviour, shutdownMs, spawned: note, ending: meddled, down: meddled }];
      }
      case 'question':
        return this.#random.next() < 0.5 ? [] : [{ type: 'reply', to: told.replyTo, answer: 'yes' }];
      default:
        return [];
    }
  }

  #run(worker: Worker, kind: 'io' | 'user'): Effect<Told> {
    worker.started += 1;
    const start = (signal: AbortSignal): unknown => {
      if (signal.aborted) this.complaints.push('an effect began when it had been aborted');
      this.#meddle();
      switch (this.#pick(['done', 'throws', 'late', 'never', 'aborts'])) {
        case 'done':
          return 'done';
        case 'throws':
          throw new Error('for the test');
        case 'late':
          return new Promise((resolve) => void this.#clock.after(this.#upTo(100), () => resolve('late')));
        case 'never':
          return new Promise(() => {});
        case 'aborts':
          return new Promise<void>((resolve) =>
            signal.addEventListener('abort', () => {
              this.#meddle();
              resolve();
            }),
          );
      }
    };
    return { type: 'run', name: `${kind} ${worker.started}`, kind, start, done: note, failed: note };
  }
}

describe('the runtime, under calls in the middle of its work', () => {
  const clock = new ManualClock();
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());

  it('ends each actor once, runs nothing of it afterwards, and leaves no actor, question or timer', async () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const run = new Run(clock, seed);
      await run.over();
      expect(run.complaints, `seed ${seed}`).to.deep.equal([]);
    }
  });
});
