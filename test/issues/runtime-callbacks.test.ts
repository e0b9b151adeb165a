// Symptom: a `trace` listener that threw made `spawn` throw, and lost the message of the call. A `deliver` of an intercept that
// threw crashed the sender or, from a timer, ended the process. A listener that returned a rejected promise ended the process.
// Rule: a callback that only observes harms nothing, and its failure is reported.
import { expect } from 'chai';
import type { KinactEvent } from '../../src/api/events.js';
import {
  attachIntercept,
  counters,
  createRuntime,
  send,
  spawn,
  status,
  stop,
  watch,
  type Intercept,
  type RuntimeOptions,
} from '../../supervision/index.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { note, order, puppet } from '../supervision/support.js';

describe('the runtime, with callbacks of the application', () => {
  const clock = new ManualClock();
  let events: KinactEvent[];
  beforeEach(() => {
    clock.install();
    events = [];
  });
  afterEach(() => clock.uninstall());
  const made = (options: RuntimeOptions) =>
    createRuntime({ clock, timers: clock, emit: (event) => events.push(event), ...options });
  const warnings = () =>
    events.flatMap(({ name, data }) => (name === 'warning' ? [(data as { message: string }).message] : []));

  /** Starts an actor, sends it a message in every possible way, and stops it. Returns what it got. */
  const live = async (runtime: ReturnType<typeof made>): Promise<unknown[]> => {
    const notes: unknown[] = [];
    const ref = spawn(runtime, puppet('a', notes), 'a');
    order(ref, { type: 'after', key: 'timer', ms: 10, message: note('timer') });
    order(ref, { type: 'run', name: 'work', kind: 'io', start: () => 'result', done: note, failed: note });
    order(ref, { type: 'send', to: ref, message: note('sent') });
    send(ref, note('from outside'));
    await clock.advance(100);
    const stopped = stop(ref);
    await clock.advance(0);
    expect(await stopped).to.deep.equal({ reason: 'shutdown', orphans: [] });
    expect(status(runtime)).to.deep.equal([]);
    return notes.toSorted();
  };
  const all = ['from outside', 'result', 'sent', 'timer'];

  const failing: readonly [string, () => unknown][] = [
    [
      'throws',
      () => {
        throw new Error('mine');
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('mine');
      },
    ],
    [
      'returns what has a bad then',
      () =>
        Object.defineProperty({}, 'then', {
          get() {
            throw new Error('mine');
          },
        }),
    ],
  ];
  for (const [how, fail] of failing) {
    it(`loses nothing to a trace listener that ${how}, counts each failure, and reports one`, async () => {
      const runtime = made({ trace: fail });
      expect(await live(runtime)).to.deep.equal(all);
      expect(counters(runtime)['listenerFailed']).to.be.above(5);
      expect(warnings()).to.deep.equal(['the listener trace threw; further ones are only counted']);
    });

    it(`loses nothing to an emit listener that ${how}, and counts the failure`, async () => {
      const runtime = made({ emit: fail as never });
      const ref = spawn(runtime, puppet('a'), 'a');
      order(ref, { type: 'fail', error: new Error('crash') });
      await clock.advance(0);
      expect((await watch(ref)).reason).to.equal('crash');
      expect(counters(runtime)).to.deep.equal({ listenerFailed: 1 });
    });

    it(`loses no message to a deliver that ${how}, counts each failure, and reports one`, async () => {
      const runtime = made({ intercept: { deliver: fail as never } });
      expect(await live(runtime)).to.deep.equal(all);
      expect(counters(runtime)['interceptFailed']).to.be.above(5);
      expect(warnings()).to.deep.equal(['deliver of an intercept threw; further ones are only counted']);
    });
  }

  for (const [how, fail] of failing) {
    const passing: Intercept = {
      deliver: (_delivery, deliver) => {
        deliver();
      },
      receive: (_delivery, receive) => {
        receive();
      },
    };
    for (const place of ['before', 'behind']) {
      const two = (attached: Intercept): readonly Intercept[] =>
        place === 'before' ? [attached, passing] : [passing, attached];

      it(`loses no message to a deliver that ${how}, ${place} another one, counts failures, and reports one`, async () => {
        const runtime = made({});
        for (const each of two({ deliver: fail as never })) attachIntercept(runtime, each);
        expect(await live(runtime)).to.deep.equal(all);
        expect(counters(runtime)['interceptFailed']).to.be.above(5);
        expect(warnings()).to.deep.equal(['deliver of an intercept threw; further ones are only counted']);
      });

      it(`crashes the actor of a receive that ${how}, ${place} another one`, async () => {
        const runtime = made({});
        for (const each of two({ receive: fail as never })) attachIntercept(runtime, each);
        const ref = spawn(runtime, puppet('a'), 'a');
        send(ref, note('x'));
        await clock.advance(0);
        expect(await watch(ref)).to.deep.include({ reason: 'crash' });
      });
    }
  }

  it('delivers a message once if deliver throws after it has delivered', async () => {
    const runtime = made({
      intercept: {
        deliver: (_delivery, deliver) => {
          deliver();
          throw new Error('mine');
        },
      },
    });
    expect(await live(runtime)).to.deep.equal(all);
  });

  it('crashes the actor if a receive throws or rejects', async () => {
    for (const receive of [
      () => {
        throw new Error('mine');
      },
      async () => {
        throw new Error('mine');
      },
    ] as NonNullable<Intercept['receive']>[]) {
      const runtime = made({ intercept: { receive } });
      const ref = spawn(runtime, puppet('a'), 'a');
      send(ref, note('x'));
      await clock.advance(0);
      expect(await watch(ref)).to.deep.include({ reason: 'crash' });
    }
  });

  it('accepts an instance of a class as an intercept', async () => {
    class Witness implements Intercept {
      readonly seen: unknown[] = [];
      deliver({ via }: { readonly via: string }, deliver: () => void): void {
        this.seen.push(via);
        deliver();
      }
    }
    const [given, attached] = [new Witness(), new Witness()];
    const runtime = made({ intercept: given });
    attachIntercept(runtime, attached);
    await live(runtime);
    expect(given.seen).to.have.length.above(5);
    expect(attached.seen).to.deep.equal(given.seen);
  });
});
