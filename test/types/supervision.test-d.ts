// Checked by tsc alone: what the constructors of `kinact/supervision` infer, without a type argument anywhere.
import { expectTypeOf } from 'expect-type';
import {
  ask,
  createRuntime,
  effect,
  spawn,
  supervisor,
  type Behaviour,
  type ChildStarted,
  type Effect,
  type Ref,
  type ReplyTo,
  type RuntimeEvent,
  type Step,
} from '../../supervision/index.js';

type LimiterMessage =
  | { readonly type: 'allow'; readonly replyTo: ReplyTo<boolean> }
  | { readonly type: 'remaining'; readonly replyTo: ReplyTo<number> }
  | { readonly type: 'refill' };
declare const limiter: Ref<LimiterMessage>;

// The answer is what the asked message says, from outside ...
expectTypeOf(ask(limiter, (replyTo) => ({ type: 'allow', replyTo }))).toEqualTypeOf<Promise<boolean>>();
expectTypeOf(ask(limiter, (replyTo) => ({ type: 'remaining', replyTo }))).toEqualTypeOf<Promise<number>>();
// @ts-expect-error no such question
void ask(limiter, (replyTo) => ({ type: 'deny', replyTo }));

// ... and from a behaviour, whose results may be different members of its union.
type Mine = { readonly type: 'allowed'; readonly ok: boolean } | { readonly type: 'unknown'; readonly error: Error };
const asked = effect.ask(limiter, (replyTo) => ({ type: 'allow', replyTo }), {
  answered: (ok) => ({ type: 'allowed', ok }),
  failed: (error) => ({ type: 'unknown', error }),
});
expectTypeOf(asked).toExtend<Effect<Mine, never>>();
const ran = effect.run({
  name: 'load',
  kind: 'io',
  start: async () => 5,
  done: (count) => ({ type: 'allowed', ok: count > 4 }),
  failed: () => ({ type: 'unknown', error: new Error('x') }),
});
expectTypeOf(ran).toExtend<Effect<Mine, never>>();
// @ts-expect-error the result is a number
effect.run({ name: 'x', kind: 'io', start: async () => 5, done: (it: string) => it, failed: () => 'x' });

// Each effect in the one list that a behaviour returns.
type All = Mine | { readonly type: 'down' } | { readonly type: 'tick' };
type AppEvent = { readonly name: 'opened'; readonly by: number };
declare const child: Behaviour<number, LimiterMessage, AppEvent>;
const step: Step<number, All, AppEvent> = [
  1,
  [
    asked,
    ran,
    effect.send(limiter, { type: 'refill' }),
    effect.abort('load', new Error('late')),
    effect.after('tick', 5, { type: 'tick' }),
    effect.cancel('tick'),
    effect.emit({ name: 'opened', by: 1 }),
    effect.count('ticks'),
    effect.watch(limiter, () => ({ type: 'down' })),
    effect.spawn('one', child, { spawned: () => ({ type: 'tick' }), down: () => ({ type: 'down' }) }),
    effect.started(),
    effect.stopChild(limiter),
    effect.end(),
    effect.fail(new Error('no')),
  ],
];
void step;
// @ts-expect-error an event of another application
const other: Step<number, All, AppEvent> = [1, [effect.emit({ name: 'closed' })]];
void other;
// @ts-expect-error a message of another actor
const foreign: Step<number, All> = [1, [effect.after('x', 5, { type: 'refill' })]];
void foreign;

// The stop hook has the four effects that still make sense then.
type StopHook = NonNullable<Behaviour<number, All, AppEvent>['stopped']>;
const lastWords: StopHook = () => [effect.send(limiter, { type: 'refill' }), effect.emit({ name: 'opened', by: 1 })];
void lastWords;
// @ts-expect-error a timer of an actor that has ended
const tooLate: StopHook = () => [effect.after('tick', 5, { type: 'tick' })];
void tooLate;

createRuntime<AppEvent>({ emit: (event) => expectTypeOf(event).toEqualTypeOf<AppEvent | RuntimeEvent>() });

const root = spawn(undefined, supervisor({ children: [{ id: 'one', start: () => child }] }));
expectTypeOf(
  ask(root, (replyTo) => ({ type: 'startChild', spec: { id: 'two', start: () => child }, replyTo })),
).toEqualTypeOf<Promise<ChildStarted>>();
