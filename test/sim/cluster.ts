// What every process of a simulated cluster has in common.

export const stopDeadlineMs = 5_000;
export const watchdogMs = 120_000;

/** Whether this is no process of kinact's, but a Java worker: by its name. */
export const isJava = (name: string): boolean => name.startsWith('java-');
