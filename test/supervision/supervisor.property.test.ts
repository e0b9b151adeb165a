// I21: our supervisor, on the real runtime and real nact in virtual time, does what the model of OTP's supervisor does.
import { expect } from 'chai';
import fc from 'fast-check';
import type { Ref } from '../../supervision/actor.js';
import { createRuntime, endingOf, stopRoot } from '../../supervision/system.js';
import { send, supervise, type ChildSpec, type SupervisorMessage } from '../../supervision/index.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { nursery, type Order } from './nursery.js';
import { OtpModel, type ModelOptions, type ModelSpec } from './otp-model.js';

const ids = ['a', 'b', 'c', 'd'];
const anyId = fc.constantFrom(...ids);
const how = fc.constantFrom('normal' as const, 'crash' as const);
const anyOptions: fc.Arbitrary<ModelOptions> = fc.record({
  strategy: fc.constantFrom('one-for-one' as const, 'rest-for-one' as const, 'one-for-all' as const),
  intensity: fc.integer({ min: 0, max: 4 }),
  periodMs: fc.constantFrom(10, 100),
  autoShutdown: fc.constantFrom('never' as const, 'any-significant' as const, 'all-significant' as const),
});
const anyRestart = fc.constantFrom('permanent' as const, 'transient' as const, 'temporary' as const);
const anySpec = fc.record({ id: anyId, restart: anyRestart, significant: fc.boolean() });
const anyCommand = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('die' as const),
      deaths: fc.array(fc.tuple(anyId, how), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('advance' as const), ms: fc.constantFrom(5, 10, 11, 100) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('fail' as const), id: anyId, times: fc.integer({ min: 1, max: 2 }) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('startChild' as const), spec: anySpec }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('terminateChild' as const), id: anyId }) },
);

/** A significant child must be able to end for good, and needs a supervisor with autoShutdown. */
const sane = (options: ModelOptions, spec: ModelSpec): ModelSpec => ({
  ...spec,
  significant: spec.significant && spec.restart !== 'permanent' && options.autoShutdown !== 'never',
});

describe('a supervisor', () => {
  const clock = new ManualClock();
  before(() => clock.install());
  after(() => clock.uninstall());

  it('starts, stops, restarts, drops and gives up exactly as the OTP model does (I21)', async function () {
    this.timeout(60_000);
    let restarts = 0;
    let gaveUp = 0;
    const property = fc.asyncProperty(
      anyOptions,
      fc.uniqueArray(anySpec, { selector: (spec) => spec.id, maxLength: 4 }),
      fc.array(anyCommand, { maxLength: 12 }),
      fc.constantFrom('one-by-one' as const, 'together' as const),
      fc.option(anyId, { freq: 8 }),
      async (options, specs, commands, stopChildren, failsFirst) => {
        const runtime = createRuntime({ clock, timers: clock });
        const failures = new Map(failsFirst === null ? [] : [[failsFirst, 1]]);
        const model = new OtpModel(
          options,
          specs.map((spec) => sane(options, spec)),
          failures,
        );
        const log: string[] = [];
        const { refs, child } = nursery(failures, log);
        const spec = (each: ModelSpec): ChildSpec => ({ ...each, start: () => child(each.id) });
        const children = specs.map((one) => spec(sane(options, one)));
        const ours = supervise(runtime, { ...options, stopChildren, children });
        let ended = 'running';
        void endingOf(ours).then((ending) => (ended = ending.reason));
        await clock.advance(0);
        for (const command of commands) {
          const seen = `${JSON.stringify(command)} after ${log.join(', ')}`;
          await apply(command, ours, refs, failures, model, options, spec);
          expect(log, seen).to.deep.equal(model.log);
          expect([...refs.keys()].sort(), seen).to.deep.equal(model.alive().sort());
          expect(ended, seen).to.equal(model.ended);
        }
        restarts += model.log.length - specs.length > 4 ? 1 : 0;
        gaveUp += model.ended === 'crash' ? 1 : 0;
        void stopRoot(ours, { deadlineMs: 0 });
        await clock.advance(0);
        expect(refs.size).to.equal(0);
      },
    );
    await fc.assert(property, { numRuns: 2_000 });
    expect(restarts).to.be.above(60);
    expect(gaveUp).to.be.above(60);
  });

  async function apply(
    command: typeof anyCommand extends fc.Arbitrary<infer C> ? C : never,
    ours: Ref<SupervisorMessage>,
    refs: ReadonlyMap<string, Ref<Order>>,
    failures: Map<string, number>,
    model: OtpModel,
    options: ModelOptions,
    spec: (spec: ModelSpec) => ChildSpec,
  ): Promise<void> {
    switch (command.type) {
      case 'die':
        for (const [id, way] of command.deaths) {
          const ref = refs.get(id);
          if (ref !== undefined) send(ref, { type: way === 'crash' ? 'crash' : 'end' });
        }
        model.die(command.deaths, clock.now());
        break;
      case 'advance':
        await clock.advance(command.ms);
        break;
      case 'fail':
        failures.set(command.id, command.times);
        model.failures.set(command.id, command.times);
        break;
      case 'startChild': {
        const one = sane(options, command.spec);
        send(ours, { type: 'startChild', spec: spec(one) });
        model.startChild(one);
        break;
      }
      case 'terminateChild':
        send(ours, { type: 'terminateChild', id: command.id });
        model.terminateChild(command.id);
    }
    await clock.advance(0);
  }
});
