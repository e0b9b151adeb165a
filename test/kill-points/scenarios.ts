// The scenarios in which consumers are struck. Each scenario reaches messages that the others do not. Together they must reach
// every message of every actor (`messages.ts`).
import type { Actors } from '../../src/consumer/wiring.js';
import { KinactError } from '../../src/api/errors.js';
import { attachIntercept } from '../../supervision/index.js';
import { given } from '../sim/mutants/around.js';
import { putRecords } from '../sim/workload.js';
import { handOvers } from './hand-overs.js';
import { kindOf } from './moment.js';
import { hooked } from './hooks.js';
import { parkings } from './parking.js';
import { emittings } from './emitting.js';
import { pipings } from './piping.js';
import { feed, kill, type Scenario } from './scenario.js';
import { sourceChanges } from './source-changes.js';
import { twin, type World } from './world.js';

/** A worker that does not know wishes takes a lease from its owner, and does nothing with it. */
function takenByJava({ clock, leases, oracle }: World, leaseKey: string): void {
  const before = leases.rows.get(leaseKey);
  if (before === undefined || before.checkpoint === 'SHARD_END') return;
  const after = leases.takeAs(leaseKey, 'java');
  oracle.wrote({ process: 'java', leaseKey, before, after, sentAt: clock.now() });
}

/** A stop `laterMs` after the crash of a coordinator, while user calls are long. */
const stoppedBehindCrash = (name: string, laterMs: number): Scenario => ({
  name,
  form: 'by hand',
  ms: 4_000,
  script: (world, struck) => {
    const { at, trouble } = world;
    feed(world, 2_500);
    at(1_900, () => (trouble.callMs = 1_000));
    at(2_450, () => kill(struck, 'lease-coordinator'));
    at(2_450 + laterMs, () => world.stop(struck));
  },
});

/** Sync, audit and clean-up every few seconds instead of every few minutes. */
const busyCoordinator: Actors = given('leaseCoordinator', (options) => ({
  ...options,
  shardSyncIntervalMs: 1_500,
  auditIntervalMs: 900,
  cleanUpIntervalMs: 1_200,
}));

const one = 'shardId-000000000000';
const two = 'shardId-000000000001';

