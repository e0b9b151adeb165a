// Settings that all processes of a simulated cluster share, and how to recognize a Java worker.

export const callDeadlineMs = 5_000;
export const watchdogMs = 120_000;

/** Whether the process of this name is a Java worker. */
export const isJava = (name: string): boolean => name.startsWith('java-');
