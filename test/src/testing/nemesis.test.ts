// A nemesis injects exactly the requested faults, and the same ones again for the same seed. The consumer loses nothing.
import { expect } from 'chai';
import { isKinactError } from '../../../src/api/errors.js';
import { expectNothingLost, ManualClock, nemesis, type Nemesis } from '../../../src/testing/index.js';
import { walk } from '../../../src/api/status.js';
import type { Engine } from '../../../supervision/cell.js';
import type { Delivery } from '../../../supervision/intercept.js';
import { textOf } from '../../support/consumer-harness.js';
import { inVirtualTime } from '../../support/virtual.js';
import { seeded, virtualConsumer, type VirtualConsumer, type VirtualOptions } from '../../support/virtual-consumer.js';

interface Scene extends VirtualConsumer {
  readonly clock: ManualClock;
  readonly chaos: Nemesis;
  put(count: number): void;
  numbers(): number[];
  alive(kind: string): string[];
  nothingLost(): void;
}

type SceneOptions = VirtualOptions & { readonly seed?: number; readonly shards?: number };
let scenes: Scene[] = [];
async function scene(options: SceneOptions = {}): Promise<Scene> {
  const { seed = 1, shards = 1, ...rest } = options;
  const clock = new ManualClock();
  clock.install();
  const made = virtualConsumer(clock, { restart: { intensity: 1_000 }, streamOptions: { shards }, ...rest });
  let put = 0;
  const it: Scene = {
    ...made,
    clock,
    chaos: nemesis(made.consumer, { seed }),
    put: (count) => {
      for (let left = count; left > 0; left -= 1) made.stream.put({ partitionKey: `k${put % 7}`, data: String(put++) });
    },
    numbers: () => made.seen.map((item) => Number(textOf(item))),
    alive: (kind) =>
      walk(made.consumer.status().tree)
        .filter(({ path, phase }) => phase === 'running' && new RegExp(`^${kind}[/#]`).test(path))
        .map(({ path }) => path),
    nothingLost: () => {
      expectNothingLost(
        Array.from({ length: put }, (_, n) => String(n)),
        made.seen.map(textOf),
      );
      const rows = [...(made.stream.leases.get('orders')?.rows.values() ?? [])];
      for (const shardId of made.stream.shardIds()) {
        const last = made.stream.recordsOf(shardId).at(-1)?.sequenceNumber;
        if (last !== undefined) expect(rows.find(({ leaseKey }) => leaseKey === shardId)?.checkpoint).to.equal(last);
      }
    },
  };
  scenes.push(it);
  await inVirtualTime(clock, it.consumer.start());
  await clock.advance(3_000);
  return it;
}

afterEach(async () => {
  for (const { chaos, clock, consumer } of scenes) {
    chaos[Symbol.dispose]();
    await inVirtualTime(clock, consumer.stop());
    await clock.advance(60_000);
    clock.uninstall();
    expect(clock.pending()).to.equal(0);
  }
  scenes = [];
});

const typeOf = ({ message }: Delivery): unknown => (message as { readonly type?: unknown } | null)?.type;
const codeOf = (act: () => unknown): string | undefined => {
  try {
    act();
  } catch (error) {
    return isKinactError(error) ? error.code : String(error);
  }
  return undefined;
};

