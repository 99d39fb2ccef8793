// Turns the inputs of the action into HEPHY_* variables and runs hephy. No logic beyond that: see `hephy help`.

import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const COMMANDS = ['up', 'plan', 'build', 'push', 'deploy', 'wait'];
const SWITCHES = ['create-namespace', 'take-ownership', 'no-deploy', 'no-wait', 'dry-run', 'verify', 'update-pins', 'drop-platforms'];
const NOT_FLAGS = ['command', 'working-directory', 'binary-path'];
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const USAGE = 2;

class UsageError extends Error {}

/** The inputs that are not empty. The runner upper-cases names and keeps hyphens: `binary-path` is `INPUT_BINARY-PATH`. */
function readInputs(environment) {
  return Object.entries(environment)
    .filter(([name, value]) => name.startsWith('INPUT_') && value.trim() !== '')
    .map(([name, value]) => [name.slice('INPUT_'.length).toLowerCase(), value.trim()]);
}

function hephyEnvironment(environment, inputs) {
  const inherited = Object.entries(environment).filter(([name]) => !name.startsWith('INPUT_'));
  const flags = inputs.filter(([name]) => !NOT_FLAGS.includes(name)).map(([name, value]) => {
    if (SWITCHES.includes(name) && !['true', 'false'].includes(value)) {
      throw new UsageError(`input \`${name}\` is \`${value}\`, expected \`true\` or \`false\``);
    }
    return [`HEPHY_${name.toUpperCase().replaceAll('-', '_')}`, value];
  });
  return Object.fromEntries([...inherited, ...flags]);
}

function chosenCommand(command = 'up') {
  if (COMMANDS.includes(command)) return command;
  throw new UsageError(`input \`command\` is \`${command}\`, expected one of: ${COMMANDS.join(', ')}`);
}

function chosenBinary(binary) {
  if (!binary) throw new UsageError('input `binary-path` is not set, and this version of the action cannot download hephy yet');
  const file = path.resolve(binary);
  try {
    accessSync(file, constants.X_OK);
    if (statSync(file).isFile()) return file;
  } catch {
    // Said below.
  }
  throw new UsageError(`input \`binary-path\` is \`${binary}\`, which is not a program that can be run`);
}

function chosenFolder(folder = '.') {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return folder;
  throw new UsageError(`input \`working-directory\` is \`${folder}\`, which is not a folder`);
}

function fail(message, code) {
  const escaped = message.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  process.stdout.write(`::error title=hephy::${escaped}\n`);
  process.exitCode = code;
}

function run(binary, command, options) {
  const child = spawn(binary, [command], { ...options, stdio: 'inherit', shell: false });
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail(`run \`${binary}\`: ${error.message}`, 1));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + os.constants.signals[signal]));
}

try {
  const inputs = readInputs(process.env);
  const input = Object.fromEntries(inputs);
  const env = hephyEnvironment(process.env, inputs);
  run(chosenBinary(input['binary-path']), chosenCommand(input.command), { env, cwd: chosenFolder(input['working-directory']) });
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  fail(error.message, USAGE);
}
