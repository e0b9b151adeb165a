// The regressions of the runtime once more, on the built package, as an application imports it.
import { expect } from 'chai';
import type * as Supervision from '../../supervision/index.js';
import type * as Kinact from '../../src/index.js';
import type { Behaviour, Effect, Ref, ReplyTo } from '../../actors/protocol/actor.js';

const [supervisionName, kinactName, testingName] = ['kinact/supervision', 'kinact', 'kinact/testing'];

describe('the built package', () => {
  let actors: typeof Supervision;
  before(async () => (actors = (await import(supervisionName as string)) as typeof Supervision));

  const leaf = (): Behaviour<undefined, 'crash'> => ({
    kind: 'leaf',
    initial: () => [undefined, []],
    receive: () => {
      throw new Error('a leaf crashed');
    },
  });

  it('stops 2,000 children and a chain of 2,000 actors, and lets a supervisor of 2,000 give up', async () => {
    const children = Array.from({ length: 2_000 }, (_, at) => ({ id: `c${at}`, start: leaf }));
    const asked = (ref: Ref<Supervision.SupervisorMessage>) =>
      actors.ask(ref, (replyTo: ReplyTo<readonly Supervision.ChildInfo[]>) => ({ type: 'children', replyTo }));
    const stopped = actors.supervise(undefined, { children });
    await asked(stopped);
    expect(await actors.stop(stopped)).to.deep.equal({ reason: 'shutdown', orphans: [] });

    const gaveUp = actors.supervise(undefined, { children, intensity: 0 });
    const [first] = await asked(gaveUp);
    actors.send(first?.ref as Ref<'crash'>, 'crash');
    expect((await actors.watch(gaveUp)).error).to.include({ code: 'RESTART_INTENSITY' });

    const nothing = (): never => undefined as never;
    const link = (left: number): Behaviour<undefined, never> => {
      const below = (): Effect<never> =>
        actors.effect.spawn('below', link(left - 1), { spawned: nothing, down: nothing });
      return { kind: 'link', initial: () => [undefined, left === 0 ? [] : [below()]], receive: () => [undefined, []] };
    };
    expect(await actors.stop(actors.spawn(undefined, link(2_000)))).to.deep.equal({ reason: 'shutdown', orphans: [] });
  });

  it('refuses a string as deadlineMs, and an empty input of expectNothingLost', async () => {
    const { createConsumer, defineReducer } = (await import(kinactName as string)) as typeof Kinact;
    const testing = (await import(testingName as string)) as {
      fakeStream: () => { source: never };
      expectNothingLost: (...of: unknown[]) => unknown;
    };
    const reducer = defineReducer({ init: () => 0, reduce: (n: number) => n + 1 });
    const consumer = createConsumer({ application: 'orders', source: testing.fakeStream().source, reducer });
    const refused = await consumer.stop({ deadlineMs: '5000' as never }).catch((error: unknown) => error);
    expect(refused).to.have.property('message', "deadlineMs: expected milliseconds, 0 to 2147483647, got '5000'");
    expect((await consumer.stop()).drained).to.equal(true);
    expect(() => testing.expectNothingLost([], ['a'])).to.throw(/^input: expected at least one id/);
  });
});
