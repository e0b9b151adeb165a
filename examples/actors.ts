// An application of actors, without Kinesis: a rate-limited pool, a cache with a TTL, sessions that stop when idle, and a circuit
// breaker, under one supervisor. Run: npm run example -- actors
import {
  ask,
  createRuntime,
  effect,
  send,
  stop,
  supervisor,
  spawn,
  watch,
  type Behaviour,
  type ChildStarted,
  type Ref,
  type ReplyTo,
  type SupervisorMessage,
} from 'kinact/supervision';

type AppEvent = { readonly name: 'opened' | 'expired'; readonly what: string };

// A pool: at most `width` calls at once, at most `perSecond` starts a second. Other calls wait in a queue.
type PoolMessage =
  | { readonly type: 'call'; readonly work: () => Promise<string>; readonly replyTo: ReplyTo<string | Error> }
  | { readonly type: 'done'; readonly replyTo: ReplyTo<string | Error>; readonly result: string | Error }
  | { readonly type: 'refill' };
type Call = PoolMessage & { readonly type: 'call' };
interface Pool {
  readonly waiting: Call[];
  tokens: number;
  running: number;
  calls: number;
}

function pool({
  width,
  perSecond,
}: {
  readonly width: number;
  readonly perSecond: number;
}): Behaviour<Pool, PoolMessage> {
  const refill = effect.after('refill', 1_000, { type: 'refill' });
  const startCalls = (state: Pool) => {
    const effects = [];
    while (state.tokens > 0 && state.running < width) {
      const call = state.waiting.shift();
      if (call === undefined) break;
      state.tokens -= 1;
      state.running += 1;
      const { replyTo, work } = call;
      effects.push(
        effect.run({
          name: `call ${++state.calls}`,
          kind: 'user',
          start: work,
          done: (result) => ({ type: 'done', replyTo, result }),
          failed: (error) => ({ type: 'done', replyTo, result: new Error(String(error)) }),
        }),
      );
    }
    return effects;
  };
  return {
    kind: 'pool',
    initial: () => [{ waiting: [], tokens: perSecond, running: 0, calls: 0 }, [refill]],
    receive: (state, message) => {
      switch (message.type) {
        case 'call':
          state.waiting.push(message);
          return [state, startCalls(state)];
        case 'done':
          state.running -= 1;
          return [state, [effect.reply(message.replyTo, message.result), ...startCalls(state)]];
        case 'refill':
          state.tokens = perSecond;
          return [state, [refill, ...startCalls(state)]];
      }
    },
  };
}

// A breaker in front of the pool: after three failures in a row it refuses calls for a second.
type BreakerMessage =
  | { readonly type: 'fetch'; readonly key: string; readonly replyTo: ReplyTo<string | Error> }
  | { readonly type: 'answered'; readonly replyTo: ReplyTo<string | Error>; readonly result: string | Error }
  | { readonly type: 'tryAgain' };

function breaker(
  calls: Ref<PoolMessage>,
  load: (key: string) => Promise<string>,
): Behaviour<number, BreakerMessage, AppEvent> {
  return {
    kind: 'breaker',
    initial: () => [0, []],
    receive: (failures, message) => {
      switch (message.type) {
        case 'fetch': {
          const { key, replyTo } = message;
          if (failures >= 3) return [failures, [effect.reply(replyTo, new Error('the breaker is open'))]];
          const question = effect.ask(calls, (answer) => ({ type: 'call', work: () => load(key), replyTo: answer }), {
            answered: (result) => ({ type: 'answered', replyTo, result }),
            failed: (error) => ({ type: 'answered', replyTo, result: error }),
          });
          return [failures, [question]];
        }
        case 'answered': {
          const { replyTo, result } = message;
          const now = result instanceof Error ? failures + 1 : 0;
          const opens =
            now === 3
              ? [effect.emit({ name: 'opened', what: 'breaker' }), effect.after('again', 1_000, { type: 'tryAgain' })]
              : [];
          return [now, [effect.reply(replyTo, result), ...opens]];
        }
        case 'tryAgain':
          return [0, []];
      }
    },
  };
}