describe('nemesis.kill', () => {
  it('crashes an actor in the middle of a user call, and no record is lost', async () => {
    let aborted = false;
    const { chaos, clock, consumer, heard, put, ...it } = await scene({
      reducers: 1,
      onItem: (_item, signal) =>
        new Promise<void>((resolve) => {
          clock.after(50, () => ((aborted ||= signal.aborted), resolve()));
        }),
    });
    put(20);
    await clock.advance(275);
    const killed = chaos.kill('reducer/0');
    expect(killed).to.match(/^reducer\/0#\d+$/);
    await clock.advance(60_000);
    expect(aborted, 'the call under way').to.equal(true);
    expect(heard('actorCrashed').map(({ actor }) => actor)).to.include(killed);
    expect(heard('pipelineRestarted')).to.have.length(1);
    expect(consumer.status().restarts).to.equal(1);
    expect(it.alive('reducer')).to.have.length(1).and.not.include(killed);
    expect(chaos.log).to.have.length(1);
    expect(chaos.log[0]).to.deep.include({ what: 'kill', target: killed });
    expect(chaos.report()).to.include('seed 1').and.include(`kill ${killed}`);
    it.nothingLost();
  });

  it('accepts a path with or without incarnation, or a kind, and refuses dead actors and unknown kinds', async () => {
    const { alive, chaos, clock } = await scene();
    const [first] = alive('reducer');
    expect(chaos.kill(first as string)).to.equal(first);
    await clock.advance(5_000);
    expect(codeOf(() => chaos.kill(first as string))).to.equal('ACTOR_STOPPED');
    expect(codeOf(() => chaos.kill('reducer/99'))).to.equal('ACTOR_STOPPED');
    expect(codeOf(() => chaos.kill('reducr'))).to.equal('INVALID_OPTION');
    expect(codeOf(() => void chaos.kill('reducr', { at: 'items' }))).to.equal('INVALID_OPTION');
    expect(chaos.kill('shard-worker')).to.match(/^shard-worker\/shardId-000000000000#/);
    await clock.advance(5_000);
    expect(chaos.kill('lease-coordinator')).to.match(/^lease-coordinator\/orders#/);
  });

  it('crashes an actor before a message, whose record comes once, or after, and the record comes twice', async () => {
    const seenBy: string[] = [];
    const it = await scene({
      reducers: 1,
      onItem: (item) => void seenBy.push(`${textOf(item)} ${it.alive('reducer').join()}`),
    });
    const { alive, chaos, clock, put } = it;
    const [first] = alive('reducer');
    const before = chaos.kill('reducer', { at: 'items' });
    put(1);
    await clock.advance(5_000);
    expect(await before).to.equal(first);
    const [second] = alive('reducer');
    expect(seenBy).to.deep.equal([`0 ${second}`]);
    const after = chaos.kill('reducer/0', { at: 'items', when: 'after' });
    put(1);
    await clock.advance(10_000);
    expect(await after).to.equal(second);
    const [third] = alive('reducer');
    expect(seenBy).to.deep.equal([`0 ${second}`, `1 ${second}`, `1 ${third}`]);
    it.nothingLost();
  });

  for (const [when, seen] of [
    ['before', [0]],
    ['during', [0, 0]],
    ['after', [0, 0]],
  ] as const) {
    it(`crashes an actor ${when} an effect: the record comes ${seen.length === 1 ? 'once' : 'twice'}`, async () => {
      let finished = 0;
      const { chaos, clock, nothingLost, numbers, put } = await scene({
        reducers: 1,
        onItem: () => new Promise<void>((resolve) => void clock.after(100, () => ((finished += 1), resolve()))),
      });
      const killed = chaos.kill('reducer', { effect: 'reduce', when });
      put(1);
      await clock.advance(99);
      expect(chaos.log).to.have.length(when === 'after' ? 0 : 1);
      await clock.advance(10_000);
      expect(await killed).to.match(/^reducer\/0#/);
      expect(numbers()).to.deep.equal(seen);
      expect(finished).to.equal(seen.length);
      nothingLost();
    });
  }

  it('is withdrawn by heal, which rejects the pending promises', async () => {
    const { chaos, clock, consumer, put } = await scene();
    const waiting = [chaos.kill('reducer', { at: 'items' }), chaos.kill('reducer', { effect: 'reduce' })];
    chaos.heal();
    for (const each of waiting) expect(await each.catch((error: unknown) => error)).to.include({ code: 'STOPPED' });
    put(3);
    await clock.advance(5_000);
    expect(consumer.status().restarts).to.equal(0);
  });

  it('crashes a random actor below the supervisors, or one of the given kinds', async () => {
    const { chaos, clock, consumer } = await scene();
    for (let n = 0; n < 12; n += 1) {
      expect(chaos.killRandom()).to.match(
        /^(lease-coordinator|lease-keeper|stage|reducer|shard-worker(?:-supervisor)?)[/#]/,
      );
      await clock.advance(20_000);
    }
    expect(chaos.killRandom({ kinds: ['stage'] })).to.match(/^stage\/0#/);
    await inVirtualTime(clock, consumer.stop());
    expect(codeOf(() => chaos.killRandom())).to.equal('ACTOR_STOPPED');
  });
});

describe('nemesis.pause', () => {
  it('holds the messages of an actor, which handles them in order after resume or the given time', async () => {
    const { chaos, clock, nothingLost, numbers, put } = await scene({ reducers: 1 });
    const resume = chaos.pause('reducer');
    const again = chaos.pause('reducer');
    for (let n = 0; n < 5; n += 1) {
      put(4);
      await clock.advance(500);
    }
    expect(numbers()).to.deep.equal([]);
    resume();
    resume();
    await clock.advance(100);
    expect(numbers(), 'two have paused it').to.deep.equal([]);
    again();
    await clock.advance(100);
    expect(numbers()).to.deep.equal(Array.from({ length: 20 }, (_, n) => n));
    chaos.pause('reducer', { ms: 700 });
    put(1);
    await clock.advance(699);
    expect(numbers()).to.have.length(20);
    await clock.advance(10_000);
    expect(numbers()).to.have.length(21);
    expect(chaos.log.map(({ what }) => what)).to.deep.equal(['pause', 'pause', 'resume', 'resume', 'pause', 'resume']);
    nothingLost();
  });
});

describe('nemesis.delay and nemesis.duplicate', () => {
  /** What was sent and what arrived, per sender and receiver. */
  function watchedMail() {
    const sent = new Map<string, unknown[]>();
    const come = new Map<string, unknown[]>();
    const noted = (to: Map<string, unknown[]>) => (delivery: Delivery, go: () => void) => {
      const pair = `${delivery.from?.path}>${delivery.to.path}`;
      to.set(pair, [...(to.get(pair) ?? []), delivery.message]);
      go();
    };
    return { sent, come, intercept: { deliver: noted(sent), receive: noted(come) } };
  }

  it('delay matching messages, and keep the order of messages between the same two actors', async () => {
    const mail = watchedMail();
    const { chaos, clock, nothingLost, numbers, put } = await scene({
      reducers: 2,
      runtime: { intercept: mail.intercept },
    });
    const end = chaos.delay({ from: 'stage', to: 'reducer', type: 'items', ms: 900 });
    for (let n = 0; n < 12; n += 1) {
      put(5);
      await clock.advance(300);
      if (n === 1) expect(numbers()).to.deep.equal([]);
    }
    end();
    put(10);
    await clock.advance(10_000);
    for (const [pair, messages] of mail.come)
      expect(mail.sent.get(pair)?.slice(0, messages.length), pair).to.deep.equal(messages);
    nothingLost();
  });

  it('delay the messages to one actor until heal delivers all of them', async () => {
    const { chaos, clock, nothingLost, numbers, put } = await scene({ reducers: 1 });
    chaos.delay({ to: 'reducer/0', ms: 1e6 });
    put(3);
    await clock.advance(5_000);
    expect(numbers()).to.deep.equal([]);
    chaos.heal();
    await clock.advance(5_000);
    expect(numbers()).to.deep.equal([0, 1, 2]);
    nothingLost();
  });

  it('deliver every message twice: each record is seen once, and the repeats are counted', async () => {
    const { chaos, clock, consumer, nothingLost, numbers, put } = await scene({ shards: 2 });
    const end = chaos.duplicate({});
    for (let n = 0; n < 20; n += 1) {
      put(5);
      await clock.advance(300);
    }
    await clock.advance(5_000);
    expect(numbers().toSorted((a, b) => a - b)).to.deep.equal(Array.from({ length: 100 }, (_, n) => n));
    const repeats = consumer.status().counters['repeatedMessages'] ?? 0;
    expect(repeats).to.be.greaterThan(50);
    end();
    put(5);
    await clock.advance(5_000);
    expect(consumer.status().counters['repeatedMessages']).to.equal(repeats);
    nothingLost();
  });

  it('repeat only matching messages, with the given probability', async () => {
    let [sent, came] = [0, 0];
    const { chaos, clock, put } = await scene({
      reducers: 1,
      runtime: {
        intercept: {
          deliver: (mail: Delivery, go: () => void) => ((sent += typeOf(mail) === 'disposed' ? 1 : 0), go()),
          receive: (mail: Delivery, go: () => void) => ((came += typeOf(mail) === 'disposed' ? 1 : 0), go()),
        },
      },
    });
    chaos.duplicate({ from: 'reducer/0', to: 'stage', type: 'disposed', probability: 0.3 });
    for (let n = 0; n < 200; n += 1) {
      put(1);
      await clock.advance(20);
    }
    expect(sent).to.equal(200);
    expect(came - sent).to.be.within(35, 85);
  });
});

describe('nemesis.hang and nemesis.failNext', () => {
  it('hang a user call forever, which makes it an orphan of the next restart', async () => {
    const { chaos, clock, heard, nothingLost, numbers, put } = await scene({ reducers: 1, callDeadlineMs: 2_000 });
    chaos.hang('reducer', 'reduce');
    put(3);
    await clock.advance(60_000);
    expect(numbers(), 'held up, and not begun').to.deep.equal([]);
    const killed = chaos.kill('reducer');
    await clock.advance(1_900);
    expect(heard('orphaned')).to.deep.equal([]);
    await clock.advance(10_000);
    expect(heard('orphaned')).to.deep.equal([{ actor: killed, effects: ['reduce'] }]);
    expect(numbers()).to.deep.equal([0, 1, 2]);
    expect(chaos.log.map(({ what, detail }) => `${what} ${detail}`)).to.deep.equal(['hang reduce', 'kill undefined']);
    nothingLost();
  });

  it('let a released effect begin late, unless its actor is gone', async () => {
    const { chaos, clock, nothingLost, numbers, put } = await scene({ reducers: 1 });
    const release = chaos.hang('reducer', 'reduce');
    put(1);
    await clock.advance(5_000);
    release();
    await clock.advance(10);
    expect(numbers()).to.deep.equal([0]);
    const late = chaos.hang('reducer', 'reduce');
    put(1);
    await clock.advance(10);
    chaos.kill('reducer');
    await clock.advance(10);
    late();
    await clock.advance(10_000);
    expect(numbers()).to.deep.equal([0, 1]);
    nothingLost();
  });

  it('send no write of a killed keeper to the table when its hang is released', async () => {
    const { chaos, clock, stream } = await scene();
    const release = chaos.hang('lease-keeper', 'renew');
    expect(await clock.advanceUntil(() => chaos.log.length > 0, 4_000)).to.equal(true);
    chaos.kill('lease-keeper');
    await clock.advance(0);
    const calls = stream.leases.get('orders')?.calls ?? [];
    const before = calls.length;
    release();
    await clock.advance(0);
    expect(calls.slice(before)).to.deep.equal([]);
  });

  it('hang a renewal after its write: the answer is lost, and the lease is kept', async () => {
    const { chaos, clock, heard, nothingLost, put, stream } = await scene();
    const counter = (): number => [...(stream.leases.get('orders')?.rows.values() ?? [])][0]?.leaseCounter as number;
    const before = counter();
    chaos.hang('lease-keeper', 'renew', { when: 'after' });
    put(10);
    expect(await clock.advanceUntil(() => chaos.log.length > 0, 4_000)).to.equal(true);
    expect(counter()).to.equal(before + 1);
    await clock.advance(60_000);
    expect(chaos.log.map(({ what }) => what)).to.deep.equal(['hang']);
    expect(heard('retrying').map(({ operation }) => operation)).to.include('lease renew');
    expect(heard('leaseLost')).to.deep.equal([]);
    nothingLost();
  });

  it('fail the next effect once, with the given error, which the actor handles like any other', async () => {
    const { chaos, clock, consumer, heard, nothingLost, put } = await scene();
    chaos.failNext('lease-keeper', 'renew', new Error('no table'));
    const withdraw = chaos.failNext('reducer', 'reduce');
    withdraw();
    put(5);
    await clock.advance(20_000);
    expect(heard('retrying').map(({ error }) => (error as Error).message)).to.deep.equal(['no table']);
    expect(consumer.status().restarts).to.equal(0);
    chaos.failNext('reducer');
    put(5);
    await clock.advance(20_000);
    expect(heard('pipelineRestarted')).to.have.length(1);
    expect(chaos.log.map(({ what, detail }) => `${what} ${detail?.replace(/#\d+/, '')}`)).to.deep.equal([
      'fail renew',
      'fail reduce',
    ]);
    nothingLost();
  });
});

describe('nemesis.start', () => {
  async function randomFaults(seed: number, options: Parameters<Nemesis['start']>[0] = {}): Promise<Scene> {
    const it = await scene({
      seed,
      shards: 2,
      callDeadlineMs: 1_000,
      runtime: { random: seeded(5) },
      onItem: () => new Promise<void>((resolve) => void it.clock.after(3, resolve)),
    });
    it.chaos.start({ everyMs: 2_000, ...options });
    for (let n = 0; n < 120; n += 1) {
      it.put(5);
      await it.clock.advance(1_000);
    }
    it.chaos.heal();
    await it.clock.advance(120_000);
    it.nothingLost();
    return it;
  }
  const logOf = ({ chaos }: Scene): string => JSON.stringify(chaos.log);
  const finish = async (it: Scene): Promise<void> => {
    it.chaos[Symbol.dispose]();
    await inVirtualTime(it.clock, it.consumer.stop());
    await it.clock.advance(60_000);
    it.clock.uninstall();
    scenes = scenes.filter((each) => each !== it);
  };

  it('injects every kind of fault at random, loses no record, and repeats the faults for a seed', async () => {
    const first = await randomFaults(7);
    const log = logOf(first);
    expect(new Set(first.chaos.log.map(({ what }) => what))).to.include.all.keys(
      'kill',
      'pause',
      'resume',
      'delay',
      'duplicate',
      'fail',
      'hang',
    );
    await finish(first);
    const second = await randomFaults(7);
    expect(logOf(second)).to.equal(log);
    await finish(second);
    expect(logOf(await randomFaults(8))).to.not.equal(log);
  });

  it('uses only the given acts and kinds, and ends with stop', async () => {
    const { chaos, clock, put } = await randomFaults(3, { acts: ['kill'], kinds: ['reducer'] });
    expect(chaos.log.length).to.be.greaterThan(20);
    for (const { what, target } of chaos.log) expect(`${what} ${target}`).to.match(/^kill reducer\//);
    const before = chaos.log.length;
    chaos.start({ everyMs: 100 });
    chaos.stop();
    put(1);
    await clock.advance(10_000);
    expect(chaos.log).to.have.length(before);
    expect(codeOf(() => chaos.start({ everyMs: 0 }))).to.equal('INVALID_OPTION');
  });

  it('refuses invalid options, as the other methods do', async () => {
    const { chaos, consumer } = await scene();
    const wrong: readonly (() => void)[] = [
      () => chaos.start({ acts: ['explode' as never] }),
      () => chaos.start({ acts: [] }),
      () => chaos.start({ kinds: ['reducr'] }),
      () => chaos.start({ kinds: [] }),
      () => chaos.pause('reducer', { ms: -1 }),
      () => chaos.delay({ to: 'reducer', ms: Number.NaN }),
      () => chaos.duplicate({ to: 'reducer', probability: 20 }),
      () => nemesis(consumer, { seed: Number.NaN }),
    ];
    for (const one of wrong) expect(codeOf(one), String(one)).to.equal('INVALID_OPTION');
    expect(chaos.log).to.deep.equal([]);
  });

  it('ends with the consumer, cannot be called again, and leaves no timer', async () => {
    const { chaos, clock, consumer } = await scene();
    chaos.start({ everyMs: 500 });
    chaos.pause('reducer', { ms: 1e6 });
    await inVirtualTime(clock, consumer.stop());
    expect(codeOf(() => chaos.start())).to.equal('STOPPED');
    await clock.advance(60_000);
    expect(clock.pending()).to.equal(0);
  });
});

describe('a nemesis that is disposed of', () => {
  it('leaves no intercept', async () => {
    const { chaos, consumer } = await scene();
    chaos[Symbol.dispose]();
    expect((consumer.runtime as Engine).intercept).to.equal(undefined);
  });

  it('resumes paused actors, refuses further faults, and leaves no intercept after the actors have caught up', async () => {
    const { chaos, clock, consumer, nothingLost, numbers, put } = await scene({ reducers: 1 });
    chaos.pause('reducer');
    put(3);
    await clock.advance(1_000);
    chaos[Symbol.dispose]();
    await clock.advance(1_000);
    expect(numbers()).to.deep.equal([0, 1, 2]);
    expect((consumer.runtime as Engine).intercept).to.equal(undefined);
    expect(codeOf(() => chaos.kill('reducer'))).to.equal('STOPPED');
    expect(codeOf(() => chaos.duplicate({}))).to.equal('STOPPED');
    await clock.advance(5_000);
    nothingLost();
  });
});