export const scenarios: readonly Scenario[] = [
  {
    name: 'items are folded one by one',
    form: 'folds',
    ms: 3_500,
    script: (world) => feed(world, 3_000),
  },
  {
    name: 'batches are flushed, and the ledger is often full',
    form: 'flushes',
    ms: 4_000,
    options: { maxPending: 8 },
    script: (world) => feed(world, 3_000, 300, 12),
  },
  {
    name: 'items are acknowledged by hand, and the byte budget is often full',
    form: 'by hand',
    ms: 3_500,
    options: { stages: 2, credit: 5, maxBytes: 100 },
    script: (world) => feed(world, 3_000),
  },
  {
    name: 'a raw behaviour acknowledges when it is asked',
    form: 'raw',
    ms: 3_500,
    script: (world, struck) => {
      feed(world, 3_000);
      world.at(1_500, () => void world.stream.split(one));
      world.at(3_000, () => {
        putRecords(world, 6);
        world.at(10, () => world.stop(struck));
      });
    },
  },
  {
    name: 'the application pauses, resumes and changes the rate limit',
    form: 'flushes',
    ms: 8_000,
    options: { limit: { perSecond: 4 } },
    script: (world, { consumer }) => {
      const { at } = world;
      feed(world, 3_500);
      at(1_200, () => consumer.pause());
      at(2_000, () => consumer.resume());
      at(2_600, () => consumer.setLimit(6));
      at(3_600, () => consumer.setLimit(undefined));
    },
  },
  {
    name: 'shards are split and merged',
    form: 'flushes',
    ms: 7_000,
    actors: busyCoordinator,
    script: (world) => {
      const { at, leases, stream } = world;
      feed(world, 6_000);
      // A row as a Java worker of an old KCL leaves it.
      at(700, () => {
        const row = leases.rows.get(two);
        if (row === undefined) return;
        const { startingHashKey: _low, endingHashKey: _high, kinactStream: _stream, ...undescribed } = row;
        leases.rows.set(two, undescribed);
      });
      at(1_500, () => void stream.split(one));
      at(4_000, () => void stream.merge('shardId-000000000003', two));
    },
  },
  {
    name: 'a second consumer joins and leaves',
    form: 'flushes',
    ms: 9_000,
    once: true,
    options: { credit: 4 },
    script: (world) => {
      const { at, trouble } = world;
      feed(world, 8_000);
      // With long calls, items wait, at the stage as well, when another consumer asks for a lease.
      at(1_300, () => (trouble.callMs = 900));
      at(4_000, () => (trouble.callMs = 0));
      at(1_500, () => {
        const other = world.start('b');
        at(5_000, () => world.stop(other));
      });
    },
  },
  ...handOvers,
  ...pipings,
  ...emittings,
  {
    name: 'a Java worker takes a lease by force and dies',
    form: 'flushes',
    ms: 9_000,
    options: { credit: 4 },
    script: (world) => {
      const { at, trouble } = world;
      feed(world, 8_000, 400, 16);
      // With long calls, items wait, at the stage as well, when the lease is lost.
      at(1_300, () => (trouble.callMs = 900));
      at(4_000, () => (trouble.callMs = 0));
      at(2_400, () => takenByJava(world, one));
    },
  },
  {
    name: 'the table and the stream fail now and then',
    form: 'flushes',
    ms: 9_000,
    before: ({ trouble }) => void trouble.fails.add('describe').add('listShards'),
    script: (world, struck) => {
      const { at, leases, oracle, trouble } = world;
      feed(world, 8_000);
      const undo = attachIntercept(struck.consumer.runtime, {
        startEffect: (actor, { name }, start) => {
          if (kindOf(actor) === 'lease-keeper' && name.startsWith('take')) {
            undo();
            leases.takeAs(one, 'twin', 'twin/1');
          }
          return start();
        },
      });
      at(20, () => trouble.fails.delete('describe'));
      at(300, () => trouble.fails.delete('listShards'));
      at(500, () => trouble.fails.add('scan'));
      at(1_800, () => trouble.fails.delete('scan'));
      at(3_000, () => trouble.fails.add('update'));
      at(4_400, () => trouble.fails.delete('update'));
      at(5_500, () => {
        oracle.tampered(two);
        leases.rows.delete(two);
      });
      at(7_000, () => {
        if (leases.rows.has(two)) leases.takeAs(two, 'a', twin);
      });
    },
  },
  {
    name: 'the ends of shards meet failures',
    form: 'folds',
    ms: 8_000,
    actors: busyCoordinator,
    script: (world, struck) => {
      const { at, stream, trouble } = world;
      feed(world, 7_000);
      at(1_000, () => void (trouble.fails.add('children'), stream.split(one)));
      at(1_700, () => trouble.fails.delete('children'));
      at(4_000, () => void (trouble.fails.add('create'), stream.split(two)));
      at(4_300, () => trouble.fails.delete('create'));
      struck.consumer.on('shardEnded', () => {
        trouble.fails.add('get');
        at(900, () => trouble.fails.delete('get'));
        at(30, () => kill(struck, 'lease-coordinator'));
      });
      at(3_200, () => stream.misreport(two, 'missing'));
      at(5_600, () => trouble.fails.add('listShards'));
      at(5_700, () => void stream.split('shardId-000000000002'));
      at(7_000, () => trouble.fails.delete('listShards'));
    },
  },
  {
    name: 'calls take longer than the watchdog bears',
    form: 'folds',
    ms: 9_000,
    options: { watchdogMs: 1_500, flushIntervalMs: 200, callDeadlineMs: 3_000 },
    script: (world) => {
      const { at, trouble } = world;
      feed(world, 1_500);
      at(1_600, () => (trouble.callMs = 1_100));
      at(1_700, () => putRecords(world, 6));
      at(4_500, () => (trouble.callMs = 2_500));
      at(4_600, () => putRecords(world, 6));
      at(6_000, () => (trouble.callMs = 0));
    },
  },
  {
    name: 'reads and functions of the application fail',
    form: 'flushes',
    ms: 8_000,
    options: {
      restart: { intensity: 20, periodMs: 10_000 },
      onFailure: (error) => ((error as Error).message === 'once' ? 'crash' : 'stopShard'),
    },
    script: (world) => {
      const { at, stream, trouble } = world;
      feed(world, 7_000);
      at(900, () => stream.failReads(one, new Error('the read fails')));
      at(1_500, () => void trouble.throws.set('extract', { times: 1, message: 'once' }));
      at(2_500, () => void trouble.throws.set('reduce', { times: 1, message: 'once' }));
      at(3_500, () => void trouble.throws.set('flush', { times: 1, message: 'once' }));
      at(4_500, () => void trouble.throws.set('extract', { times: 1, message: 'stop' }));
      at(2_000, () => void (trouble.notices = 2));
    },
  },
  {
    name: 'the start never succeeds',
    form: 'folds',
    ms: 3_000,
    options: { leases: { startDeadlineMs: 1_500 } },
    ends: 'START_TIMEOUT',
    before: ({ trouble }) => void trouble.fails.add('ensureTable'),
    script: () => {},
  },
  {
    name: 'the stream turns out to be another one',
    form: 'flushes',
    ms: 5_000,
    ends: 'STREAM_CHANGED',
    script: (world, struck) => {
      feed(world, 3_000);
      const changed = new KinactError('STREAM_CHANGED', 'another stream');
      const { port } = world.stream;
      const { describe } = port;
      const another: typeof describe = async (signal) => ({ ...(await describe(signal)), creationEpochSeconds: 2 });
      world.at(1_500, () => {
        Object.assign(port, { describe: another });
        // Twice, because the actor that gets the first error may be killed.
        world.stream.failReads(one, changed, 2);
      });
      // The next consumer finds the right stream again.
      struck.consumer.on('closed', () => {
        Object.assign(port, { describe });
        world.stream.failReads(one, changed, 0);
      });
    },
  },
  {
    name: 'a coordinator starts again and nobody asks whether it can',
    form: 'folds',
    ms: 7_000,
    options: { leases: { startDeadlineMs: 1_000 } },
    script: (world, struck) => {
      const { at, trouble } = world;
      feed(world, 6_000);
      at(1_000, () => {
        trouble.fails.add('ensureTable');
        kill(struck, 'lease-coordinator');
      });
      at(2_900, () => trouble.fails.delete('ensureTable'));
    },
  },
  {
    name: 'a stop that no write follows',
    form: 'folds',
    ms: 5_000,
    unreleased: true,
    script: (world, struck) => {
      const { at, trouble } = world;
      feed(world, 2_000);
      at(2_500, () => {
        trouble.fails.add('update');
        world.stop(struck, 1_000);
      });
    },
  },
  {
    name: 'a restart waits for a call, and mail is late',
    form: 'flushes',
    ms: 6_000,
    script: (world, struck) => {
      const { at, trouble } = world;
      feed(world, 5_000);
      at(1_000, () => (trouble.callMs = 700));
      at(1_800, () => kill(struck, 'reducer'));
      at(2_000, () => (trouble.callMs = 0));
      trouble.lateMail = true;
      const late = attachIntercept(struck.consumer.runtime, {
        deliver: ({ to, via }, deliver) => {
          if (via === 'lifecycle' && kindOf(to) === 'pipeline') at(40, deliver);
          else deliver();
        },
      });
      at(3_100, () => (trouble.callMs = 500));
      at(3_500, () => kill(struck, 'stage'));
      at(3_600, () => (trouble.callMs = 0));
      at(4_500, late);
    },
  },
  {
    name: 'a call outlives the restart that waited for it',
    form: 'folds',
    ms: 8_000,
    options: { callDeadlineMs: 400 },
    script: (world, struck) => {
      const { at, trouble } = world;
      feed(world, 6_000);
      at(1_500, () => (trouble.callMs = 1_500));
      at(1_800, () => {
        trouble.callMs = 0;
        kill(struck, 'shard-worker');
      });
    },
  },
  stoppedBehindCrash('a stop comes while a coordinator starts again', 3),
  stoppedBehindCrash('a stop comes before what a coordinator takes again is read', 25),
  {
    name: 'checkpoints are written between renewals',
    form: 'folds',
    ms: 3_500,
    options: { checkpointIntervalMs: 300, checkpointRecords: 12 },
    script: (world) => feed(world, 3_000, 250),
  },
  {
    name: 'effects break off',
    form: 'flushes',
    ms: 5_000,
    script: (world, struck) => {
      feed(world, 4_000);
      world.at(1_500, () => {
        const undo = attachIntercept(struck.consumer.runtime, {
          startEffect: (actor, _info, start) => {
            if (kindOf(actor) !== 'reducer') return start();
            undo();
            throw new Error('broken off');
          },
        });
      });
    },
  },
  {
    name: 'the machine sleeps, and stops in the middle of a restart',
    form: 'flushes',
    ms: 5_000,
    script: (world, struck) => {
      feed(world, 3_000);
      world.at(1_500, () => world.clock.jumpWall(5_000));
      world.at(3_500, () => {
        world.stop(struck, 2_000);
        kill(struck, 'reducer');
      });
    },
  },
  ...parkings,
  ...sourceChanges,
  ...hooked,
];

/** The scenario whose name includes `part`. */
export function named(part: string): Scenario {
  const scenario = scenarios.find(({ name }) => name.includes(part));
  if (scenario === undefined) throw new Error(`no scenario is called ${part}`);
  return scenario;
}
