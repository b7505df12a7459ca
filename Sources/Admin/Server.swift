import Address
import Glibc
package import Logging
import Policy
package import Reactor

/// Answers on the admin socket. Runs on the reactor's thread, one task for each connection.
package actor Server {
    /// What callers may cost.
    package struct Limits: Sendable {
        /// Connections in all.
        package var connections = 64
        /// Connections in all beyond which only operators are let in.
        package var strangers = 48
        /// Connections of one user.
        package var perUser = 16
        /// Bytes in a call of an operator.
        package var frame = 1 << 20
        /// Bytes in a call of anybody else: the calls that are open to everybody are short, and parsing long ones costs the
        /// supervisor's time.
        package var strangersFrame = 4096
        /// How long a call may take to arrive, and a connection be idle.
        package var idle: Duration = .seconds(300)
        /// How long a reply may take to leave.
        package var reply: Duration = .seconds(30)
        /// How long an account's name is waited for; its number stands for it then.
        package var naming: Duration = .seconds(1)

        package init() {}
    }

    package nonisolated let reactor: Reactor
    private let dispatcher: Dispatcher
    private let limits: Limits
    private let log: Logger
    private var file: SocketFile
    /// The descriptor in `run()`'s hands, to be shut down when the server closes.
    private var accepting: Int32?
    /// By descriptor.
    private var connections: [Int32: Caller] = [:]
    private let accounts: Accounts

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        reactor.unownedExecutor
    }

    /// Makes the socket at `path`; `run()` answers on it.
    package init<Handler: AdminHandler>(
        path: String, handler: Handler, on reactor: Reactor, limits: Limits = Limits(), accounts: Accounts = Accounts(),
        log: Logger
    ) throws(SocketFileError) {
        file = try SocketFile(listeningAt: path)
        self.reactor = reactor
        self.limits = limits
        self.accounts = accounts
        self.log = log
        dispatcher = Dispatcher(handler: handler)
    }

    /// Accepts until `close()`.
    package func run() async {
        guard let listener = file.listener.take() else { return }
        let source = Source(adopting: listener, on: reactor)
        accepting = source.descriptor
        var isStarved = false
        while accepting != nil {
            do throws(Errno) {
                let descriptor = Int32(try await source.attempt(ListeningSocket.accept))
                isStarved = false
                Task(executorPreference: reactor.taskExecutor) { await self.converse(over: descriptor) }
            } catch {
                guard accepting != nil else { return }
                // Out of descriptors or memory: the callers wait in the kernel's queue until there are some again.
                if !isStarved { log.error("the admin socket cannot accept: \(error); trying again") }
                isStarved = true
                await reactor.sleep(for: .milliseconds(200))
            }
        }
    }

    /// Stops accepting, removes the socket's file and ends every connection.
    package func close() {
        file.remove()
        file.listener = nil
        // A listening socket that is shut down answers accept(2) with EINVAL, which wakes `run()`.
        if let accepting = accepting.take() { shutdown(accepting, Int32(SHUT_RDWR)) }
        for descriptor in connections.keys { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    private func converse(over descriptor: Int32) async {
        let socket = Socket(adopting: Descriptor(adopting: descriptor), on: reactor)
        do throws(Errno) {
            let credentials = try PeerCredentials(of: descriptor)
            var caller = caller(credentials)
            if let reason = obstacle(to: caller) {
                log.warning("admin socket: \(caller.author.name) (uid \(caller.author.uid)) turned away: \(reason)")
                try await send(CallFailure.admin(.refused(reason)).frame, over: socket)
                return
            }
            connections[descriptor] = caller
            defer { connections[descriptor] = nil }
            caller.author.name = await name(of: credentials)
            connections[descriptor] = caller
            try await serve(caller, over: socket)
        } catch {
            // The caller went away or took too long; nobody is there to be told.
            log.debug("admin socket: a connection ended: \(error)")
        }
    }

    private func serve(_ caller: Caller, over socket: borrowing Socket) async throws(Errno) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16384, alignment: 1)
        defer { buffer.deallocate() }
        let limit = caller.isOperator ? limits.frame : limits.strangersFrame
        var frames = FrameDecoder(limit: limit)
        while true {
            socket.setDeadline(after: limits.idle)
            var frame: [UInt8]?
            while frame == nil {
                do throws(FrameDecoder.FrameTooLong) {
                    frame = try frames.next()
                } catch {
                    log.warning("admin socket: \(caller.author.name) sent a call of more than \(limit) bytes")
                    return
                }
                guard frame == nil else { break }
                let count = try await socket.read(into: buffer)
                if count == 0 { return }
                frames.append(buffer[..<count])
            }
            guard let frame else { return }
            switch await dispatcher.answer(frame, from: caller) {
            case .reply(let reply): try await send(reply, over: socket)
            case .none: break
            case .hangUp(let reason):
                log.warning("admin socket: \(caller.author.name) hung up on: \(reason)")
                return
            }
        }
    }

    private func send(_ frame: [UInt8], over socket: borrowing Socket) async throws(Errno) {
        socket.setDeadline(after: limits.reply)
        try await socket.write(frame + [0])
    }

    /// Why one more connection of this caller is too much; nil: it is not.
    private func obstacle(to caller: Caller) -> String? {
        let others = connections.values
        if others.count(where: { $0.author.uid == caller.author.uid }) >= limits.perUser {
            return "\(caller.author.name) has \(limits.perUser) connections to the admin socket already; close some"
        }
        if others.count >= limits.connections || (!caller.isOperator && others.count >= limits.strangers) {
            return "the admin socket has too many connections (\(others.count)); try again later"
        }
        return nil
    }

    /// The account's number stands for its name, which may take a while to find.
    private func caller(_ credentials: PeerCredentials) -> Caller {
        let isOperator =
            credentials.user == 0 || credentials.user == geteuid() || credentials.groups.contains(file.group)
        return Caller(
            author: Author(uid: credentials.user, name: "\(credentials.user)"), isOperator: isOperator,
            process: credentials.process)
    }

    /// The account's name; its number, if it has no name or the name does not come in time. `alice as root` for root, if alice
    /// logged in to that session and used sudo(8), su(1) or the like.
    private func name(of credentials: PeerCredentials) async -> String {
        let person = credentials.user == 0 ? loginUser(of: credentials.process) : nil
        let lookUp = LookUp(of: [credentials.user] + (person.map { $0 == 0 ? [] : [$0] } ?? []))
        let alarm = Alarm(on: reactor)
        reactor.begin { [accounts] in
            await lookUp.run(accounts)
            alarm.ring()
        }
        await alarm.wait(atMost: limits.naming)
        return lookUp.names.reversed().joined(separator: " as ")
    }
}

/// A look-up of some accounts' names, which may take longer than the server waits.
private final class LookUp {
    private let uids: [UInt32]
    /// Numbers until the names are there.
    private(set) var names: [String]

    init(of uids: [UInt32]) {
        self.uids = uids
        names = uids.map { "\($0)" }
    }

    func run(_ accounts: Accounts) async {
        names = await accounts.names(of: uids) ?? names
    }
}
