// Stack traces name TypeScript lines. The flag --enable-source-maps would do the same, but mocha starts a second process for a flag.
process.setSourceMapsEnabled(true);
