// Checks what must not compile. The reference type of nact is an empty class, so the compiler refuses nothing there.
import { expect } from 'chai';
import type * as nact from 'nact';
import * as effect from '../../supervision/actor.js';
import type { Ref, ReplyTo } from '../../supervision/actor.js';
import { ask, send, spawn, supervise, type Parent } from '../../supervision/index.js';

type Add = { readonly type: 'add'; readonly n: number };
type Get = { readonly type: 'get'; readonly replyTo: ReplyTo<number> };

describe('types', () => {
  // Compiled, never called: the compiler is the test, and fails on an unused @ts-expect-error.
  const compiled = [
    (theirs: nact.Ref<Add>): nact.Ref<string> => theirs,
    // @ts-expect-error a reference to an actor of other messages does not fit
    (adder: Ref<Add>): Ref<string> => adder,
    (both: Ref<Add | Get>): Ref<Add> => both,
    // @ts-expect-error nor does one whose actor understands less
    (adder: Ref<Add>): Ref<Add | Get> => adder,
    (adder: Ref<Add>) => send(adder, { type: 'add', n: 1 }),
    // @ts-expect-error a message of another shape
    (adder: Ref<Add>) => send(adder, { type: 'add', n: '1' }),
    // @ts-expect-error an unknown message
    (adder: Ref<Add>) => effect.send(adder, { type: 'remove' }),
    async (getter: Ref<Get>): Promise<number> => ask(getter, (replyTo: ReplyTo<number>) => ({ type: 'get', replyTo })),
    // @ts-expect-error an unknown question
    (getter: Ref<Get>) => ask(getter, (replyTo: ReplyTo<number>) => ({ type: 'give', replyTo })),
    // @ts-expect-error the answer is a number
    async (getter: Ref<Get>): Promise<string> => ask(getter, (replyTo: ReplyTo<number>) => ({ type: 'get', replyTo })),
    // @ts-expect-error an answer of the wrong type
    (replyTo: ReplyTo<number>) => effect.reply(replyTo, 'one'),
    (theirs: nact.ActorSystemRef): Parent => theirs,
    (theirs: nact.Ref<Add>): Parent => theirs,
    (ours: Ref<Add>): Parent => ours,
    // @ts-expect-error an unknown strategy
    () => supervise(undefined, { strategy: 'one-for-some', children: [] }),
    // @ts-expect-error not a behaviour
    () => spawn(undefined, { kind: 'x' }),
  ];

  it('compile, or are refused, as marked', () => {
    expect(compiled).to.have.length(16);
  });
});
