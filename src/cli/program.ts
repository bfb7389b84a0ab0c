import { isIPv4 } from 'node:net'
import { Command, InvalidArgumentError, Option } from 'commander'
import { NODE_COUNT_MAX } from '../base/address-layout.ts'
import { DEFAULT_DOCKER_HOST, RUNTIMES } from './runtime-spec.ts'
import { UserError } from './user-error.ts'
import { WHERRY_VERSION } from './version.ts'

function integerBetween(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`expected a whole number from ${least} to ${most}.`)
    }
    return value
  }
}

function clusterName(text: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError('expected 1 to 40 lower-case letters, digits and dashes, e.g. "shop-dev".')
  }
  return text
}

/** `--name` and `--data-dir`: which cluster a command is about. */
function withCluster(command: Command): Command {
  return command
    .addOption(new Option('--name <name>', 'name of the cluster').default('wherry').argParser(clusterName))
    .option('--data-dir <dir>', 'where its state lives (default: wherry/<name> in the user data directory)')
}

/** Everything about an etcd but its addresses. */
function withEtcd(command: Command): Command {
  return command
    .option('--store-prefix <prefix>', 'what the keys in etcd begin with (default: /registry)')
    .option('--etcd-ca <file>', 'CA of the etcd servers, PEM')
    .option('--etcd-cert <file>', 'client certificate for etcd, PEM')
    .option('--etcd-key <file>', 'its key, PEM')
}

/** `--store` and what says more about an etcd. */
function withStore(command: Command): Command {
  const what = 'where objects are kept: sqlite, memory or etcd=URL[,URL…] (default: as before, else sqlite)'
  return withEtcd(command.option('--store <store>', what))
}

function logLevel(): Option {
  return new Option('--log-level <level>', 'how much the log files hold')
    .choices(['debug', 'info', 'warn', 'error'])
    .default('info')
}

function apiPort(where: string): Option {
  return new Option(
    '--api-port <port>',
    `port of the API server on ${where}; 0 takes a free one (default: the one of the last start, else 6443, else a free one)`,
  ).argParser(integerBetween(0, 65_535))
}

/** How whoever joins shows that it may. */
function withToken(command: Command, which: string): Command {
  return command
    .option('--token-file <file>', `the ${which} token, as a file that only its owner reads`)
    .option('--token <token>', `the ${which} token itself (others on the machine see it; or WHERRY_TOKEN)`)
}

function ipv4Address(text: string): string {
  const isUsable = isIPv4(text) && text !== '0.0.0.0' && (!text.startsWith('127.') || text === '127.0.0.1')
  if (!isUsable) throw new InvalidArgumentError('expected an IPv4 address of this machine (of loopback: 127.0.0.1).')
  return text
}

