import Admin
import CLinux
import Glibc
import Logging
import Policy
import Reactor
import Store

/// The supervisor's process: puts the gateway together, answers signals, and tells the service manager how it is doing.
package enum Daemon {
    /// How long sessions may go on after SIGTERM.
    private static let drainLimit = Duration.seconds(5)
    /// How long they may go on beside the next process, which knows nothing of them: no list shows them and no rule that
    /// changes ends them.
    private static let outliveLimit = Duration.seconds(30)
    /// Says that the SIGTERM to come is a restart's. A gatehoused that does not know it ignores it (signal(7)).
    private static let restartSignal = SIGURG

    /// Never returns.
    ///
    /// - Parameters:
    ///   - hashPassword: derives what is stored of a password; takes long and runs elsewhere.
    ///   - issuer: knows X.509.
    package static func run(
        _ options: Options, hashPassword: @escaping PasswordHasher, issuer: any CertificateIssuer
    ) -> Never {
        let log = Log.start(label: "supervisor", level: options.logLevel)
        do {
            // Before any thread is there, so that all of them block what this one reads.
            let signals = try Signals.block([SIGTERM, SIGINT, SIGHUP, restartSignal])
            let readiness = Readiness()
            let legacy = Legacy(readiness)
            signal(SIGPIPE, SIG_IGN)
            _ = linux_set_undumpable()
            let backups = Backups(options)
            let books = try Books(options, Rescue(options), backups)
            let reactor = try Reactor(counters: Counters())
            let gateway = try Gateway(
                options: options, books: books, backups: backups, legacy: legacy, reactor: reactor, log: log,
                hashPassword: hashPassword, issuer: issuer)
            let server = try Server(path: options.socket, handler: gateway, on: reactor, log: log)
            linux_set_title(CommandLine.argc, CommandLine.unsafeArgv, "gatehoused: supervisor")
            let number = signals.release()
            reactor.spawn { _ in
                await Session(gateway: gateway, server: server, log: log, readiness: readiness).run(signals: number)
            }
            reactor.run()
            exit(0)
        } catch {
            log.critical("\(error)")
            exit(1)
        }
    }

    /// From start to stop.
    private struct Session {
        let gateway: Gateway
        let server: Server
        let log: Logger
        let readiness: Readiness

        func run(signals number: Int32) async {
            onReactor { await server.run() }
            // Beside the signals: a start that drags on can be stopped.
            let started = onReactor { await start() }
            let signals = Signals(adopting: Descriptor(adopting: number), on: gateway.reactor)
            var isRestart = false
            while let signal = try? await signals.next() {
                if signal == restartSignal {
                    isRestart = true
                    continue
                }
                guard signal == SIGHUP else {
                    // Of two that wait, the kernel gives the one with the lower number first.
                    isRestart = signal == SIGTERM && (isRestart || Signals.isPending(restartSignal))
                    break
                }
                onReactor {
                    await started.value
                    readiness.reloading()
                    await gateway.reload()
                    await announce("reloaded")
                }
            }
            await stop(signals, isRestart && readiness.isHeard ? .forAnother(outliveLimit) : .forGood(drainLimit))
        }

        private func start() async {
            await gateway.start()
            guard await !gateway.isStopping else { return }
            await announce("ready")
            if let interval = readiness.watchdogInterval { onReactor { await keepAlive(every: interval) } }
            onReactor { await watchSurroundings() }
        }

        /// A second signal ends it at once.
        private func stop(_ signals: borrowing Signals, _ manner: Gateway.Ending) async {
            switch manner {
            case .forGood(let limit): log.notice("stopping; sessions have \(limit.components.seconds) s to end")
            case .forAnother(let limit):
                log.notice("restarting; sessions have \(limit.components.seconds) s to end beside the next process")
            }
            readiness.stopping()
            let gateway = self.gateway
            let server = self.server
            onReactor {
                await gateway.stop(manner)
                await server.close()
                exit(0)
            }
            // A second SIGHUP would be a reload, and there is nothing to reload any more.
            while let signal = try? await signals.next(), signal == SIGHUP || signal == restartSignal {}
            exit(1)
        }

        /// A task that resumes on the reactor's thread without a detour.
        @discardableResult
        private func onReactor(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
            Task(executorPreference: gateway.reactor.taskExecutor) { await body() }
        }

        private func keepAlive(every interval: Duration) async {
            while true {
                readiness.alive()
                await gateway.reactor.sleep(for: interval)
            }
        }

        private func watchSurroundings() async {
            var said = ""
            while true {
                await gateway.reactor.sleep(for: .seconds(5))
                await gateway.keepTime()
                await gateway.closeExpired()
                await gateway.endLearning()
                await gateway.keepLearnings()
                await gateway.backUpDaily()
                await gateway.reloadIfNeeded()
                await gateway.measureTraffic()
                guard readiness.isHeard else { continue }
                let summary = await summary()
                guard summary != said, await !gateway.isStopping else { continue }
                readiness.status(summary)
                said = summary
            }
        }

        private func announce(_ event: String) async {
            let summary = await summary()
            readiness.ready(status: summary)
            log.notice("\(event): \(summary)")
        }

        private func summary() async -> String {
            let status = await gateway.status()
            let listeners = status.listeners.count
            return "revision \(status.revision), \(listeners) listener\(listeners == 1 ? "" : "s"), "
                + "firewall \(status.firewall.mode) (\(status.firewall.door.name))"
        }
    }
}
