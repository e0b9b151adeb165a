// What one call of the application emits. It is collected until the call has ended: only a successful call sends it.
import { NonRetryableError } from '../../../src/api/failure-policy.js';

export interface Emission {
  readonly emit: (value: unknown) => void;
  /** In the order of the calls of `emit`. */
  readonly values: readonly unknown[];
  /** The call has ended: `emit` throws from now on. */
  close(): void;
}

/** `signal`: aborts when the reducer is stopped. Then nothing would take what is emitted. */
export function openEmission(name: string, signal: AbortSignal): Emission {
  const values: unknown[] = [];
  let isOpen = true;
  return {
    values,
    emit: (value) => {
      if (!isOpen || signal.aborted) refuseLate(name, isOpen);
      values.push(value);
    },
    close: () => void (isOpen = false),
  };
}

function refuseLate(name: string, isOpen: boolean): never {
  const why = isOpen ? 'its reducer was stopped' : 'the call had ended';
  throw new NonRetryableError(
    `ctx.emit was called after ${why} (${name}): emit before the call returns, or before its promise resolves`,
  );
}

/** A message of a raw behaviour that brings no items. */
export function refuseForMessage(name: string): Emission {
  const refuse = (): never => {
    throw new NonRetryableError(
      `ctx.emit was called with the message '${name}', which has no items that the value could stand for: emit with the message ` +
        "'items', or use reduce and flush",
    );
  };
  return { values: [], emit: refuse, close: () => {} };
}

export const noPipe = (): never => {
  throw new NonRetryableError(
    'ctx.emit was called, and there is no pipe behind the reducer: give createConsumer the option pipe, too',
  );
};