function createProgram(): Command {
  const program = new Command('wherry')
    .description('A Kubernetes-compatible cluster with a service mesh in its data plane, ready in about a second.')
    .version(WHERRY_VERSION)
    .showHelpAfterError('(wherry --help, or wherry <command> --help, shows what can be given)')
    .addHelpText(
      'after',
      '\nExamples:\n  wherry up                     start a cluster of one node\n  wherry up --nodes 3           start one of three\n  wherry status -o json         every address a script needs\n',
    )

  withStore(withCluster(program.command('up')))
    .description('Start the cluster and keep it running until Ctrl-C; a second start finds everything again.')
    .addOption(
      new Option('--nodes <n>', 'number of nodes on this machine').argParser(integerBetween(1, NODE_COUNT_MAX)),
    )
    .option('--kubeconfig <file>', 'where to write the kubeconfig (default: kubeconfig in the data directory)')
    .addOption(apiPort('127.0.0.1'))
    .addOption(
      new Option('--runtime <runtime>', 'how containers run (default: as before, else process)').choices(RUNTIMES),
    )
    .option('--docker-host <url>', `the Docker engine (default: DOCKER_HOST, else ${DEFAULT_DOCKER_HOST})`)
    .addOption(
      new Option('--dataplane <dataplane>', 'how Services are balanced').choices(['userspace']).default('userspace'),
    )
    .addOption(logLevel())
    .addHelpText(
      'after',
      '\nExamples:\n  wherry up\n  wherry up --nodes 3 --name shop\n  wherry up --data-dir ./state --api-port 0 --kubeconfig ./kubeconfig\n  wherry up --store etcd=http://127.0.0.1:2379\n  wherry up --name boxes --runtime docker\n',
    )
    .action(async (options) => (await import('./up/up.ts')).up(options))

  withToken(withStore(withCluster(program.command('server'))), 'server')
    .description('Start a control plane without nodes; several of them share one etcd.')
    .option('--join', 'only take over a cluster that is there: never make a new one in an emptied etcd')
    .addOption(
      new Option(
        '--listen <address>',
        'where the API server listens and is reached (default: as before, else 127.0.0.1)',
      ).argParser(ipv4Address),
    )
    .addOption(apiPort('that address'))
    .addOption(
      new Option('--runtime <runtime>', "how a new cluster's containers run, and so its addresses").choices(RUNTIMES),
    )
    .option('--kubeconfig <file>', 'where to write the kubeconfig (default: kubeconfig in the data directory)')
    .addOption(logLevel())
    .addHelpText(
      'after',
      '\nExamples:\n  wherry server --store etcd=http://127.0.0.1:2379\n  wherry server --store etcd=http://127.0.0.1:2379 --join --token-file ./server-token --data-dir ./second\n  wherry server --store etcd=https://10.0.0.1:2379,https://10.0.0.2:2379 --etcd-ca ca.pem --listen 10.0.0.5\n\nThe first server makes two tokens in its data directory: server-token lets servers join, agent-token machines.\n',
    )
    .action(async (options) => (await import('./server/server.ts')).server(options))

  withToken(program.command('agent'), 'agent')
    .description('Run nodes of a cluster on this machine, and its proxy.')
    .option('--server <urls>', 'API servers, separated by commas; others are found through the first that answers')
    .option('--data-dir <dir>', 'where its state lives (default: wherry/agent in the user data directory)')
    .option('--machine <name>', 'name of this machine in the cluster (default: as before, else the host name)')
    .addOption(
      new Option('--nodes <n>', 'number of nodes on this machine (default: as before, else 1)').argParser(
        integerBetween(1, NODE_COUNT_MAX),
      ),
    )
    .option(
      '--docker-host <url>',
      `the Docker engine, where the cluster runs on Docker (default: DOCKER_HOST, else ${DEFAULT_DOCKER_HOST})`,
    )
    .addOption(logLevel())
    .addHelpText(
      'after',
      '\nExamples:\n  wherry agent --server https://127.0.0.1:6443 --token-file ./agent-token\n  wherry agent --server https://10.0.0.5:6443,https://10.0.0.6:6443 --token-file ./agent-token --nodes 2\n\nLater starts need neither servers nor token: the machine knows its cluster.\n',
    )
    .action(async (options) => (await import('./agent/agent.ts')).agent(options))

  withCluster(program.command('status'))
    .description('Show whether the cluster runs, and its addresses.')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .addHelpText('after', '\nExamples:\n  wherry status\n  wherry status --name shop -o json\n')
    .action(async (options) => (await import('./status.ts')).status(options))

  program
    .command('proxy')
    .description('Balance HTTP over some addresses, without a cluster, until Ctrl-C.')
    .option('--listen <address>', 'where to listen, e.g. 127.0.0.1:8080; port 0 takes a free one')
    .option('--to <addresses>', 'where requests go, separated by commas')
    .option(
      '--config <file>',
      'listeners, routes and backends from a YAML file, followed when it changes and on SIGHUP',
    )
    .option('--check', 'only say whether the file is right')
    .option('--admin <address>', 'where to serve /metrics, /status, /tap and /healthz (default: nowhere)')
    .addOption(
      new Option('--workers <n>', 'processes that share the work').default(1).argParser(integerBetween(1, 256)),
    )
    .option('--access-log <file>', 'where to write a JSON line for each request; - is standard output')
    .option('--balance <algorithm>', 'how requests are shared out (default: p2c-peak-ewma)')
    .addOption(
      new Option('--drain <seconds>', 'time for requests under way when it ends')
        .default(10)
        .argParser(integerBetween(0, 3_600)),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  wherry proxy --listen 127.0.0.1:8080 --to 127.0.0.1:9001,127.0.0.1:9002\n  wherry proxy --listen [::1]:8080 --to 127.0.0.1:9001 --admin 127.0.0.1:9090\n  wherry proxy --config routes.yaml --workers 4 --admin 127.0.0.1:9090\n  wherry proxy --config routes.yaml --check\n  curl -N http://127.0.0.1:9090/tap    watch requests go by\n\nIn the file:\n  listeners: [{ address: 127.0.0.1:8443, tls: { certificates: [{ certificate: shop.pem, key: shop.key }] } }]\n  listeners: [{ name: sealed, address: 127.0.0.1:9443, tls: passthrough }]    TLS ends at the endpoints\n  backends: { bank: { endpoints: [127.0.0.1:9051], tls: { ca: bank.pem, serverName: bank.example.com }, proxyProtocol: v2 } }\n\nA file to begin with: examples/routes.yaml\nSignals: SIGHUP reads the file and reopens the log, SIGUSR2 puts a new process in the place of this one.\n',
    )
    .action(async (options) => (await import('./proxy/run-proxy.ts')).runProxy(options))

  withCluster(program.command('backup'))
    .description('Write a consistent copy of the store to a file; works while the cluster runs.')
    .argument('<file>', 'the file to write; it must not exist yet')
    .addHelpText('after', '\nExamples:\n  wherry backup before-upgrade.db\n')
    .action(async (file, options) => (await import('./backup.ts')).backup(file, options))

  withCluster(program.command('restore'))
    .description('Put a backup in the place of the store of a stopped cluster.')
    .argument('<file>', 'a file that `wherry backup` wrote')
    .option('--force', 'replace a store that holds objects')
    .addHelpText('after', '\nExamples:\n  wherry restore before-upgrade.db --force\n')
    .action(async (file, options) => (await import('./backup.ts')).restore(file, options))

  const store = program.command('store').description('Move the objects of a stopped cluster.')
  withEtcd(withCluster(store.command('copy')))
    .description('Copy all objects of a stopped cluster from one store to another, and compare them.')
    .requiredOption('--from <store>', 'where the objects are: sqlite or etcd=URL[,URL…]')
    .requiredOption('--to <store>', 'where they are to go: sqlite or etcd=URL[,URL…]')
    .option('--force', 'delete what the target holds')
    .addHelpText(
      'after',
      '\nExamples:\n  wherry store copy --from sqlite --to etcd=http://127.0.0.1:2379\n  wherry store copy --from etcd=http://127.0.0.1:2379 --to sqlite --force\n',
    )
    .action(async (options) => (await import('./store-copy.ts')).storeCopy(options))
  return program
}

/** Runs the command line; prints what the user can mend as one sentence and sets a non-zero exit code. */
export async function runProgram(argv: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync([...argv])
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    process.stderr.write(`wherry: ${error.message}\n${error.hint === undefined ? '' : `  ${error.hint}\n`}`)
    process.exitCode = 1
  }
}
