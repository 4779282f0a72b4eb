export { AhaError, isAhaError } from './errors.ts';
