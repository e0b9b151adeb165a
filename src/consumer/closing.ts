// How the application hears of a consumer's end: the promise `closed`. A consumer that ends by itself must not do so without a word. So a
// warning of the process says it if the application has not taken the promise, has no listener of `closed` and no logger.
import { chainText } from '../core/thrown.js';
import { isKinactError } from '../api/errors.js';

export interface Closing {
  /** The promise, for the application. */
  take(): Promise<void>;
  /** Settles the promise: with an error it rejects. */
  settle(error: Error | undefined): void;
  /** Warns of an end by itself if the application has not taken the promise. */
  warnUnlessTaken(application: string, error: Error): void;
}

export function createClosing(): Closing {
  let settle = (_error: Error | undefined): void => {};
  const closed = new Promise<void>((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve() : reject(error));
  });
  // The rejection must not end the process of an application that has not taken the promise.
  closed.catch(() => {});
  let taken = false;
  return {
    take: () => {
      taken = true;
      return closed;
    },
    settle: (error) => settle(error),
    warnUnlessTaken: (application, error) => {
      if (taken) return;
      const code = isKinactError(error) ? `${error.code}: ` : '';
      process.emitWarning(
        `The consumer of ${application} has ended by itself: ${code}${chainText(error)} (await consumer.closed, listen to 'closed', or give it a logger)`,
        { type: 'KinactWarning', code: 'KINACT_CLOSED', ...(error.stack === undefined ? {} : { detail: error.stack }) },
      );
    },
  };
}