// A session: one per user, each with its own cache. A session ends after `idleMs` without a `get`.
type SessionMessage =
  | { readonly type: 'get'; readonly key: string; readonly replyTo: ReplyTo<string | Error> }
  | {
      readonly type: 'fetched';
      readonly key: string;
      readonly replyTo: ReplyTo<string | Error>;
      readonly result: string | Error;
    }
  | { readonly type: 'expire'; readonly key: string }
  | { readonly type: 'idle' };

function session(
  source: Ref<BreakerMessage>,
  { ttlMs, idleMs }: { readonly ttlMs: number; readonly idleMs: number },
): Behaviour<Map<string, string>, SessionMessage, AppEvent> {
  const idle = effect.after('idle', idleMs, { type: 'idle' });
  return {
    kind: 'session',
    initial: () => [new Map(), [idle]],
    receive: (cache, message) => {
      switch (message.type) {
        case 'get': {
          const { key, replyTo } = message;
          const cached = cache.get(key);
          if (cached !== undefined) return [cache, [idle, effect.reply(replyTo, cached)]];
          const question = effect.ask(source, (answer) => ({ type: 'fetch', key, replyTo: answer }), {
            answered: (result) => ({ type: 'fetched', key, replyTo, result }),
            failed: (error) => ({ type: 'fetched', key, replyTo, result: error }),
          });
          return [cache, [idle, question]];
        }
        case 'fetched': {
          const { key, replyTo, result } = message;
          const answer = effect.reply(replyTo, result);
          if (result instanceof Error) return [cache, [answer]];
          cache.set(key, result);
          return [cache, [answer, effect.after(`expire ${key}`, ttlMs, { type: 'expire', key })]];
        }
        case 'expire':
          cache.delete(message.key);
          return [cache, [effect.emit({ name: 'expired', what: message.key })]];
        case 'idle':
          return [cache, [effect.end()]];
      }
    },
  };
}

const events: string[] = [];
const runtime = createRuntime<AppEvent>({ emit: ({ name }) => events.push(name) });
let loads = 0;
const load = async (key: string): Promise<string> => {
  loads += 1;
  if (key === 'broken') throw new Error('no such key');
  return `the value of ${key}`;
};

let source: Ref<BreakerMessage> | undefined;
// If the pool crashes, the breaker restarts too. Sessions come and go beside them.
const backend = supervisor({
  strategy: 'rest-for-one',
  children: [
    { id: 'pool', start: () => pool({ width: 2, perSecond: 50 }) },
    { id: 'breaker', start: (siblings) => breaker(siblings.ref<PoolMessage>('pool')!, load) },
  ],
  dynamic: (siblings) => ((source = siblings.ref<BreakerMessage>('breaker')), []),
});
const root = spawn(runtime, supervisor({ children: [{ id: 'backend', start: () => backend }] }), 'app', {
  shutdownMs: Infinity,
});
await ask(root, (replyTo) => ({ type: 'children', replyTo }));

async function open(user: string): Promise<Ref<SessionMessage>> {
  const start = () => session(source!, { ttlMs: 50, idleMs: 200 });
  const answer: ChildStarted = await ask(root as Ref<SupervisorMessage>, (replyTo) => ({
    type: 'startChild',
    spec: { id: user, start, restart: 'temporary' },
    replyTo,
  }));
  if (answer.type === 'failed') throw answer.error;
  return answer.ref as Ref<SessionMessage>;
}

const ada = await open('ada');
const get = (key: string): Promise<string | Error> => ask(ada, (replyTo) => ({ type: 'get', key, replyTo }));
const first = [await get('one'), await get('one'), await get('two')];
for (let times = 0; times < 4; times += 1) await get('broken');
const ended = await watch(ada);
send(ada, { type: 'expire', key: 'gone' });
await stop(root);
const opened = events.filter((name) => name === 'opened').length;
console.log(
  `actors: ${first.length} answers from ${loads} loads, breaker opened ${opened} time, idle session ended: ${ended.reason}`,
);
